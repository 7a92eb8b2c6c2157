// SPDX-License-Identifier: GPL-2.0
/* The trace events. See helpers.h and trace.h. */
#include <linux/compiler.h>
#include <linux/timekeeping.h>

#include "helpers.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct zbm_traced zbm_traced;

/* Called by the kernel when the first starts to trace an event, and when the last has ended. */
#define ZBM_TRACE_SWITCHED(event)			\
int zbm_trace_##event##_on(void)			\
{							\
	WRITE_ONCE(zbm_traced.event, true);		\
	return 0;					\
}							\
							\
void zbm_trace_##event##_off(void)			\
{							\
	WRITE_ONCE(zbm_traced.event, false);		\
}

ZBM_TRACE_SWITCHED(store)
ZBM_TRACE_SWITCHED(free)
ZBM_TRACE_SWITCHED(isolate)
ZBM_TRACE_SWITCHED(migrate)
ZBM_TRACE_SWITCHED(putback)
ZBM_TRACE_SWITCHED(node_move)
ZBM_TRACE_SWITCHED(repair)

void zbm_trace_store(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		     unsigned int place, const void *handle)
{
	trace_store(pool, pfn, nid, bytes, place, handle);
}

void zbm_trace_free(const char *pool, unsigned long pfn, int nid, unsigned int bytes,
		    const void *handle)
{
	trace_free(pool, pfn, nid, bytes, handle);
}

void zbm_trace_isolate(const char *pool, unsigned long pfn, int nid, int result)
{
	trace_isolate(pool, pfn, nid, result);
}

void zbm_trace_migrate(const char *pool, unsigned long from_pfn, int from_nid,
		       unsigned long to_pfn, int to_nid, int mode, int result, u64 ns)
{
	trace_migrate(pool, from_pfn, from_nid, to_pfn, to_nid, mode, result, ns);
}

u64 zbm_trace_clock(void)
{
	return ktime_get_ns();
}

void zbm_trace_putback(const char *pool, unsigned long pfn, int nid)
{
	trace_putback(pool, pfn, nid);
}

void zbm_trace_node_move(const char *pool, int from_nid, int to_nid, u64 moved, u64 not_moved,
			 int result)
{
	trace_node_move(pool, from_nid, to_nid, moved, not_moved, result);
}

void zbm_trace_repair(const char *pool, const void *handle, unsigned long from_pfn, int from_nid,
		      unsigned long to_pfn, int to_nid, unsigned int bytes, int result)
{
	trace_repair(pool, handle, from_pfn, from_nid, to_pfn, to_nid, bytes, result);
}
