#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 5G --nodes 2 --append hugetlb_cma=1:1G
# zbm-test: stock
#
# Contiguous memory on a kernel that lets nobody else allocate it: hugetlb has an area of it for
# pages of 1 GiB, which movable memory uses meanwhile, pool pages and zram's as well. They leave it when
# such a page is asked for, with their contents as they were.

. "$(dirname "$0")/lib.sh"
ktap_print_header

GIGANTIC=$NODE_SYS/node1/hugepages/hugepages-1048576kB
need_root
need_command python3 numactl
need_file "$GIGANTIC/nr_hugepages"
cma_kb() { awk '/^CmaFree:/ { print $2 }' /proc/meminfo; }
[ "$(awk '/^CmaTotal:/ { print $2 }' /proc/meminfo)" -ge $((1 << 20)) ] || ktap_exit_skip "there is no area for a page of 1 GiB"
load_module
make_disk 256M
scratch
real_data "$SCRATCH/data" 64
ktap_set_plan 10

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
# take: asks for the page; leaves in $took how long that took.
take() {
	local began
	began=$(milliseconds)
	echo 1 >"$GIGANTIC/nr_hugepages"
	took=$(($(milliseconds) - began))
	[ "$(cat "$GIGANTIC/nr_hugepages")" = 1 ]
}
at_exit "echo 0 >$GIGANTIC/nr_hugepages"
ktap_test_result "the page can be had" take
ktap_print_msg "with nothing in the area: $took ms"
empty=$took
# Where it is: hugetlb's own mark in /proc/kpageflags.
frames() { python3 "$TOOLS/huge_frames.py"; }
read -r first count <<<"$(frames)"
is "it is where the kernel says that it is" "${count:-0}" = $((1 << 18))
echo 0 >"$GIGANTIC/nr_hugepages"
ktap_print_msg "the area: $count frames from $first on; $(cma_kb) kB are free in all areas"

# The kernel takes from CMA for movable memory once more than half of what is free is
# there (mm/page_alloc.c, __rmqueue).
ktap_test_result "the area's node has little else free" occupy_node 1 $((900 << 10))
ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
vacate_node
inside=$(pool_pages_in "$first" "$count")
ktap_print_msg "$inside of $(counter pages) pages are in the area"
is "pool pages are in the area" "$inside" -gt $(($(counter pages) / 16))
migrated=$(counter stats/migrated)
ktap_test_result "the page can be had with them" take
left=$(pool_pages_in "$first" "$count")
ktap_print_msg "$((inside - left)) pages left the area; the page took $took ms, $empty ms without"
is "no pool page is left in it" "$left" = 0
is "they have moved" $(($(counter stats/migrated) - migrated)) -ge "$inside"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_finished
