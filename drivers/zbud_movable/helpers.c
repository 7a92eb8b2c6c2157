// SPDX-License-Identifier: GPL-2.0
/* See helpers.h. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/topology.h>

#include "helpers.h"

struct page *zbm_alloc_page(gfp_t gfp)
{
	return alloc_page(gfp);
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

void zbm_set_page_owner(struct page *page, void *pool, unsigned long index)
{
	set_page_private(page, (unsigned long)pool);
	page->index = index;
}

void *zbm_page_owner(const struct page *page)
{
	return (void *)page_private(page);
}

unsigned long zbm_page_index(const struct page *page)
{
	return page->index;
}

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

unsigned long zbm_totalram_pages(void)
{
	return totalram_pages();
}

struct crypto_comp *zbm_crypto_alloc_comp(const char *name)
{
	return crypto_alloc_comp(name, 0, 0);
}

void zbm_crypto_free_comp(struct crypto_comp *tfm)
{
	crypto_free_comp(tfm);
}

struct inode *zbm_file_inode(const struct file *file)
{
	return file_inode(file);
}

void zbm_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}
