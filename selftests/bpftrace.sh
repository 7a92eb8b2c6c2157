#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: stock
#
# tools/bpftrace: the scripts compile, and tell how long moves take, and who moves pages and why,
# of moves by request and by compaction.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command bpftrace numactl python3 timeout
need_file /sys/kernel/tracing/events/migrate /sys/kernel/btf/vmlinux
load_module
compact_alone
make_disk 64M
scratch
real_data "$SCRATCH/data" 4
ktap_set_plan 8

scripts=$(dirname "$0")/../tools/bpftrace

# observe NAME: run until stop_observing, in the background.
OBSERVERS=()
observe() {
	bpftrace "$scripts/$1.bt" >"$SCRATCH/$1" 2>&1 &
	OBSERVERS+=($!)
	at_exit "kill $! 2>/dev/null; wait"
}
stop_observing() {
	local pid rc=0
	kill -INT "${OBSERVERS[@]}"
	for pid in "${OBSERVERS[@]}"; do wait "$pid" || rc=$?; done
	return "$rc"
}
# attached: as far as it tells: it says so just before.
attached() { grep -q '^Attach' "$SCRATCH/move_latency" && grep -q '^Attach' "$SCRATCH/movers"; }
# line NAME PATTERN: what the script has printed.
line() { grep -m1 -E "$2" "$SCRATCH/$1"; }

observe move_latency
observe movers
ktap_test_result "data of node 0" on_node 0 store "$SCRATCH/data"
ktap_test_result "both scripts attach" wait_until 120 attached
sleep 5
ktap_test_result "moves by request" eval "echo '0 1' >$SYS/migrate"
free_some() { store_scattered "$SCRATCH/data" && put free_every 2; }
was=$(counter stats/migrated)
# Where pages lie is chance, and compaction may find nothing to do.
by_mm() { free_some && compact_memory 0 && compact_memory 1 && [ "$(counter stats/migrated)" -gt "$was" ]; }
ktap_test_result "compaction moves pages" wait_until 60 by_mm
ktap_test_result "both end by SIGINT" stop_observing
sed 's/^/# /' "$SCRATCH/movers" "$SCRATCH/move_latency"
ktap_test_result "requests: who" line movers '^@requests\[.*, 0\]: [1-9]'
ktap_test_result "mm: who and why" line movers '^@mm\[.*, MR_COMPACTION, 0\]: [1-9]'
ktap_test_result "how long both take" eval "line move_latency '^@requests:' && line move_latency '^@mm:'"
ktap_finished
