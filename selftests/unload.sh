#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release
# zbm-long: debug built
#
# The module goes at any time that nobody uses it, with data and pins on its
# disk, while the kernel compacts and takes memory offline; and not while the disk or a file
# of its is open, or zswap has a pool (that is zswap.sh's part). It leaves no
# page, no file, no slab cache, no memory behind, and works
# again each time.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 timeout
load_module
make_disk
need_file /proc/sys/vm/compact_memory
find_removable 1 online_movable || ktap_print_msg "no memory of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 8 3)"
ktap_set_plan 19

# Free pages on the processors' own lists are not in MemFree.
free_kb() {
	awk -v page_kb=$(($(getconf PAGESIZE) / 1024)) '
		/^MemFree:/ { free = $2 }
		$1 == "count:" { free += $2 * page_kb }
		END { print free }' /proc/meminfo /proc/zoneinfo
}
settle() {
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
}
# areas: how many there are of vmalloc, but for stacks of threads.
areas() { grep -vcE ' (kernel_clone|unpurged)' /proc/vmallocinfo; }
absent() {
	! module_loaded || return
	! ls -d "$SYS" "$DEBUGFS" "$CONTROL" "$DATA" "$DISK_SYS" 2>/dev/null || return
	! grep -q "$MODULE" /proc/slabinfo /proc/kallsyms && ! grep -qw zbud /proc/devices
}
load() { modprobe_module && make_disk; }

# --- with data and pins ---

filled() { store "$SCRATCH/data" && put pin "0 100" && put pin "50 10" && [ "$(counter pages)" -gt 100 ]; }
ktap_test_result "data and pins on its disk" filled
pool_blocks >"$SCRATCH/blocks"
ktap_test_result "unloads all the same" unload_module
ktap_test_result "nothing of it is to be seen" absent
ktap_test_result "loads again" load
is "its disk and counters are new" "$(cat "$SYS"/pages "$SYS"/stats/* "$SYS"/node*/* "$DISK_SYS"/{pages,zpages,large_zpages} | sort -u)" = 0
is "nothing is stored on it" "$(mm_stat orig_data_size) $(mm_stat mem_used_max)" = "0 0"

# --- with files open ---

# refused_while FILE MODE: rmmod says that it is in use as long as FILE is open.
refused_while() {
	local fd said
	case $2 in
	r) exec {fd}<"$1" ;;
	w) exec {fd}>"$1" ;;
	esac || return
	said=$(rmmod "$MODULE" 2>&1)
	exec {fd}>&-
	[[ $said == *"in use"* ]] || { echo "$1: '$said'"; return 1; }
	module_loaded
}
open_files() {
	local file
	for file in "$DATA" "$POOL"/{summary,pages,verify}; do refused_while "$file" r || return; done
	for file in "$DATA" "$TRIGGERS"/{pin,unpin,free_every}; do refused_while "$file" w || return; done
}
store "$SCRATCH/data"
ktap_test_result "an open file keeps it" open_files
ktap_test_result "what is on its disk is still right" same_data "$SCRATCH/data"
# A sysfs file does not: a reader is told so.
sysfs_file() {
	local fd
	exec {fd}<"$SYS/pages"
	unload_module || return
	! cat <&"$fd" 2>/dev/null || return
	exec {fd}<&-
	absent
}
ktap_test_result "an open counter does not, and reads as gone" sysfs_file

# --- while pages move ---

# Readers of files that come and go.
snooper() {
	while keep_on; do cat "$SYS"/pages "$SYS"/node*/* "$POOL"/* "$DISK_SYS"/mm_stat; read_blocks 0 16; done >/dev/null 2>&1
}
touch "$SCRATCH/run"
at_exit "rm -f $SCRATCH/run; wait"

settle
before=$(free_kb) slab=$(awk '/^Slab:/ { print $2 }' /proc/meminfo)
vmalloc=$(areas)
quiet
pids=()
for node in $(nodes); do
	keep_compacting "$node" & pids+=($!)
done
keep_offlining & pids+=($!)
migrated=0
reload() {
	local i
	for ((i = 0; i < $1; i++)); do
		load && store "$SCRATCH/data" && put pin "$i 20" && same_data "$SCRATCH/data" || return
		migrated=$((migrated + $(counter stats/migrated)))
		unload_module || { echo "round $i"; return 1; }
	done
}
ktap_test_result "loads, stores, pins and unloads, while pages move" reload "$(pick 6 3)"
is "pages did move" "$migrated" -gt 0
ktap_print_msg "$migrated moves"
snooper & pids+=($!)
unload_quietly() { unload_module 2>/dev/null; }
# A file may just be open, so unloading may be refused now and then.
reload_watched() {
	local i
	for ((i = 0; i < $1; i++)); do
		load && store "$SCRATCH/data" && wait_until 60 unload_quietly || return
	done
}
ktap_test_result "and while its files are read" reload_watched "$(pick 4 2)"
empty_reload() {
	local i
	for ((i = 0; i < $(pick 8 4); i++)); do load && wait_until 60 unload_quietly || return; done
}
ktap_test_result "empty, again and again" empty_reload
rm "$SCRATCH/run"
wait "${pids[@]}"
loud
bring_back 1

# --- nothing is left ---

ktap_test_result "nothing of it is to be seen" absent
memory_is_back() {
	settle
	ktap_print_msg "free: $before KiB before, $(free_kb) KiB after; slab $slab, $(awk '/^Slab:/ { print $2 }' /proc/meminfo)"
	# Less than the 8 or so MiB that each of a dozen rounds stores; there are
	# always a few that the kernel has taken meanwhile. free_isolated.sh looks for
	# single pages.
	[ "$(free_kb)" -gt $((before - 4 * 1024)) ] || wrong_data
}
ktap_test_result "the memory is free again" wait_until 120 memory_is_back
# Memory that a module has for its start only is freed some time after.
no_more_areas() { [ "$(areas)" -le $((vmalloc + 3)) ] || wrong_data; }
ktap_test_result "no more vmalloc areas" wait_until 60 no_more_areas
left_nothing() {
	local block
	for block in "${REMOVABLE[@]}"; do offline_block "$block" || { echo "block $block"; return 1; }; done
	bring_back 1
}
if [ ${#REMOVABLE[@]} -gt 0 ]; then
	ktap_test_result "memory its pages were in goes offline" left_nothing
else
	ktap_test_skip "memory its pages were in goes offline" "no memory of node 1 can go offline"
fi
ktap_test_result "loads, for the last time" load
works() { store "$SCRATCH/data" && same_data "$SCRATCH/data" && counters_add_up; }
ktap_test_result "and works" works
ktap_finished
