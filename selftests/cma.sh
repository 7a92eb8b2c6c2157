#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --append cma=64M
# zbm-test: release
# zbm-long: built
# zbm-guest: shared
#
# Contiguous memory: pool pages get into the CMA area, as movable memory does, and
# are moved out when somebody allocates from it, with their contents as they were.
# zbud's pages never get in.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 numactl
need_file /sys/kernel/debug/cma
AREA=$(echo /sys/kernel/debug/cma/*reserved*)
[ -w "$AREA/alloc" ] || AREA=$(echo /sys/kernel/debug/cma/* | cut -d ' ' -f 1)
need_file "$AREA/alloc" "$AREA/base_pfn"
load_module
make_disk
scratch
real_data "$SCRATCH/data" "$(pick 24 12)"
ktap_set_plan 12

base=$(cat "$AREA/base_pfn") pages=$(cat "$AREA/count")
nid=$(node_of_block "$(block_of_pfn "$base")")
ktap_print_msg "CMA: $pages pages from $base on, on node $nid"
# The kernel takes from CMA for movable memory once more than half of what is free is
# there (mm/page_alloc.c, __rmqueue).
ktap_test_result "the area's node has little else free" occupy_node "$nid" $((100 << 10))
ktap_print_msg "node $nid has $(node_free_kb "$nid") kB free"
ktap_test_result "stores data from node $nid" on_node "$nid" store "$SCRATCH/data"
inside=$(pool_pages_in "$base" "$pages")
ktap_print_msg "$inside of $(counter pages) pages are in the area"
is "pool pages are in the area" "$inside" -gt $((pages / 16))
pool_pfns >"$SCRATCH/before"
migrated=$(counter stats/migrated)

# All of it, piece by piece: pages that others have pinned there meanwhile stay.
got=$(cma_take "$AREA" "$pages")
ktap_print_msg "$got of $pages pages were allocated"
is "the area can be allocated" "$got" -ge $((pages * 9 / 10))
left=$(pool_pages_in "$base" "$pages")
is "hardly a pool page is left in it" $((left * 10)) -le "$inside"
is "they have moved" $(($(counter stats/migrated) - migrated)) -ge $((inside - left))
pool_pfns >"$SCRATCH/after"
is "to other frames" "$(comm -12 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -le $(($(counter pages) - inside + left))
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
echo "$got" >"$AREA/free"
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"

# zbud asks for memory that cannot move.
if [ -e "$ZSWAP/zpool" ] && { [ -b /dev/zram0 ] || modprobe zram; }; then
	cma_free() { awk '$1 == "nr_free_cma" { print $2 }' /proc/vmstat; }
	before=$(cma_free)
	ktap_test_result "zswap on zbud" eval "zswap_start zbud 64 && hog_start $SCRATCH/data 24 numactl --cpunodebind=$nid && hog_do out"
	# zram and others take pages there, too. zbud's pages are in
	# none of the area's pageblocks if a CMA allocation of all that was free works.
	vacate_node
	got=$(cma_take "$AREA" "$pages")
	ktap_print_msg "$got of $pages pages were allocated, with $(zswap_stat stored_pages) pages in zbud; $before were free"
	is "zbud's pages never get in" "$got" -ge $((pages * 9 / 10))
	echo "$got" >"$AREA/free"
	hog_stop
else
	ktap_test_skip "zswap on zbud" "this kernel has no zswap that uses zpool"
	ktap_test_skip "zbud's pages never get in" "this kernel has no zswap that uses zpool"
fi
ktap_finished
