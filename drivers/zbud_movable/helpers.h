/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wrappers of what Rust cannot call, static inlines and macros, and the little
 * that is easier in C. Each wrapper does exactly what the kernel's function of the name after
 * zbm_ does, unless said otherwise.
 */
#ifndef ZBM_HELPERS_H
#define ZBM_HELPERS_H

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/memory.h>
#include <linux/migrate.h>
#include <linux/mm_types.h>
#include <linux/nodemask.h>
#include <linux/workqueue.h>

struct page *zbm_alloc_page(gfp_t gfp);
/* From one of @nodes (all if NULL), those near to @nid first. */
struct page *zbm_alloc_page_from(gfp_t gfp, int nid, const nodemask_t *nodes);
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
void *zbm_page_owner(const struct page *page);
unsigned long zbm_page_index(const struct page *page);

/* Movable operations, as compat.h has them for each kernel. */
int zbm_movable_register(const struct movable_operations *ops);
void zbm_movable_unregister(void);
/* Under the page lock: movable by @ops, with that owner. */
void zbm_page_set_movable(struct page *page, const struct movable_operations *ops,
			  void *pool, unsigned long index);
/* Under the page lock: undoes it. */
void zbm_page_clear_movable(struct page *page);
/*
 * Under the page lock, of which the caller has all of the pool's and his own
 * @refs references: whether the page may be given up now.
 */
bool zbm_page_claim(struct page *page, int refs);
/* Under the page lock: whether the host has taken it to move it. */
bool zbm_page_isolated(const struct page *page);
/* Whether its memory is known to be broken. */
bool zbm_page_poisoned(const struct page *page);
/* After zbm_page_claim: drops the page lock and the references. */
void zbm_page_put_claimed(struct page *page, int refs);

/* Pages in the page cache of an inode. */
void zbm_mapping_set_up(struct address_space *mapping,
			const struct address_space_operations *ops);
/* Adds @page, returns it locked and with @owner as its private data. */
int zbm_mapping_add(struct address_space *mapping, struct page *page,
		    unsigned long index, void *owner, gfp_t gfp);
/* Removes what is at @index; waits for its page lock. */
void zbm_mapping_remove(struct address_space *mapping, unsigned long index);
/* The page at @index, locked and with a reference; NULL if there is none. */
struct page *zbm_mapping_lock_page(struct address_space *mapping,
				   unsigned long index);
/*
 * Puts @new, with what @old has, in the place of @old and gives it its private
 * data. Both are locked, @new is new, @old was taken away from those who had it
 * mapped (zbm_mapping_unmap). Does not sleep. -EHWPOISON when @old cannot be read,
 * nothing has changed then.
 */
int zbm_mapping_replace(struct page *old, struct page *new);
void zbm_folio_add_lru(struct page *page);
/* Takes the locked @page away from all processes that have it mapped. */
void zbm_mapping_unmap(struct page *page);
void *zbm_folio_detach_private(struct folio *folio);
/* -EACCES if it is writable or executable; sees to it that it never will be. */
int zbm_vma_set_read_only(struct vm_area_struct *vma);

/* Numbers for leaves, over all pools: below @end, or a negative errno. */
int zbm_leaf_number_get(unsigned int end, gfp_t gfp);
void zbm_leaf_number_put(unsigned int number);

struct module *zbm_this_module(void);
/* The module parameter. */
const char *zbm_param_mover(void);

void zbm_preempt_disable(void);
void zbm_preempt_enable(void);
void zbm_cond_resched(void);
/* Gives the CPU away for one tick. */
void zbm_short_sleep(void);
/* The nearest node with memory. */
int zbm_numa_mem_id(void);
unsigned int zbm_nr_node_ids(void);
bool zbm_node_possible(int nid);
/* The nodes that have memory now. */
void zbm_nodes_with_memory(nodemask_t *nodes);
/*
 * The kernel's list format: -EINVAL if it is none, -ERANGE if it has a node that
 * this kernel cannot have.
 */
int zbm_nodelist_parse(const char *text, nodemask_t *nodes);
int zbm_nodelist_emit(char *buf, const nodemask_t *nodes);
unsigned long zbm_totalram_pages(void);
bool zbm_fatal_signal_pending(void);
int zbm_register_memory_notifier(struct notifier_block *nb);
void zbm_unregister_memory_notifier(struct notifier_block *nb);

struct workqueue_struct *zbm_alloc_workqueue(const char *name, unsigned int flags);
struct dentry *zbm_debugfs_create_file(const char *name, umode_t mode,
				       struct dentry *parent, void *data,
				       const struct file_operations *fops);
struct inode *zbm_file_inode(const struct file *file);
void zbm_i_size_write(struct inode *inode, loff_t size);

#endif
