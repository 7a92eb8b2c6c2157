/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trace events zbud_movable:*. Names and fields are stable: fields may come, at the end.
 * Documentation/admin-guide.rst says what each means. Only while an event is traced is its
 * function called: zbm_traced says so to Rust, which cannot read a static key on 6.12.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zbud_movable

#if !defined(ZBM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ZBM_TRACE_H

#include <linux/migrate_mode.h>
#include <linux/tracepoint.h>

#ifndef ZBM_TRACE_SWITCHES
#define ZBM_TRACE_SWITCHES
#define ZBM_TRACE_SWITCH(event) int zbm_trace_##event##_on(void); void zbm_trace_##event##_off(void)
ZBM_TRACE_SWITCH(store);
ZBM_TRACE_SWITCH(free);
ZBM_TRACE_SWITCH(isolate);
ZBM_TRACE_SWITCH(migrate);
ZBM_TRACE_SWITCH(putback);
ZBM_TRACE_SWITCH(node_move);
ZBM_TRACE_SWITCH(repair);
#endif

TRACE_EVENT_FN(store,
	TP_PROTO(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		 unsigned int place, const void *handle),
	TP_ARGS(pool, pfn, nid, bytes, place, handle),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, pfn)
		__field(int, nid)
		__field(unsigned int, bytes)
		__field(unsigned int, place)
		__field(const void *, handle)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->pfn = pfn;
		__entry->nid = nid;
		__entry->bytes = bytes;
		__entry->place = place;
		__entry->handle = handle;
	),
	TP_printk("pool=%s pfn=%lu nid=%d bytes=%u place=%s handle=%p", __get_str(pool),
		  __entry->pfn, __entry->nid, __entry->bytes,
		  __print_symbolic(__entry->place,
				   { ZBM_BESIDE, "beside" },
				   { ZBM_EMPTY, "empty" },
				   { ZBM_NEW, "new" }),
		  __entry->handle),
	zbm_trace_store_on, zbm_trace_store_off
);

TRACE_EVENT_FN(free,
	TP_PROTO(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		 const void *handle),
	TP_ARGS(pool, pfn, nid, bytes, handle),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, pfn)
		__field(int, nid)
		__field(unsigned int, bytes)
		__field(const void *, handle)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->pfn = pfn;
		__entry->nid = nid;
		__entry->bytes = bytes;
		__entry->handle = handle;
	),
	TP_printk("pool=%s pfn=%lu nid=%d bytes=%u handle=%p", __get_str(pool), __entry->pfn,
		  __entry->nid, __entry->bytes, __entry->handle),
	zbm_trace_free_on, zbm_trace_free_off
);

TRACE_EVENT_FN(isolate,
	TP_PROTO(const char *pool, unsigned long pfn, int nid, int result),
	TP_ARGS(pool, pfn, nid, result),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, pfn)
		__field(int, nid)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->pfn = pfn;
		__entry->nid = nid;
		__entry->result = result;
	),
	TP_printk("pool=%s pfn=%lu nid=%d result=%d", __get_str(pool), __entry->pfn, __entry->nid,
		  __entry->result),
	zbm_trace_isolate_on, zbm_trace_isolate_off
);

TRACE_EVENT_FN(putback,
	TP_PROTO(const char *pool, unsigned long pfn, int nid),
	TP_ARGS(pool, pfn, nid),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, pfn)
		__field(int, nid)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->pfn = pfn;
		__entry->nid = nid;
	),
	TP_printk("pool=%s pfn=%lu nid=%d", __get_str(pool), __entry->pfn, __entry->nid),
	zbm_trace_putback_on, zbm_trace_putback_off
);

TRACE_DEFINE_ENUM(MIGRATE_ASYNC);
TRACE_DEFINE_ENUM(MIGRATE_SYNC_LIGHT);
TRACE_DEFINE_ENUM(MIGRATE_SYNC);

TRACE_EVENT_FN(migrate,
	TP_PROTO(const char *pool, unsigned long from_pfn, int from_nid, unsigned long to_pfn,
		 int to_nid, int mode, int result, u64 ns),
	TP_ARGS(pool, from_pfn, from_nid, to_pfn, to_nid, mode, result, ns),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, from_pfn)
		__field(int, from_nid)
		__field(unsigned long, to_pfn)
		__field(int, to_nid)
		__field(int, mode)
		__field(int, result)
		__field(u64, ns)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->from_pfn = from_pfn;
		__entry->from_nid = from_nid;
		__entry->to_pfn = to_pfn;
		__entry->to_nid = to_nid;
		__entry->mode = mode;
		__entry->result = result;
		__entry->ns = ns;
	),
	TP_printk("pool=%s from_pfn=%lu from_nid=%d to_pfn=%lu to_nid=%d mode=%s result=%d ns=%llu",
		  __get_str(pool), __entry->from_pfn, __entry->from_nid, __entry->to_pfn,
		  __entry->to_nid,
		  __print_symbolic(__entry->mode,
				   { ZBM_BY_HAND, "by_hand" },
				   { MIGRATE_ASYNC, "async" },
				   { MIGRATE_SYNC_LIGHT, "sync_light" },
				   { MIGRATE_SYNC, "sync" }),
		  __entry->result, __entry->ns),
	zbm_trace_migrate_on, zbm_trace_migrate_off
);

TRACE_EVENT_FN(node_move,
	TP_PROTO(const char *pool, int from_nid, int to_nid, u64 moved, u64 not_moved, int result),
	TP_ARGS(pool, from_nid, to_nid, moved, not_moved, result),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(int, from_nid)
		__field(int, to_nid)
		__field(u64, moved)
		__field(u64, not_moved)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->from_nid = from_nid;
		__entry->to_nid = to_nid;
		__entry->moved = moved;
		__entry->not_moved = not_moved;
		__entry->result = result;
	),
	TP_printk("pool=%s from_nid=%d to_nid=%d moved=%llu not_moved=%llu result=%d",
		  __get_str(pool), __entry->from_nid, __entry->to_nid, __entry->moved,
		  __entry->not_moved, __entry->result),
	zbm_trace_node_move_on, zbm_trace_node_move_off
);

TRACE_EVENT_FN(repair,
	TP_PROTO(const char *pool, const void *handle, unsigned long from_pfn, int from_nid,
		 unsigned long to_pfn, int to_nid, unsigned int bytes, int result),
	TP_ARGS(pool, handle, from_pfn, from_nid, to_pfn, to_nid, bytes, result),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(const void *, handle)
		__field(unsigned long, from_pfn)
		__field(int, from_nid)
		__field(unsigned long, to_pfn)
		__field(int, to_nid)
		__field(unsigned int, bytes)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(pool);
		__entry->handle = handle;
		__entry->from_pfn = from_pfn;
		__entry->from_nid = from_nid;
		__entry->to_pfn = to_pfn;
		__entry->to_nid = to_nid;
		__entry->bytes = bytes;
		__entry->result = result;
	),
	TP_printk("pool=%s handle=%p from_pfn=%lu from_nid=%d to_pfn=%lu to_nid=%d bytes=%u result=%d",
		  __get_str(pool), __entry->handle, __entry->from_pfn, __entry->from_nid,
		  __entry->to_pfn, __entry->to_nid, __entry->bytes, __entry->result),
	zbm_trace_repair_on, zbm_trace_repair_off
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
