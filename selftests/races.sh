#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release
# zbm-long: rounds debug
#
# Everything at once, on all processors: readers compare, writers make holes and
# fill them, pins come and go, the kernel compacts, memory goes offline and comes
# back, and every file that tells of the pool is read in loops. A reader sees the right bytes
# at any time, the validator is never unhappy, counters
# never go back, and at the end the contents are right and the figures add up.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 timeout numactl
load_module
make_disk
need_file /proc/sys/vm/compact_memory
find_removable 1 online_movable || ktap_print_msg "no memory of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 12 4)"
seconds=$(pick 20 30)
! is_long || seconds=$((seconds * 6))
ktap_set_plan 20

size=$(stat -c %s "$SCRATCH/data")
blocks=$((size / 4096))
# The first half only moves and is pinned; the second is written to, too.
half=$((blocks / 2))

reader() { same_blocks "$SCRATCH/data" 0 0 "$half"; }
bound_reader() { on_node 1 reader; }
compactor() { compact_memory; }
offliner() { offline_each 4; }
pinner() {
	local first=$((RANDOM % (half - 60)))
	put pin "$first 50" && put pin "$((first + 10)) 5" &&
		sleep 0.02 && put unpin "$first 50" &&
		put unpin "$((first + 10)) 5"
}
# Fills its part of the file with other blocks, and puts back what was there.
# Nobody else sees the blocks in between.
writer() {
	local first=$((half + RANDOM % (half - 70))) other=$((RANDOM % half))
	write_blocks "$SCRATCH/data" "$first" "$other" 64 &&
		same_blocks "$SCRATCH/data" "$first" "$other" 64 &&
		write_blocks "$SCRATCH/data" "$first" "$first" 64
}
# Holes beyond the end, where there is nothing but the filler's own: freed by a
# number that is not below them.
filler() {
	write_blocks "$SCRATCH/data" $((blocks * 2)) $((RANDOM % half)) 1 &&
		put free_every $((blocks * 2 + 1))
}
# At most four pins of the pinner's (two zpages, each twice), and the two readers,
# each of which has one zpage mapped at a time.
shower() {
	pool_is_ok && cat "$POOL/summary" >/dev/null && { awk '
		NR == 1 { next }
		NF != 6 || $5 > 6 || $3 + $4 > 4096 || $6 !~ /^(Unbuddied|Buddied|Moving|Joining|Empty|Vacated|Leaving)$/ { print; exit 1 }
	' "$POOL/pages" || wrong_data; }
}
# Counters never go back. The previous values are kept in variables.
was=()
counters() {
	local now i
	mapfile -t now < <(cat "$SYS"/stats/* "$SYS"/node*/moved_*)
	for i in "${!now[@]}"; do
		[ "${now[i]}" -ge "${was[i]:-0}" ] ||
			wrong_data "counter $i: ${was[i]}, then ${now[i]}" || return
	done
	was=("${now[@]}")
	[ "$(counter pages)" -gt 0 ] && cat "$SYS"/{pages,zpages,stored_bytes} "$SYS"/node*/* >/dev/null
}

ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
adds_up "one zpage for each block" "$(counter zpages)" -eq "$blocks"
migrated=$(counter stats/migrated)
refused=$(($(counter stats/isolate_refused) + $(counter stats/migrate_busy)))

quiet
start_workers reader bound_reader compactor offliner pinner writer filler shower counters
sleep "$seconds"
stop_workers
wait "${WORKERS[@]}"
loud
bring_back 1

workers_are_content
ktap_print_msg "migrated $(($(counter stats/migrated) - migrated)), of these to another node: $(node_sum moved_out);" \
	"isolate_refused $(counter stats/isolate_refused), migrate_busy $(counter stats/migrate_busy)," \
	"putback $(counter stats/putback), deferred_frees $(counter stats/deferred_frees)"
is "pages have moved meanwhile" $(($(counter stats/migrated) - migrated)) -gt 100
if [ ${#REMOVABLE[@]} -gt 0 ]; then
	is "between nodes, too" "$(node_sum moved_out)" -gt 0
else
	ktap_test_skip "between nodes, too" "no memory of node 1 can go offline"
fi
is "and pins have been in the way" \
	$(($(counter stats/isolate_refused) + $(counter stats/migrate_busy) - refused)) -gt 0
adds_up "no pin is left" "$(pins)" -eq 0
ktap_test_result "contents are right" same_blocks "$SCRATCH/data"
adds_up "one zpage for each block" "$(counter zpages)" -eq "$blocks"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
