// SPDX-License-Identifier: GPL-2.0
/* Pages: allocation, references, the page lock. See helpers.h. */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/topology.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "helpers.h"

struct page *zbm_alloc_page_from(gfp_t gfp, int nid, const nodemask_t *nodes)
{
	struct folio *folio;

	if (nid >= MAX_NUMNODES || !node_online(nid)) {
		if (gfp & __GFP_THISNODE)
			return NULL;
		nid = numa_mem_id();
	}
	/* The mask is only read, but not declared so. */
	folio = __folio_alloc(gfp, 0, nid, (nodemask_t *)nodes);
	return folio ? folio_page(folio, 0) : NULL;
}

unsigned int zbm_alloc_spare_pages(gfp_t gfp, int nid, unsigned int nr, struct page **pages)
{
	if (nid >= MAX_NUMNODES || !node_online(nid))
		return 0;
	/* One that may not reclaim gets reserves, if it does not say otherwise. */
	gfp = (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NOMEMALLOC;
	return zbm_alloc_pages_bulk(gfp, nid, nr, pages);
}

void *zbm_alloc_table_page(gfp_t gfp)
{
	return (void *)get_zeroed_page(gfp);
}

void zbm_free_table_page(void *addr)
{
	free_page((unsigned long)addr);
}

void *zbm_vzalloc(size_t bytes)
{
	/* Rather none than that a process is killed for it. */
	return __vmalloc(bytes, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}

void zbm_vfree(void *addr)
{
	vfree(addr);
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

bool zbm_page_poisoned(const struct page *page)
{
	return PageHWPoison(page);
}

void zbm_get_page(struct page *page)
{
	get_page(page);
}

void zbm_put_page(struct page *page)
{
	put_page(page);
}

void zbm_put_broken_page(struct page *page)
{
	atomic_add_unless(&page->_refcount, -1, 1);
}

bool zbm_address_poisoned(const void *addr)
{
	return PageHWPoison(virt_to_page(addr));
}

bool zbm_copy_mc(void *to, const void *from, unsigned int bytes)
{
	if (!copy_mc_to_kernel(to, from, bytes))
		return true;
	memory_failure_queue(page_to_pfn(virt_to_page(from)), 0);
	return false;
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
