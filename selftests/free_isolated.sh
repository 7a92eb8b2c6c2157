#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --append page_owner=on
# zbm-test: release
# zbm-long: debug
#
# Zpages freed while mm has their page isolated, or is just moving it,
# leave no page behind. While every processor compacts, and memory goes offline
# and comes back, blocks are stored, overwritten, freed by free_every, by
# a discard and by zeroes; each round ends with an empty pool. At the end the kernel's own record of
# who allocated which page (page_owner) has no pool page; the module goes, and the
# memory blocks in which its pages were go offline: nothing of it is left there.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 timeout
load_module
make_disk
need_file /proc/sys/vm/compact_memory
find_removable 1 online_movable || ktap_print_msg "no memory of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 16 6)"
ktap_set_plan 14

# --- moving ---

start_movers() {
	local node
	touch "$SCRATCH/run"
	movers=()
	for node in $(nodes); do
		keep_compacting "$node" & movers+=($!)
		keep_compacting "$node" & movers+=($!)
	done
	keep_offlining & movers+=($!)
}
stop_movers() {
	rm -f "$SCRATCH/run"
	wait "${movers[@]}"
}
at_exit "rm -f $SCRATCH/run; wait"

# --- storing and freeing ---

# writer N ROUNDS: in a quarter of the file, see tools/writer.py.
writer() {
	local rc=0
	python3 "$TOOLS/writer.py" "$DATA" "$SCRATCH/data" "$1" "$2" || rc=$?
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
writers() {
	local n pids=() rc=0
	for n in 0 1 2 3; do writer "$n" "$1" & pids+=($!); done
	for n in "${pids[@]}"; do wait "$n" || rc=1; done
	return "$rc"
}

isolated=$(counter stats/isolated) migrated=$(counter stats/migrated)
quiet
start_movers

ktap_test_result "parallel writers find what they wrote" writers 2
empty() { drop_all && pool_is_empty; }
ktap_test_result "discarded at once: no page is left" empty

# Store and free in turn, so that pages die young, old, and half-dead.
rounds() {
	local i how
	for ((i = 0; i < $(pick 8 3); i++)); do
		store "$SCRATCH/data" || return
		for how in 2 3 1; do
			put free_every "$how" || return
			pool_is_ok || return
		done
		pool_is_empty || { echo "round $i"; return 1; }
	done
}
ktap_test_result "stored and freed, over and over: each time no page is left" rounds
zeroed() {
	local i
	for ((i = 0; i < $(pick 5 3); i++)); do
		store "$SCRATCH/data" && same_data "$SCRATCH/data" || return
		blkdiscard -z "$DATA"
		pool_is_empty || return
	done
}
ktap_test_result "stored and filled with zeroes: each time no page is left" zeroed

# All of it freed while offline has it isolated: on node 1, with what it has
# isolated in large batches.
stop_movers
store_bound() { on_node 1 store "$SCRATCH/data"; }
while_offline() {
	local i block
	for ((i = 0; i < $(pick 5 3); i++)); do
		store_bound || return
		for block in $(pool_blocks); do
			ask_offline "$block" 3 2>/dev/null &
		done
		# Sooner or later: with the attempt, or in the middle of it.
		sleep "0.0$i"
		drop_all || return
		wait
		bring_back 1
		pool_is_empty || { echo "round $i"; return 1; }
	done
}
ktap_test_result "discarded while its memory goes offline: no page is left" while_offline
loud

# --- nothing is left ---

ktap_print_msg "isolated $(($(counter stats/isolated) - isolated))," \
	"migrated $(($(counter stats/migrated) - migrated))," \
	"putback $(counter stats/putback), migrate_busy $(counter stats/migrate_busy)"
deferred=$(counter stats/deferred_frees)
[ "$deferred" -gt 0 ] || ktap_print_msg "deferred_frees is still 0: no page was freed while its lock was taken"
ktap_print_msg "deferred_frees $deferred"
if [ "$(mover)" = movable_ops ]; then
	is "pages were isolated all the time" $(($(counter stats/isolated) - isolated)) -gt 100
else
	ktap_test_skip "pages were isolated all the time" "the page cache does not tell us"
fi
is "and moved" $(($(counter stats/migrated) - migrated)) -gt 100
adds_up "all moves between nodes add up" "$(node_sum moved_in)" -eq "$(node_sum moved_out)"
adds_up "no page, no zpage, no byte" "$(cat "$SYS"/{pages,zpages,stored_bytes,unbuddied_pages} | tr '\n' ' ')" = "0 0 0 0 "
ktap_test_result "the validator is content" pool_is_ok
# Each page that is in use, by the stack that allocated it; a page that moved keeps
# the stack of the first. Only pool pages are allocated as movable; slab and tables
# that the module has for other reasons are not.
OWNERS=/sys/kernel/debug/page_owner
owned() {
	awk -v RS='' -v name="[$MODULE]" 'index($0, name) && /, mask [^,]*MOVABLE/ { n++ } END { print n + 0 }' "$OWNERS"
}
owns_none() {
	local pages
	# Processors have batches of pages to add to lists, with a reference on each.
	echo 1 >/proc/sys/vm/drop_caches
	pages=$(owned)
	ktap_print_msg "pool pages in use: $pages"
	[ "$pages" = 0 ] || wrong_data
}
if grep -qw page_owner=on /proc/cmdline && [ -e "$OWNERS" ]; then
	store "$SCRATCH/data"
	is "the kernel knows which pages are the module's" "$(owned)" -ge "$(counter pages)"
	drop_all
	ktap_test_result "and has none of them when its pool is empty" wait_until 180 owns_none
else
	ktap_test_skip "the kernel knows which pages are the module's" "the kernel keeps no record of owners"
	ktap_test_skip "and has none of them when its pool is empty" "the kernel keeps no record of owners"
fi
ktap_test_result "the module can be unloaded" unload_module
left_nothing() {
	local block
	for block in "${REMOVABLE[@]}"; do offline_block "$block" || { echo "block $block"; return 1; }; done
}
if [ ${#REMOVABLE[@]} -gt 0 ]; then
	ktap_test_result "its memory goes offline" left_nothing
else
	ktap_test_skip "its memory goes offline" "no memory of node 1 can go offline"
fi
ktap_finished
