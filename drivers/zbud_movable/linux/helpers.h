/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wrappers of static inlines and macros, which Rust cannot call, and the little
 * that is easier in C; a file for each subject. A wrapper does exactly what the
 * kernel's function of the name after zbm_ does, unless a comment says otherwise.
 */
#ifndef ZBM_HELPERS_H
#define ZBM_HELPERS_H

#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/memory.h>
#include <linux/migrate.h>
#include <linux/mm_types.h>
#include <linux/nodemask.h>
#include <linux/shrinker.h>
#include <linux/workqueue.h>
#ifdef CONFIG_ZPOOL
#include <linux/zpool.h>
#endif

/* callbacks.c: callbacks of the kernel's, and what each calls, which is in Rust. */
int zbm_migrate_page(struct page *dst, struct page *src, enum migrate_mode mode);
int zbud_movable_migrate_page(struct page *dst, struct page *src, unsigned int mode);
int zbm_migrate_folio(struct address_space *mapping, struct folio *dst, struct folio *src,
		      enum migrate_mode mode);
int zbud_movable_migrate_folio(struct address_space *mapping, struct folio *dst,
			       struct folio *src, unsigned int mode);
#ifdef CONFIG_ZPOOL
void *zbm_zpool_map(void *pool, unsigned long handle, enum zpool_mapmode mode);
void *zbud_movable_zpool_map(void *pool, unsigned long handle, unsigned int mode);
#endif

/* page.c */
/*
 * From one of @nodes (all if NULL), those near to @nid first, or near to this CPU if
 * that is not online.
 */
struct page *zbm_alloc_page_from(gfp_t gfp, int nid, const nodemask_t *nodes);
/*
 * Up to @nr pages on node @nid that there are to spare, into the first elements of @pages, which
 * are NULL; returns how many. Nothing is reclaimed for them, and none may be there for a task
 * whose cpuset does not have the node. Does not sleep.
 */
unsigned int zbm_alloc_spare_pages(gfp_t gfp, int nid, unsigned int nr, struct page **pages);
/* A zeroed page of kernel memory; NULL if there is none. */
void *zbm_alloc_table_page(gfp_t gfp);
void zbm_free_table_page(void *addr);
/* Zeroed memory, contiguous for the CPU only; NULL if there is none. Sleeps. */
void *zbm_vzalloc(size_t bytes);
void zbm_vfree(void *addr);
void *zbm_page_address(const struct page *page);
struct page *zbm_virt_to_page(const void *addr);
int zbm_page_to_nid(const struct page *page);
unsigned long zbm_page_to_pfn(const struct page *page);
/* Whether its memory is known to be broken. */
bool zbm_page_poisoned(const struct page *page);
void zbm_get_page(struct page *page);
void zbm_put_page(struct page *page);
/*
 * Drops a reference on a page whose memory is broken, unless it is the last: mm expects
 * that one is left, which it drops when it is told that the memory is sound after all
 * (unpoison_memory). Without it, the page would be neither free nor anybody's then.
 *
 * A reference that somebody else has for a moment is taken for the one of mm: they look alike.
 * When that goes, the frame is not used again all the same: a page that is marked as broken is
 * never freed. And unpoison_memory is for tests: it refuses everything once a machine has found a
 * page broken.
 */
void zbm_put_broken_page(struct page *page);
/* Whether the page at @addr is known to be broken. */
bool zbm_address_poisoned(const void *addr);
/*
 * Copies @bytes within a page each; false if the memory at @from turns out to be broken,
 * of which mm is told.
 */
bool zbm_copy_mc(void *to, const void *from, unsigned int bytes);
bool zbm_trylock_page(struct page *page);
void zbm_lock_page(struct page *page);
void zbm_unlock_page(struct page *page);
/* page->private: whose page it is. */
void *zbm_page_owner(const struct page *page);

/* compat.c: differences between kernels. */
/* The bulk allocator; @nid is online. */
unsigned int zbm_alloc_pages_bulk(gfp_t gfp, int nid, unsigned int nr, struct page **pages);
int zbm_movable_ops_register(const struct movable_operations *ops);
void zbm_movable_ops_unregister(void);
/* page->index. */
unsigned long zbm_page_index(const struct page *page);
/* Under the page lock: movable by @ops, with that owner and index. */
void zbm_page_set_movable(struct page *page, const struct movable_operations *ops,
			  void *owner, unsigned long index);
/* Under the page lock: undoes it. */
void zbm_page_clear_movable(struct page *page);
/* Under the page lock: whether mm has isolated the page to move it. */
bool zbm_page_isolated(const struct page *page);
/*
 * Under the page lock, with @refs references, the pool's among them: whether the
 * page may be released now. If so nobody else gets a reference until it is put
 * or unclaimed.
 */
bool zbm_page_claim(struct page *page, int refs);
/* Undoes zbm_page_claim; the page stays locked. */
void zbm_page_unclaim(struct page *page, int refs);
/*
 * After zbm_page_claim: drops the page lock and the references; all but one if its
 * memory is @broken, or marked so: see zbm_put_broken_page.
 */
void zbm_page_put_claimed(struct page *page, int refs, bool broken);
/*
 * Of the frames @start to @end, those that were released and are broken lose what shows them
 * as pages that move, which is there until a page is freed, and these never are: mm has
 * taken them out of use after it had moved a page away (soft offline).
 */
void zbm_forget_broken_pages(unsigned long start, unsigned long end);

/* page_cache.c */
void zbm_page_cache_set_up(struct address_space *mapping,
			   const struct address_space_operations *ops);
/* Adds @page, returns it locked and with @owner as its private data. */
int zbm_page_cache_add(struct address_space *mapping, struct page *page,
		       unsigned long index, void *owner, gfp_t gfp);
/* Removes @pages pages from @index on; waits for their page locks. */
void zbm_page_cache_remove(struct address_space *mapping, unsigned long index,
			   unsigned int pages);
/* The page at @index, locked and with a reference; NULL if there is none. */
struct page *zbm_page_cache_lock(struct address_space *mapping, unsigned long index);
/*
 * Puts @new, with what @old has, in the place of @old and gives it its private
 * data. Both are locked, @new is new, @old was unmapped (zbm_page_cache_unmap).
 * Does not sleep. -EHWPOISON when @old cannot be read; nothing has changed then.
 */
int zbm_page_cache_replace(struct page *old, struct page *new);
/*
 * Whether nothing is in @page but what the pool has put there: a mark that moves with the
 * page. With the page lock.
 */
bool zbm_page_is_wiped(struct page *page);
void zbm_page_set_wiped(struct page *page);
/* Whether a process has it mapped. */
bool zbm_page_is_mapped(const struct page *page);
/* Unmaps the locked @page from all processes. */
void zbm_page_cache_unmap(struct page *page);
void zbm_folio_add_lru(struct page *page);
void *zbm_folio_detach_private(struct folio *folio);
/* -EACCES if it is writable or executable; sees to it that it never will be. */
int zbm_vma_set_read_only(struct vm_area_struct *vma);

/* node.c */
/* The nearest node with memory. */
int zbm_numa_mem_id(void);
unsigned int zbm_nr_node_ids(void);
bool zbm_node_possible(int nid);
int zbm_node_distance(int from, int to);
/* The nodes that have memory now. */
void zbm_nodes_with_memory(nodemask_t *nodes);
/*
 * The kernel's list format: -EINVAL if it is none, -ERANGE if it has a node that
 * this kernel cannot have.
 */
int zbm_nodelist_parse(const char *text, nodemask_t *nodes);
int zbm_nodelist_emit(char *buf, const nodemask_t *nodes);
unsigned long zbm_totalram_pages(void);
/* What a notifier says to refuse with that errno, negative. */
int zbm_notifier_from_errno(int err);
int zbm_register_memory_notifier(struct notifier_block *nb);
void zbm_unregister_memory_notifier(struct notifier_block *nb);

/* task.c */
unsigned int zbm_nr_cpu_ids(void);
unsigned int zbm_smp_processor_id(void);
void zbm_preempt_disable(void);
void zbm_preempt_enable(void);
void zbm_cond_resched(void);
/* Sleeps for one tick. */
void zbm_short_sleep(void);
/*
 * Whether the caller may sleep, as far as that can be told: without CONFIG_PREEMPT_COUNT (which
 * PREEMPT_DYNAMIC selects) spinlocks and rcu_read_lock() leave no trace, and this is false; with
 * it, all but a PREEMPT_RCU read-side critical section are in the count.
 */
bool zbm_may_sleep(void);
/* The ticks so far, in milliseconds. */
u64 zbm_ticks_in_ms(void);
bool zbm_fatal_signal_pending(void);
bool zbm_capable_rawio(void);
/* Whether this task has called freeze_processes(): it suspends or hibernates the machine. */
bool zbm_froze_processes(void);

/* work.c */
struct workqueue_struct *zbm_alloc_workqueue(const char *name, unsigned int flags);
void zbm_delayed_work_init(struct delayed_work *work, work_func_t func);
/* In @ms milliseconds, unless it is queued already. */
void zbm_queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
			    unsigned int ms);
/* Also if it is queued for later. */
void zbm_queue_within(struct workqueue_struct *wq, struct delayed_work *work, unsigned int ms);

/* shrinker.c */
typedef unsigned long zbm_shrink_fn(struct shrinker *shrinker, struct shrink_control *control);
/*
 * One that is told @data, until shrinker_free(), which waits for calls that are running. NULL
 * if there is no memory.
 */
struct shrinker *zbm_shrinker_new(zbm_shrink_fn *count, zbm_shrink_fn *scan, void *data,
				  const char *name);
/* The data given to zbm_shrinker_new. */
void *zbm_shrinker_data(const struct shrinker *shrinker);
/* How much it is asked for. */
unsigned long zbm_shrink_nr(const struct shrink_control *control);

/* memory_failure.c */
typedef void zbm_memory_failure_fn(void *data, unsigned long pfn, int type, int result);
/*
 * From now on @told is called, where it must not sleep, whenever mm has been told of broken
 * memory. -ENOENT if this kernel does not tell.
 */
int zbm_memory_failure_watch(zbm_memory_failure_fn *told, void *data);
/* Undoes it; waits for calls that are running. */
void zbm_memory_failure_unwatch(zbm_memory_failure_fn *told, void *data);

/* fault.c, with CONFIG_FAULT_INJECTION_DEBUG_FS only: each is 0, but when it is to fail. */
/* The directories in which that is asked for. */
void zbm_fault_create_debugfs(struct dentry *parent);
/* -ENOMEM */
int zbm_fault_alloc(void);
/* -EBUSY */
int zbm_fault_migrate(void);
/* -EHWPOISON; mm is told that the memory of the page at @from is broken. Does not sleep. */
int zbm_fault_copy(const void *from);

/* vmstat.c */
void zbm_count_migrate_success(u64 pages);
void zbm_count_migrate_fail(u64 pages);

/* module.c */
/* The module's parameters. */
const char *zbm_param_mover(void);
unsigned int zbm_param_num_devices(void);
/* Numbers for leaves, over all pools: below @end, or a negative errno. */
unsigned long zbm_param_max_pages(void);
int zbm_leaf_number_get(unsigned int end, gfp_t gfp);
void zbm_leaf_number_put(unsigned int number);

/* disk.c */
/*
 * struct device_attribute, of which 7.x has a union in place of each callback; or two callbacks,
 * one of which is not set, where their types are checked.
 */
struct zbm_device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *dev, struct device_attribute *attr, char *buf);
#if defined(CONFIG_CFI) && defined(__SYSFS_FUNCTION_ALTERNATIVE)
	void *show_const;
#endif
	ssize_t (*store)(struct device *dev, struct device_attribute *attr, const char *buf,
			 size_t count);
#if defined(CONFIG_CFI) && defined(__SYSFS_FUNCTION_ALTERNATIVE)
	void *store_const;
#endif
};

void zbm_attribute_group_set(struct attribute_group *group, struct attribute **attrs);
/* A part of a block of a disk, in memory. */
struct zbm_segment {
	struct page *page;
	unsigned int offset;
	unsigned int len;
	/* Where on the disk, in bytes. */
	u64 start;
};

/*
 * "zbud<minor>", with blocks of a page, not added yet; I/O to it is synchronous. An
 * error pointer if there is no memory.
 */
struct gendisk *zbm_disk_alloc(const struct block_device_operations *ops, int major, int minor,
			       void *data);
int zbm_disk_add(struct gendisk *disk, const struct attribute_group **groups);
struct kobject *zbm_disk_kobj(struct gendisk *disk);
/* The data given to zbm_disk_alloc. */
void *zbm_disk_data(const struct gendisk *disk);
void *zbm_disk_data_of_dev(struct device *dev);
void *zbm_disk_data_of_bdev(const struct block_device *bdev);
/* The lock under which disks are opened and closed. */
void zbm_disk_lock_open(struct gendisk *disk);
void zbm_disk_unlock_open(struct gendisk *disk);
unsigned int zbm_disk_openers(const struct gendisk *disk);
void zbm_disk_sync(struct gendisk *disk);
/* Sets the capacity. */
void zbm_disk_set_pages(struct gendisk *disk, u64 pages);
void zbm_disk_clear_stat(struct gendisk *disk);
/* A major number, or a negative errno. */
int zbm_register_blkdev(const char *name);
void *zbm_bio_disk_data(const struct bio *bio);
unsigned int zbm_bio_op(const struct bio *bio);
/* In bytes. */
u64 zbm_bio_start(const struct bio *bio);
unsigned int zbm_bio_bytes(const struct bio *bio);
/* The iterator at the beginning of @bio. */
void zbm_bio_iter(const struct bio *bio, struct bvec_iter *iter);
/* The next part of @bio that lies in one page and in one block; false at the end. */
bool zbm_bio_next(const struct bio *bio, struct bvec_iter *iter, struct zbm_segment *segment);
u64 zbm_bio_start_io_acct(struct bio *bio);
/* Ends @bio and its accounting; @err is 0 or a negative errno. */
void zbm_bio_end(struct bio *bio, u64 began, int err);
void zbm_flush_dcache_page(struct page *page);

/* file.c */
struct dentry *zbm_debugfs_create_file(const char *name, umode_t mode,
				       struct dentry *parent, void *data,
				       const struct file_operations *fops);
struct inode *zbm_file_inode(const struct file *file);

/* trace.c: trace events, by name; see trace.h. */
/* Which are traced now. */
struct zbm_traced {
	bool store;
	bool free;
	bool isolate;
	bool migrate;
	bool putback;
	bool node_move;
	bool repair;
};

extern struct zbm_traced zbm_traced;
/* Where a zpage was put: in a page with another one, without one, or a new page. */
enum { ZBM_BESIDE, ZBM_EMPTY, ZBM_NEW };
/* The mode of a move for which nobody asked mm. */
enum { ZBM_BY_HAND = 255 };
void zbm_trace_store(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		     unsigned int place, const void *handle);
void zbm_trace_free(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		    const void *handle);
void zbm_trace_isolate(const char *pool, unsigned long pfn, int nid, int result);
void zbm_trace_migrate(const char *pool, unsigned long from_pfn, int from_nid,
		       unsigned long to_pfn, int to_nid, int mode, int result, u64 ns);
/* Nanoseconds of a clock that only goes forward. */
u64 zbm_trace_clock(void);
void zbm_trace_putback(const char *pool, unsigned long pfn, int nid);
void zbm_trace_node_move(const char *pool, int from_nid, int to_nid, u64 moved, u64 not_moved,
			 int result);
void zbm_trace_repair(const char *pool, const void *handle, unsigned long from_pfn, int from_nid,
		      unsigned long to_pfn, int to_nid, unsigned int bytes, int result);

#endif
