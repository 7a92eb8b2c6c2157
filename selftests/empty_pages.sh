#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: debug
# zbm-guest: shared
#
# Pages that lose their data are kept for what is stored next, few of them and not for long:
# no store takes a page from the kernel while there are some; when nothing is stored they go
# by themselves. They are pages as others: a request moves them, and the limit of a disk counts
# them, but they are given up before a store fails for it.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3
load_module
make_disk 64M
scratch
head -c 4M /dev/urandom >"$SCRATCH/random"
ktap_set_plan 15

# --- kept ---

refilled() { on_node 0 python3 "$TOOLS/refill.py" "$DATA" "$DISK_SYS" 60 40; }
ktap_test_result "the next stores take the pages that were freed" refilled
ktap_test_result "figures add up" counters_add_up

# --- and given up ---

empty() { write_blocks "$SCRATCH/random" && drop_all; }
none() { [ "$(disk_file pages)" = 0 ]; }
ktap_test_result "all is freed" empty
began=$SECONDS
ktap_test_result "no page is left after a while" wait_until 20 none
ktap_print_msg "it took $((SECONDS - began)) s"
ktap_test_result "figures add up" pool_is_empty
# As many go as were not needed, though others are stored and freed all the time.
busy() {
	write_blocks "$SCRATCH/random" 0 0 60 && drop_all || return
	local until=$((SECONDS + 20))
	while [ "$SECONDS" -lt "$until" ]; do
		write_blocks "$SCRATCH/random" 0 0 4 && drop_all || return
		[ "$(disk_file pages)" -gt 8 ] || return 0
	done
	echo "$(disk_file pages) pages are there still"
	return 1
}
ktap_test_result "those that are not needed go under load, too" busy
# Nor does a node that always has too many keep the worker from those of another.
elsewhere() {
	on_node 0 write_blocks "$SCRATCH/random" 0 0 60 && drop_all || return
	local until=$((SECONDS + 20))
	while [ "$SECONDS" -lt "$until" ]; do
		on_node 1 write_blocks "$SCRATCH/random" && drop_all || return
		[ "$(disk_file node0/pages)" -gt 8 ] || return 0
	done
	echo "$(disk_file node0/pages) pages of node 0 are there still"
	return 1
}
ktap_test_result "those of one node go while another has too many" elsewhere

# --- moved ---

# One half of each pair of pages that follow each other is freed, while they are not at rest.
moved() {
	drop_all && on_node 0 write_blocks "$SCRATCH/random" 0 0 60 && write_blocks /dev/zero 0 0 30 || return
	[ "$(disk_file node0/empty_pages)" -gt 0 ] || return 2
	echo "0 1" >"$SYS/migrate" || return
	[ "$(disk_file node0/pages)" = 0 ] || { echo "$(disk_file node0/pages) pages stay"; return 1; }
}
in_time() {
	local n rc
	for ((n = 0; n < 30; n++)); do
		rc=0
		moved || rc=$?
		[ "$rc" = 2 ] || return "$rc"
	done
	echo "the empty pages were gone each time"
	return 1
}
ktap_test_result "a request moves empty pages, too" in_time
tail -c +$((30 * BLOCK_SIZE + 1)) "$SCRATCH/random" >"$SCRATCH/rest"
others() { read_blocks 30 30 | cmp -n $((30 * BLOCK_SIZE)) - "$SCRATCH/rest" || wrong_data; }
ktap_test_result "the others are right" others
ktap_test_result "figures add up" counters_add_up

# --- limited ---

ktap_test_result "the disk may have 64 pages" eval 'drop_all && set_disk mem_limit 256K'
# On one node what is empty there does not help the other.
limited() {
	local n
	for ((n = 0; n < 10; n++)); do
		on_node $((n % 2)) write_blocks "$SCRATCH/random" 0 $((n * 50)) 64 && drop_all || return
	done
}
ktap_test_result "so many can be stored, on one node and on the other" limited
over() { ! write_blocks "$SCRATCH/random" 0 0 65 2>/dev/null; }
ktap_test_result "one more cannot" over
ktap_test_result "the limit goes" eval 'set_disk mem_limit 0 && drop_all'
ktap_test_result "a discard leaves no page" pool_is_empty
ktap_finished
