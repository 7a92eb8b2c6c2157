// SPDX-License-Identifier: GPL-2.0
/*
 * All that differs between the kernels the module builds for: 6.12, where a
 * page has movable_operations of its own, and 7.x, where they belong to a page
 * type, of which two can have them (mm/migrate.c). The helpers are declared in
 * helpers.h. compat.rs has the differences that only Rust sees.
 */
#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/version.h>

#include "helpers.h"

#ifdef CONFIG_PREEMPT_RT
#error "zbud_movable copies pages with preemption off: no PREEMPT_RT"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define alloc_pages_bulk_node alloc_pages_bulk_array_node
#endif

unsigned int zbm_alloc_pages_bulk(gfp_t gfp, int nid, unsigned int nr, struct page **pages)
{
	return alloc_pages_bulk_node(gfp, nid, nr, pages);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)

int zbm_movable_ops_register(const struct movable_operations *ops)
{
	return 0;
}

void zbm_movable_ops_unregister(void)
{
}

unsigned long zbm_page_index(const struct page *page)
{
	return page->index;
}

void zbm_page_set_movable(struct page *page, const struct movable_operations *ops,
			  void *owner, unsigned long index)
{
	set_page_private(page, (unsigned long)owner);
	page->index = index;
	__SetPageMovable(page, ops);
}

/* mm sees, under the page lock, that the page is not movable any more. */
void zbm_page_clear_movable(struct page *page)
{
	__ClearPageMovable(page);
	set_page_private(page, 0);
	page->index = 0;
}

bool zbm_page_isolated(const struct page *page)
{
	return PageIsolated(page);
}

bool zbm_page_claim(struct page *page, int refs)
{
	return true;
}

void zbm_page_unclaim(struct page *page, int refs)
{
}

/*
 * By the mark that __ClearPageMovable leaves, for an mm that has the page isolated, memory
 * offline takes it for a page that moves, until it is freed.
 */
static bool zbm_page_is_left(const struct page *page)
{
	return (unsigned long)page->mapping == PAGE_MAPPING_MOVABLE && !PageIsolated(page);
}

static void zbm_page_clear_mark(struct page *page)
{
	page->mapping = NULL;
}

void zbm_page_put_claimed(struct page *page, int refs, bool broken)
{
	if (broken || PageHWPoison(page))
		refs--;
	unlock_page(page);
	while (refs--)
		put_page(page);
}

#else

/*
 * The other type, PGTY_offline, is not for pages that hold something: hibernation
 * does not save them (saveable_page), and memory offline treats one whose count is
 * zero, as ours is for a moment when it is released, as free
 * (__test_page_isolated_in_pageblock, __offline_isolated_pages).
 */
int zbm_movable_ops_register(const struct movable_operations *ops)
{
	/* zsmalloc as a module that is loaded later would be refused, and zram with it. */
	if (IS_ENABLED(CONFIG_ZSMALLOC))
		return -EBUSY;
	return set_movable_ops(ops, PGTY_zsmalloc);
}

void zbm_movable_ops_unregister(void)
{
	set_movable_ops(NULL, PGTY_zsmalloc);
}

unsigned long zbm_page_index(const struct page *page)
{
	return page->__folio_index;
}

void zbm_page_set_movable(struct page *page, const struct movable_operations *ops,
			  void *owner, unsigned long index)
{
	set_page_private(page, (unsigned long)owner);
	page->__folio_index = index;
	__SetPageZsmalloc(page);
	SetPageMovableOps(page);
}

/* Type and flag stay until the page is freed: mm relies on it. */
void zbm_page_clear_movable(struct page *page)
{
	set_page_private(page, 0);
	page->__folio_index = 0;
}

bool zbm_page_isolated(const struct page *page)
{
	return PageMovableOpsIsolated(page);
}

/*
 * mm calls back for a page that it has isolated even after it was released, so
 * a page is kept until nobody else has a reference. With the count at zero nobody
 * can get one.
 */
bool zbm_page_claim(struct page *page, int refs)
{
	return page_ref_freeze(page, refs);
}

void zbm_page_unclaim(struct page *page, int refs)
{
	page_ref_unfreeze(page, refs);
}

/*
 * By type and flag, which stay until it is freed, memory offline takes a page that was
 * released for one that moves. (PG_movable_ops is PG_uptodate.)
 */
static bool zbm_page_is_left(const struct page *page)
{
	return !IS_ENABLED(CONFIG_ZSMALLOC) && PageZsmalloc(page) && PageMovableOps(page) &&
	       !PageMovableOpsIsolated(page) && !page_private(page);
}

static void zbm_page_clear_mark(struct page *page)
{
	__ClearPageZsmalloc(page);
	ClearPageUptodate(page);
}

void zbm_page_put_claimed(struct page *page, int refs, bool broken)
{
	if (broken || PageHWPoison(page)) {
		zbm_page_clear_mark(page);
		unlock_page(page);
		page_ref_unfreeze(page, 1);
		return;
	}
	unlock_page(page);
	__folio_put(page_folio(page));
}

#endif

void zbm_forget_broken_pages(unsigned long start, unsigned long end)
{
	unsigned long pfn;

	for (pfn = start; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		/* Others' pages are not locked: some have a lock of another kind. */
		if (IS_ALIGNED(pfn, pageblock_nr_pages))
			cond_resched();
		if (!page || !PageHWPoison(page) || !zbm_page_is_left(page) ||
		    !trylock_page(page))
			continue;
		if (zbm_page_is_left(page))
			zbm_page_clear_mark(page);
		unlock_page(page);
	}
}
