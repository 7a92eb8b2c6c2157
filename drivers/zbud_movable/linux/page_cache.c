// SPDX-License-Identifier: GPL-2.0
/* Pages in the page cache of an inode of ours. See helpers.h. */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/swap.h>

#include "helpers.h"

void zbm_page_cache_set_up(struct address_space *mapping,
			   const struct address_space_operations *ops)
{
	mapping->a_ops = ops;
	mapping_set_unevictable(mapping);
}

/*
 * The memory cgroup that is charged for a page of the pool: the root's, which has no limit.
 * The task that stores reclaims, so a group at its limit would pay a whole page for each
 * that it puts out, and could not be freed after its end as long as others' data are in a
 * page that it has paid for. init_task is in the root's group for ever; root_mem_cgroup
 * is for modules from 6.17 on only. AS_KERNEL_FILE (6.17) would charge the root, too, but
 * what it counts per node does not move with a page.
 */
static struct mem_cgroup *zbm_charged(void)
{
	struct mem_cgroup *root = NULL;

#ifdef CONFIG_MEMCG
	rcu_read_lock();
	root = mem_cgroup_from_task(&init_task);
	/* Never freed, and not counted. */
	rcu_read_unlock();
#endif
	return root;
}

int zbm_page_cache_add(struct address_space *mapping, struct page *page,
		       unsigned long index, void *owner, gfp_t gfp)
{
	struct folio *folio = page_folio(page);
	struct mem_cgroup *active = set_active_memcg(zbm_charged());
	int err;

	folio_mark_uptodate(folio);
	err = filemap_add_folio(mapping, folio, index, gfp);
	if (!err)
		folio_attach_private(folio, owner);
	set_active_memcg(active);
	return err;
}

void zbm_page_cache_remove(struct address_space *mapping, unsigned long index,
			   unsigned int pages)
{
	loff_t start = (loff_t)index << PAGE_SHIFT;
	loff_t end = (loff_t)(index + pages) << PAGE_SHIFT;

	truncate_inode_pages_range(mapping, start, end - 1);
}

struct page *zbm_page_cache_lock(struct address_space *mapping, unsigned long index)
{
	struct folio *folio = filemap_lock_folio(mapping, index);

	return IS_ERR(folio) ? NULL : folio_page(folio, 0);
}

/*
 * A flag that only file systems with blocks look at, and that folio_migrate_flags() hands on.
 * (PG_checked is another name of PG_foreign, which means something to Xen.)
 */
bool zbm_page_is_wiped(struct page *page)
{
	return folio_test_mappedtodisk(page_folio(page));
}

void zbm_page_set_wiped(struct page *page)
{
	folio_set_mappedtodisk(page_folio(page));
}

int zbm_page_cache_replace(struct page *old, struct page *new)
{
	struct folio *src = page_folio(old), *dst = page_folio(new);

	if (copy_mc_highpage(new, old))
		return -EHWPOISON;
	folio_mark_uptodate(dst);
	if (zbm_page_is_wiped(old))
		zbm_page_set_wiped(new);
	replace_page_cache_folio(src, dst);
	folio_attach_private(dst, folio_detach_private(src));
	return 0;
}

void zbm_folio_add_lru(struct page *page)
{
	folio_add_lru(page_folio(page));
}

bool zbm_page_is_mapped(const struct page *page)
{
	return folio_mapped(page_folio(page));
}

void zbm_page_cache_unmap(struct page *page)
{
	struct folio *folio = page_folio(page);

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
