// SPDX-License-Identifier: GPL-2.0
/* Files in debugfs. See helpers.h. */
#include <linux/debugfs.h>
#include <linux/fs.h>

#include "helpers.h"

struct dentry *zbm_debugfs_create_file(const char *name, umode_t mode,
				       struct dentry *parent, void *data,
				       const struct file_operations *fops)
{
	return debugfs_create_file(name, mode, parent, data, fops);
}

struct inode *zbm_file_inode(const struct file *file)
{
	return file_inode(file);
}
