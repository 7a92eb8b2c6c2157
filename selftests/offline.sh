#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-long: built
#
# Memory with pool pages in it goes offline: real data is stored on node 1, in
# ZONE_MOVABLE at that; each memory block in which pages of it lie goes offline,
# every page is then on node 0, counted as moved out there and in here, with its
# contents as they were; the blocks come back and are used again, and what a request to
# move pages has brought there leaves as well.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl timeout
load_module
make_disk
need_file "$SYS/node1"
find_removable 1 online_movable || ktap_exit_skip "no memory of node 1 can go offline"
[ ${#REMOVABLE[@]} -ge 2 ] || ktap_exit_skip "only one block of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 40 16)"
ktap_set_plan 24
ktap_print_msg "blocks of node 1: $(node_blocks 1 | tr '\n' ' '), of which can go: ${REMOVABLE[*]}"

take_offline() {
	local block
	for block; do offline_block "$block" || { echo "block $block stays"; return 1; }; done
}

pages_are_online() {
	local block
	for block in $(pool_blocks); do
		[ "$(block_state "$block")" = online ] || { echo "pages in block $block"; return 1; }
	done
}

movable_zone() { awk '/^Node 1, zone +Movable/ { on = 1 } on && $1 == "present" { print $2; exit }' /proc/zoneinfo; }

ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
pages=$(counter pages)
is "there are pages" "$pages" -ge $(($(stat -c %s "$SCRATCH/data") / 8192))
is "all are on node 1" "$(counter node1/pages)" -eq "$pages"
mapfile -t used < <(pool_blocks)
ktap_print_msg "$pages pages, in blocks ${used[*]}"
is "all are in blocks that were onlined as movable" "$(not_in "${used[*]}" "${REMOVABLE[*]}")" = ""
is "ZONE_MOVABLE is what these blocks are" "$(movable_zone)" -gt 0
ktap_test_result "figures add up before" counters_add_up
pool_pfns >"$SCRATCH/before"
migrated=$(counter stats/migrated) success=$(vmstat pgmigrate_success)

mark "offlining ${used[*]}"
ktap_test_result "each block with pool pages goes offline" take_offline "${used[@]}"
pool_pfns >"$SCRATCH/after"
is "no page is on node 1" "$(counter node1/pages)" -eq 0
is "as many as before are on node 0" "$(counter node0/pages)" -eq "$pages"
is "all page frames are others" "$(comm -12 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -eq 0
is "the pages file agrees: node 0" "$(pool_pages 0 | wc -l)" -eq "$pages"
ktap_test_result "no page is in a block that is offline" pages_are_online
is "node 1 counts them as moved out" "$(counter node1/moved_out)" -eq "$pages"
is "node 0 counts them as moved in" "$(counter node0/moved_in)" -eq "$pages"
is "and nothing the other way" "$(counter node0/moved_out) $(counter node1/moved_in)" = "0 0"
is "stats/migrated counts them" $(($(counter stats/migrated) - migrated)) -ge "$pages"
is "pgmigrate_success counts them" $(($(vmstat pgmigrate_success) - success)) -ge "$pages"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up after" counters_add_up

ktap_test_result "the blocks come back" bring_back 1
again() {
	on_node 1 store "$SCRATCH/data" && same_data "$SCRATCH/data" &&
		at_rest && [ "$(counter node1/pages)" = "$(counter pages)" ]
}
ktap_test_result "and are used again" again
# mm must find a page as well when it was a request that brought it there.
brought() {
	echo "1 0" >"$SYS/migrate" && echo "0 1" >"$SYS/migrate" && [ "$(counter node1/pages)" = "$(counter pages)" ] || return
	mapfile -t used < <(pool_blocks)
	take_offline "${used[@]}" && [ "$(counter node1/pages)" = 0 ] && same_data "$SCRATCH/data"
}
ktap_test_result "what a request has brought there goes, too" brought
ktap_test_result "and the blocks come back" bring_back 1
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"
ktap_finished
