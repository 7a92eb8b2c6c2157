#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-guest: shared
#
# Soft offline, by physical address, of page frames that hold pool pages: the pages
# go to others of the same node, with their contents, and the frames are not used
# again.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl
SOFT=$BLOCK_SYS/soft_offline_page
need_file $SOFT
load_module
compact_alone
make_disk
scratch
real_data "$SCRATCH/data" 4
ktap_set_plan 13

ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
is "all pages are on node 1" "$(counter node1/pages)" -eq "$(counter pages)"
pool_pages >"$SCRATCH/all"
awk 'NR % 40 == 0 { print $1 }' "$SCRATCH/all" | sort >"$SCRATCH/chosen"
count=$(wc -l <"$SCRATCH/chosen")
pool_pfns >"$SCRATCH/before"
migrated=$(counter stats/migrated)
poisoned() { awk '/^HardwareCorrupted:/ { print $2 / 4 }' /proc/meminfo; }
was=$(poisoned)
chosen_go() {
	local pfn
	while read -r pfn; do
		soft_offline "$pfn" || { echo "page frame $pfn"; return 1; }
	done <"$SCRATCH/chosen"
}
ktap_test_result "$count page frames go offline" chosen_go
pool_pfns >"$SCRATCH/after"
is "exactly these have left the pool" "$(comm -23 "$SCRATCH/before" "$SCRATCH/after" | cmp - "$SCRATCH/chosen" && echo same)" = same
is "and as many others have come" "$(comm -13 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -eq "$count"
is "on the same node" "$(counter node1/pages)" -eq "$(counter pages)"
is "stats/migrated counts them" $(($(counter stats/migrated) - migrated)) -eq "$count"
is "the kernel counts the frames as gone" $(($(poisoned) - was)) -eq "$count"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
# A page that is in use stays: the frame is not taken away from under it.
ktap_test_result "pins a block" put pin 5
pfn=$(pinned_pages)
errno=$(write_errno $SOFT $((pfn * $(getconf PAGESIZE))))
is "soft offline of a page in use fails" "$([ "$errno" != 0 ] && awk -v pfn="$pfn" 'NR > 1 && $1 == pfn' "$POOL/pages" | wc -l)" = 1
ktap_print_msg "with $errno"
put unpin all
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_finished
