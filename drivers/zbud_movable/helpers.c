// SPDX-License-Identifier: GPL-2.0
/* See helpers.h. */
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/sysfs.h>
#include <linux/topology.h>

#include "compat.h"
#include "helpers.h"

struct page *zbm_alloc_page(gfp_t gfp)
{
	return alloc_page(gfp);
}

struct page *zbm_alloc_page_from(gfp_t gfp, int nid, const nodemask_t *nodes)
{
	/* Only read, but not declared so. */
	struct folio *folio = __folio_alloc(gfp, 0, nid, (nodemask_t *)nodes);

	return folio ? folio_page(folio, 0) : NULL;
}

void *zbm_alloc_table_page(gfp_t gfp)
{
	return (void *)get_zeroed_page(gfp);
}

void zbm_free_table_page(void *addr)
{
	free_page((unsigned long)addr);
}

void *zbm_page_address(const struct page *page)
{
	return page_address(page);
}

struct page *zbm_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}

int zbm_page_to_nid(const struct page *page)
{
	return page_to_nid(page);
}

unsigned long zbm_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

void zbm_get_page(struct page *page)
{
	get_page(page);
}

void zbm_put_page(struct page *page)
{
	put_page(page);
}

bool zbm_trylock_page(struct page *page)
{
	return trylock_page(page);
}

void zbm_lock_page(struct page *page)
{
	lock_page(page);
}

void zbm_unlock_page(struct page *page)
{
	unlock_page(page);
}

void *zbm_page_owner(const struct page *page)
{
	return (void *)page_private(page);
}

unsigned long zbm_page_index(const struct page *page)
{
	return zbm_compat_index(page);
}

int zbm_movable_register(const struct movable_operations *ops)
{
	return zbm_compat_register(ops);
}

void zbm_movable_unregister(void)
{
	zbm_compat_unregister();
}

void zbm_page_set_movable(struct page *page, const struct movable_operations *ops,
			  void *pool, unsigned long index)
{
	set_page_private(page, (unsigned long)pool);
	zbm_compat_index(page) = index;
	zbm_compat_set_movable(page, ops);
}

void zbm_page_clear_movable(struct page *page)
{
	zbm_compat_clear_movable(page);
	set_page_private(page, 0);
	zbm_compat_index(page) = 0;
}

bool zbm_page_claim(struct page *page, int refs)
{
	return zbm_compat_claim(page, refs);
}

bool zbm_page_isolated(const struct page *page)
{
	return zbm_compat_isolated(page);
}

bool zbm_page_poisoned(const struct page *page)
{
	return PageHWPoison(page);
}

void zbm_page_put_claimed(struct page *page, int refs)
{
	zbm_compat_put_claimed(page, refs);
}

void zbm_mapping_set_up(struct address_space *mapping,
			const struct address_space_operations *ops)
{
	mapping->a_ops = ops;
	mapping_set_unevictable(mapping);
}

int zbm_mapping_add(struct address_space *mapping, struct page *page,
		    unsigned long index, void *owner, gfp_t gfp)
{
	struct folio *folio = page_folio(page);
	int err;

	folio_mark_uptodate(folio);
	err = zbm_compat_add_folio(mapping, folio, index, gfp);
	if (!err)
		folio_attach_private(folio, owner);
	return err;
}

void zbm_mapping_remove(struct address_space *mapping, unsigned long index)
{
	loff_t start = (loff_t)index << PAGE_SHIFT;

	truncate_inode_pages_range(mapping, start, start + PAGE_SIZE - 1);
}

struct page *zbm_mapping_lock_page(struct address_space *mapping,
				   unsigned long index)
{
	struct folio *folio = filemap_lock_folio(mapping, index);

	return IS_ERR(folio) ? NULL : folio_page(folio, 0);
}

int zbm_mapping_replace(struct page *old, struct page *new)
{
	struct folio *src = page_folio(old), *dst = page_folio(new);

	if (copy_mc_highpage(new, old))
		return -EHWPOISON;
	folio_mark_uptodate(dst);
	replace_page_cache_folio(src, dst);
	folio_attach_private(dst, folio_detach_private(src));
	return 0;
}

void zbm_folio_add_lru(struct page *page)
{
	folio_add_lru(page_folio(page));
}

void zbm_mapping_unmap(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (folio_mapped(folio))
		unmap_mapping_pages(folio->mapping, folio->index, 1, false);
}

void *zbm_folio_detach_private(struct folio *folio)
{
	return folio_detach_private(folio);
}

int zbm_vma_set_read_only(struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return 0;
}

static DEFINE_IDA(zbm_leaf_numbers);

int zbm_leaf_number_get(unsigned int end, gfp_t gfp)
{
	return ida_alloc_max(&zbm_leaf_numbers, end - 1, gfp);
}

void zbm_leaf_number_put(unsigned int number)
{
	ida_free(&zbm_leaf_numbers, number);
}

struct module *zbm_this_module(void)
{
	return THIS_MODULE;
}

static char *mover = "auto";
module_param(mover, charp, 0444);
MODULE_PARM_DESC(mover, "how the host moves pages: auto, movable_ops or mapping");

const char *zbm_param_mover(void)
{
	return mover;
}

MODULE_AUTHOR("The zbud_movable developers");

void zbm_preempt_disable(void)
{
	preempt_disable();
}

void zbm_preempt_enable(void)
{
	preempt_enable();
}

void zbm_cond_resched(void)
{
	cond_resched();
}

void zbm_short_sleep(void)
{
	schedule_timeout_uninterruptible(1);
}

int zbm_numa_mem_id(void)
{
	return numa_mem_id();
}

unsigned int zbm_nr_node_ids(void)
{
	return nr_node_ids;
}

bool zbm_node_possible(int nid)
{
	return node_possible(nid);
}

void zbm_nodes_with_memory(nodemask_t *nodes)
{
	*nodes = node_states[N_MEMORY];
}

int zbm_nodelist_parse(const char *text, nodemask_t *nodes)
{
	int err = nodelist_parse(text, *nodes);

	/* A number that no variable could hold is too large as well. */
	return err == -EOVERFLOW ? -ERANGE : err;
}

int zbm_nodelist_emit(char *buf, const nodemask_t *nodes)
{
	return sysfs_emit(buf, "%*pbl\n", nodemask_pr_args(nodes));
}

unsigned long zbm_totalram_pages(void)
{
	return totalram_pages();
}

bool zbm_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

int zbm_register_memory_notifier(struct notifier_block *nb)
{
	return register_memory_notifier(nb);
}

void zbm_unregister_memory_notifier(struct notifier_block *nb)
{
	unregister_memory_notifier(nb);
}

struct workqueue_struct *zbm_alloc_workqueue(const char *name, unsigned int flags)
{
	return alloc_workqueue("%s", flags, 0, name);
}

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

void zbm_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}
