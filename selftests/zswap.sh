#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache
# zbm-long: debug
#
# zswap finds zbud_movable by its name alone and loads it. A process is swapped
# out into it, by memory pressure of its own making and by order, while the kernel
# compacts and takes memory offline; it reads back what it wrote. zswap is
# switched from it to zsmalloc and back at run time, under load: the old pool
# goes when its last page is read, with its directory. As long as zswap has a
# pool the module cannot be unloaded; once it has none, it can.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command timeout numactl
need_zswap
need_file /proc/sys/vm/compact_memory
! module_loaded || unload_module || ktap_exit_fail_msg "$MODULE is in use"
modinfo $MODULE >/dev/null 2>&1 || ktap_exit_skip "there is no module $MODULE"
scratch
at_exit '! module_loaded || unload_module'
real_data "$SCRATCH/data" "$(pick 16 8)"
# With its memory on node 1, where the blocks are that go offline.
bound=()
if find_removable 1 online_movable; then bound=(numactl --cpunodebind=1 --membind=1); fi
at_exit 'bring_back 1'
hog_mib=$(pick 96 32)
ktap_set_plan 36

# pools: the names of the pools that are not the module's own.
pools() { find "$DEBUGFS/pools" -mindepth 1 -maxdepth 1 ! -name data -printf '%f\n' | sort; }
in_pools() { [ "$(pools | wc -l)" -eq "$1" ] || { pools; return 1; }; }
pools_are_ok() {
	local pool said
	for pool in $(pools); do
		if said=$(cat "$DEBUGFS/pools/$pool/verify" 2>&1); then
			[ "$said" = ok ] || wrong_data "$pool: $said" || return
		elif [ -e "$DEBUGFS/pools/$pool" ]; then
			echo "$pool: $said"
			return 1
		fi # Else it was the last of an old pool, gone since it was listed.
	done
}
stored() { zswap_stat stored_pages; }

# --- found by its name ---

is "the module is not loaded" "$(module_loaded; echo $?)" = 1
ktap_test_result "zswap takes zbud_movable" zswap_start zbud_movable 512
ktap_test_result "the module is loaded now" module_loaded
is "zswap uses it" "$(cat "$ZSWAP/zpool")" = zbud_movable
ktap_test_result "its pool has a directory" in_pools 1
pool=$(pools)

# --- swapped out, moved about, read back ---

ktap_test_result "a process fills $hog_mib MiB" hog_start "$SCRATCH/data" "$hog_mib" "${bound[@]}"
ktap_test_result "is swapped out" hog_do out
is "into the pool" "$(stored)" -ge $((hog_mib * 256 * 9 / 10))
# The kernel may swap out something between the reading of two figures.
zpage_for_each() { [ "$(counter zpages)" = "$(stored)" ] || wrong_data; }
ktap_test_result "a zpage for each page stored" wait_until 10 zpage_for_each
is "pages, and fewer than zpages" "$(($(counter pages) > 0 && $(counter pages) < $(counter zpages)))" = 1
same_size() { [ "$(zswap_stat pool_total_size)" = $(($(counter pages) * $(getconf PAGESIZE))) ] || wrong_data; }
ktap_test_result "zswap counts the same pages" wait_until 10 same_size

# Until told to stop: compact, and have node 1 go and come back.
quiet
shaker() {
	local block
	while [ -e "$SCRATCH/shake" ]; do
		compact_memory
		for block in "${REMOVABLE[@]}"; do
			ask_offline "$block" 5 2>/dev/null
			online_block "$block" online_movable
		done
	done
}
shake() {
	touch "$SCRATCH/shake"
	shaker &
	shaker_pid=$!
}
still() {
	rm "$SCRATCH/shake"
	wait "$shaker_pid"
}

migrated=$(counter stats/migrated) moved=$(node_sum moved_out)
shake
ktap_test_result "reads all back, meanwhile" hog_do read
ktap_test_result "is swapped out, meanwhile" hog_do out
ktap_test_result "writes others, meanwhile" hog_do write 7
ktap_test_result "is swapped out, meanwhile" hog_do out
sleep 1
ktap_test_result "reads all back, meanwhile" hog_do read
ktap_test_result "is swapped out, meanwhile" hog_do out
still
loud
ktap_print_msg "$(($(counter stats/migrated) - migrated)) moves," \
	"$(($(node_sum moved_out) - moved)) of them to another node;" \
	"deferred_frees $(counter stats/deferred_frees), migrate_busy $(counter stats/migrate_busy)"
is "pages have moved" $(($(counter stats/migrated) - migrated)) -gt 0
if [ ${#REMOVABLE[@]} -gt 0 ]; then
	is "to another node, too" $(($(node_sum moved_out) - moved)) -gt 0
else
	ktap_test_skip "to another node, too" "no memory of node 1 can go offline"
fi
ktap_test_result "the pool is ok" pools_are_ok
adds_up "moves between nodes add up" "$(node_sum moved_in)" -eq "$(node_sum moved_out)"

# --- in use ---

is "cannot be unloaded: in use" "$(rmmod $MODULE 2>&1 | grep -o 'in use')" = "in use"
ktap_test_result "is still loaded" module_loaded

# --- switched at run time ---

# All of the old pool is still to be read when the switch comes.
switch() { echo "$1" >"$ZSWAP/zpool" && [ "$(cat "$ZSWAP/zpool")" = "$1" ]; }
ktap_test_result "switches to zsmalloc" switch zsmalloc
is "the pool stays as long as there is something in it" "$(pools)" = "$pool"
is "cannot be unloaded yet" "$(rmmod $MODULE 2>&1 | grep -o 'in use')" = "in use"
ktap_test_result "the process reads all back from the old pool" hog_do read
# A page that compaction had hold of when it was to go stays in the swap cache, and
# its zpage in the pool, read or not; the kernel swaps out what it likes of others, too.
left=0
emptied() {
	wait_until 5 in_pools 0 && return
	left=$(counter zpages)
	[ "$left" -le "$(stored)" ] || return
	[ "$left" = 0 ] || zswap_reread || return
	wait_until 60 in_pools 0
}
ktap_test_result "the old pool goes when it is empty" emptied
ktap_print_msg "$left zpages went only with the swap cache or were of others"
adds_up "with it all its pages" "$(counter pages) $(counter zpages)" = "0 0"
ktap_test_result "the process is swapped out into the new one" hog_do out
is "nothing of that is in zbud_movable" "$(counter zpages)" -eq 0
ktap_test_result "switches back to zbud_movable" switch zbud_movable
ktap_test_result "its pool has a directory" in_pools 1

# There and back again, while the process is swapped in and out.
to_and_fro() {
	local i zpool
	for ((i = 0; i < $(pick 3 2); i++)); do
		for zpool in zsmalloc zbud_movable; do
			hog_do write $((i * 3 + 1)) && hog_do out && echo "$zpool" >"$ZSWAP/zpool" &&
				hog_do read && pools_are_ok || return
		done
	done
}
ktap_test_result "to and fro under load" to_and_fro

# --- the end of it ---

finished() { hog_stop && switch zsmalloc && emptied; }
ktap_test_result "the process ends, zswap uses zsmalloc, no pool is left" finished
# The pool's files go first, then the pool.
ktap_test_result "the module can be unloaded" wait_until 60 unload_module
ktap_finished
