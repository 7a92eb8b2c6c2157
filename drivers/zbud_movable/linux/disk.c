// SPDX-License-Identifier: GPL-2.0
/* Disks and the requests to them. See helpers.h. */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/highmem.h>
#include <linux/limits.h>
#include <linux/part_stat.h>

#include "helpers.h"

static_assert(sizeof(struct zbm_device_attribute) == sizeof(struct device_attribute));
static_assert(offsetof(struct zbm_device_attribute, show) ==
	      offsetof(struct device_attribute, show));
static_assert(offsetof(struct zbm_device_attribute, store) ==
	      offsetof(struct device_attribute, store));

void zbm_attribute_group_set(struct attribute_group *group, struct attribute **attrs)
{
	group->attrs = attrs;
}

struct gendisk *zbm_disk_alloc(const struct block_device_operations *ops, int major, int minor,
			       void *data)
{
	struct queue_limits lim = {
		.logical_block_size		= PAGE_SIZE,
		.physical_block_size		= PAGE_SIZE,
		.io_min				= PAGE_SIZE,
		.io_opt				= PAGE_SIZE,
		.discard_granularity		= PAGE_SIZE,
		.max_hw_discard_sectors		= UINT_MAX,
		.max_write_zeroes_sectors	= UINT_MAX,
		.features			= BLK_FEAT_STABLE_WRITES | BLK_FEAT_SYNCHRONOUS,
	};
	struct gendisk *disk = blk_alloc_disk(&lim, NUMA_NO_NODE);

	if (IS_ERR(disk))
		return disk;
	disk->major = major;
	disk->first_minor = minor;
	disk->minors = 1;
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = ops;
	disk->private_data = data;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "zbud%d", minor);
	return disk;
}

int zbm_disk_add(struct gendisk *disk, const struct attribute_group **groups)
{
	return device_add_disk(NULL, disk, groups);
}

struct kobject *zbm_disk_kobj(struct gendisk *disk)
{
	return &disk_to_dev(disk)->kobj;
}

void *zbm_disk_data(const struct gendisk *disk)
{
	return disk->private_data;
}

void *zbm_disk_data_of_dev(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

void *zbm_disk_data_of_bdev(const struct block_device *bdev)
{
	return bdev->bd_disk->private_data;
}

void zbm_disk_lock_open(struct gendisk *disk)
{
	mutex_lock(&disk->open_mutex);
}

void zbm_disk_unlock_open(struct gendisk *disk)
{
	mutex_unlock(&disk->open_mutex);
}

unsigned int zbm_disk_openers(const struct gendisk *disk)
{
	return disk_openers((struct gendisk *)disk);
}

void zbm_disk_sync(struct gendisk *disk)
{
	sync_blockdev(disk->part0);
}

void zbm_disk_set_pages(struct gendisk *disk, u64 pages)
{
	set_capacity_and_notify(disk, pages << PAGE_SECTORS_SHIFT);
}

void zbm_disk_clear_stat(struct gendisk *disk)
{
	part_stat_set_all(disk->part0, 0);
}

int zbm_register_blkdev(const char *name)
{
	return register_blkdev(0, name);
}

void *zbm_bio_disk_data(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk->private_data;
}

unsigned int zbm_bio_op(const struct bio *bio)
{
	return (__force unsigned int)bio_op(bio);
}

u64 zbm_bio_start(const struct bio *bio)
{
	return (u64)bio->bi_iter.bi_sector << SECTOR_SHIFT;
}

unsigned int zbm_bio_bytes(const struct bio *bio)
{
	return bio->bi_iter.bi_size;
}

void zbm_bio_iter(const struct bio *bio, struct bvec_iter *iter)
{
	*iter = bio->bi_iter;
}

bool zbm_bio_next(const struct bio *bio, struct bvec_iter *iter, struct zbm_segment *segment)
{
	struct bio_vec bvec;
	unsigned int in_block;

	if (!iter->bi_size)
		return false;
	bvec = bio_iter_iovec(bio, *iter);
	segment->start = (u64)iter->bi_sector << SECTOR_SHIFT;
	in_block = segment->start & (PAGE_SIZE - 1);
	segment->page = bvec.bv_page;
	segment->offset = bvec.bv_offset;
	segment->len = min_t(unsigned int, bvec.bv_len, PAGE_SIZE - in_block);
	bio_advance_iter_single(bio, iter, segment->len);
	return true;
}

u64 zbm_bio_start_io_acct(struct bio *bio)
{
	return bio_start_io_acct(bio);
}

void zbm_bio_end(struct bio *bio, u64 began, int err)
{
	bio_end_io_acct(bio, began);
	bio->bi_status = errno_to_blk_status(err);
	bio_endio(bio);
}

void zbm_flush_dcache_page(struct page *page)
{
	flush_dcache_page(page);
}
