/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that differs between the kernels the module builds for: 6.12, where a
 * page has movable_operations of its own, and 7.x, where they belong to a page
 * type, of which two can have them (mm/migrate.c). What only Rust sees of the
 * difference is in compat.rs.
 */
#ifndef ZBM_COMPAT_H
#define ZBM_COMPAT_H

#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

#ifdef CONFIG_PREEMPT_RT
#error "zbud_movable copies pages with preemption off: no PREEMPT_RT"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)

static inline int zbm_compat_register(const struct movable_operations *ops)
{
	return 0;
}

static inline void zbm_compat_unregister(void)
{
}

static inline void zbm_compat_set_movable(struct page *page,
					  const struct movable_operations *ops)
{
	__SetPageMovable(page, ops);
}

/* The core sees, under the page lock, that the page is not movable any more. */
static inline void zbm_compat_clear_movable(struct page *page)
{
	__ClearPageMovable(page);
}

static inline bool zbm_compat_claim(struct page *page, int refs)
{
	return true;
}

static inline bool zbm_compat_isolated(const struct page *page)
{
	return PageIsolated(page);
}

static inline void zbm_compat_put_claimed(struct page *page, int refs)
{
	unlock_page(page);
	while (refs--)
		put_page(page);
}

#define zbm_compat_index(page) ((page)->index)

/* Charged to who happens to store: the root's cgroup is not for modules. */
static inline int zbm_compat_add_folio(struct address_space *mapping,
				       struct folio *folio, pgoff_t index,
				       gfp_t gfp)
{
	return filemap_add_folio(mapping, folio, index, gfp);
}

#else

/*
 * The other type, PGTY_offline, is not for pages that hold something: hibernation
 * does not save them (saveable_page), and memory offline takes one whose count is
 * zero, as ours is for a moment when it is given up, for nobody's
 * (__test_page_isolated_in_pageblock, __offline_isolated_pages).
 */
static inline int zbm_compat_register(const struct movable_operations *ops)
{
	return set_movable_ops(ops, PGTY_zsmalloc);
}

static inline void zbm_compat_unregister(void)
{
	set_movable_ops(NULL, PGTY_zsmalloc);
}

static inline void zbm_compat_set_movable(struct page *page,
					  const struct movable_operations *ops)
{
	__SetPageZsmalloc(page);
	SetPageMovableOps(page);
}

/* Type and flag stay until the page is freed: the core relies on it. */
static inline void zbm_compat_clear_movable(struct page *page)
{
}

/*
 * A page that the core has isolated calls back even after it was given up, so
 * it is kept until nobody else has a reference. With the count at zero nobody
 * can get one.
 */
static inline bool zbm_compat_claim(struct page *page, int refs)
{
	return page_ref_freeze(page, refs);
}

static inline bool zbm_compat_isolated(const struct page *page)
{
	return PageMovableOpsIsolated(page);
}

static inline void zbm_compat_put_claimed(struct page *page, int refs)
{
	unlock_page(page);
	__folio_put(page_folio(page));
}

#define zbm_compat_index(page) ((page)->__folio_index)

/*
 * Charged to the root's cgroup, not to who happens to store. AS_KERNEL_FILE would
 * do it, too, but what it counts per node does not move with a page.
 */
static inline int zbm_compat_add_folio(struct address_space *mapping,
				       struct folio *folio, pgoff_t index,
				       gfp_t gfp)
{
#ifdef CONFIG_MEMCG
	struct mem_cgroup *active = set_active_memcg(root_mem_cgroup);
	int err = filemap_add_folio(mapping, folio, index, gfp);

	set_active_memcg(active);
	return err;
#else
	return filemap_add_folio(mapping, folio, index, gfp);
#endif
}

#endif

#endif
