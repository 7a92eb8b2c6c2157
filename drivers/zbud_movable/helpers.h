/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wrappers of what Rust cannot call: static inlines and macros. Nothing else
 * belongs here. Each does exactly what the kernel's function of the name after
 * zbm_ does, unless said otherwise.
 */
#ifndef ZBM_HELPERS_H
#define ZBM_HELPERS_H

#include <linux/crypto.h>
#include <linux/fs.h>
#include <linux/migrate.h>
#include <linux/mm_types.h>

struct page *zbm_alloc_page(gfp_t gfp);
/* A zeroed page of kernel memory; NULL if there is none. */
void *zbm_alloc_table_page(gfp_t gfp);
void zbm_free_table_page(void *addr);

void *zbm_page_address(const struct page *page);
struct page *zbm_virt_to_page(const void *addr);
int zbm_page_to_nid(const struct page *page);
unsigned long zbm_page_to_pfn(const struct page *page);

void zbm_get_page(struct page *page);
void zbm_put_page(struct page *page);
bool zbm_trylock_page(struct page *page);
void zbm_lock_page(struct page *page);
void zbm_unlock_page(struct page *page);

/* page->private and page->index: whose page it is, and its descriptor there. */
void zbm_set_page_owner(struct page *page, void *pool, unsigned long index);
void *zbm_page_owner(const struct page *page);
unsigned long zbm_page_index(const struct page *page);

void zbm_preempt_disable(void);
void zbm_preempt_enable(void);
void zbm_cond_resched(void);
/* Gives the CPU away for one tick. */
void zbm_short_sleep(void);
/* The nearest node with memory. */
int zbm_numa_mem_id(void);
unsigned int zbm_nr_node_ids(void);
bool zbm_node_possible(int nid);
unsigned long zbm_totalram_pages(void);

struct crypto_comp *zbm_crypto_alloc_comp(const char *name);
void zbm_crypto_free_comp(struct crypto_comp *tfm);

struct inode *zbm_file_inode(const struct file *file);
void zbm_i_size_write(struct inode *inode, loff_t size);

#endif
