#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release
#
# Huge pages: on a node full of holes between pool pages, asking for 2 MiB pages makes
# the kernel move pool pages out of the way until there are some.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 numactl
POOL_HUGE=$NODE_SYS/node1/hugepages/hugepages-2048kB
need_file "$POOL_HUGE/nr_hugepages"
load_module
make_disk
scratch
real_data "$SCRATCH/data" "$(pick 24 12)"
ktap_set_plan 8

ktap_test_result "stores data, scattered over node 1" store_scattered "$SCRATCH/data" 1
pool_pfns >"$SCRATCH/before"
ktap_print_msg "$(counter node1/pages) of $(counter pages) pages on node 1"
# Free 2 MiB blocks that there are anyway, and what could be had at most.
order9=$(awk '/^Node 1,/ { s += $14 + 2 * $15 } END { print s }' /proc/buddyinfo)
most=$(($(node_free_kb 1) / 2048))
want=$((order9 + (most - order9) / 2))
migrated=$(counter stats/migrated)
at_exit "echo 0 >$POOL_HUGE/nr_hugepages"
# It gives up at the first that cannot be had just then.
for _ in 1 2 3; do
	echo "$want" >"$POOL_HUGE/nr_hugepages"
	got=$(cat "$POOL_HUGE/nr_hugepages")
	[ "$got" -lt "$want" ] || break
	sleep 1
done
ktap_print_msg "$order9 were there, $want wanted, $got got, $most would be all that is free; $(($(counter stats/migrated) - migrated)) pages moved"
is "more than there were" "$got" -gt "$order9"
is "as many as were wanted" "$got" -ge $((want * 9 / 10))
is "pool pages have moved for it" $(($(counter stats/migrated) - migrated)) -gt 0
pool_pfns >"$SCRATCH/after"
is "they have other frames" "$(comm -13 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -gt 0
is "all on the same node" "$(node_sum moved_out)" -eq 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_finished
