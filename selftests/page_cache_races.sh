#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-mover: page_cache
# zbm-test: page_cache
# zbm-long: rounds debug
#
# Waiting, not losing: a process reads pool pages that it has mapped, over and
# over, while they are moved back and forth by migrate_pages(2), by compaction
# and by memory offline, all at once, and while other zpages are stored, read and
# freed. Each read sees the right bytes; a process that touches a page that is just
# moving waits for it (a migration entry) and finds it. The process forks now and then:
# its children find the pages, too, and none is left waiting.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 numactl migratepages timeout
ZBM_MOVER=page_cache
load_module
make_disk
find_removable 1 online_movable || ktap_print_msg "no memory of node 1 can go offline"
at_exit 'bring_back 1'
scratch
# Incompressible data fills its pages: they stay as they are while others come
# and go. All else is beyond it.
stable=$(pick 1024 256)
dd if=/dev/urandom of="$SCRATCH/stable" bs=4K count="$stable" status=none
real_data "$SCRATCH/data" "$(pick 8 2)"
blocks=$(($(stat -c %s "$SCRATCH/data") / 4096))
seconds=$(pick 20 40)
! is_long || seconds=$((seconds * 6))
ktap_set_plan 18

ktap_test_result "stores what stays" store "$SCRATCH/stable"
ktap_test_result "opens the pool" mapper_start
ktap_test_result "maps it" mapper_do map
is "each page of it" "$ANSWER" -eq "$stable"

# Both ways, so that the pages are always on their way.
by_system_call() { migratepages "$MAPPER_PID" 0 1 && migratepages "$MAPPER_PID" 1 0; }
# The same by hand, which takes the pages away from the process each time.
by_hand() {
	local errno
	errno=$(write_errno "$SYS/migrate" "0 1")
	[ "$errno" = 0 ] && errno=$(write_errno "$SYS/migrate" "1 0")
	case $errno in 0 | ENOMEM | ENODEV) sleep 0.5 ;; *) echo "$errno"; return 1 ;; esac
}
churn() {
	write_blocks "$SCRATCH/data" "$stable" &&
		same_blocks "$SCRATCH/data" "$stable" || return
	write_blocks "$SCRATCH/data" $((stable + blocks / 2)) 0 $((blocks / 2))
	# Holes that only what comes and goes can have: the numbers are beyond the rest.
	put free_every $((stable + RANDOM % blocks + 1))
}
comparer() { same_blocks "$SCRATCH/stable"; }

moved=$(counter stats/migrated) between=$(node_sum moved_out)
quiet
start_workers by_system_call by_hand churn comparer pool_is_ok
for node in $(nodes); do keep_compacting "$node" & WORKERS+=($!); done
keep_offlining & WORKERS+=($!)
# Whether enough has moved for this to mean something; a slow machine gets more time.
enough() {
	local all=$(($(counter stats/migrated) - moved)) away=$(($(node_sum moved_out) - between))
	[ "$(counter stats/user_moved)" -gt "$stable" ] && [ "$away" -gt $((stable * 4)) ] && [ "$all" -gt "$away" ]
}
reads=0
watch() {
	local n
	for ((n = 0; n < 5; n++)); do
		mapper_do watch "$seconds" || return
		reads=$((reads + ANSWER))
		! enough || return 0
	done
}
ktap_test_result "the process and its children see the right bytes, at all times" watch
ktap_print_msg "read $reads times"
stop_workers
wait "${WORKERS[@]}"
loud
bring_back 1
workers_are_content
moved=$(($(counter stats/migrated) - moved)) between=$(($(node_sum moved_out) - between))
ktap_print_msg "migrated $moved, of these to another node $between; migrate_busy $(counter stats/migrate_busy)"
is "by hand, too" "$(counter stats/user_moved)" -gt "$stable"
is "pages moved all the time" "$between" -gt $((stable * 4))
is "and within their node, too" "$moved" -gt "$between"
ktap_test_result "nothing is left on its way" mapper_do check
is "all of the process's pages are still there" "$ANSWER" -eq "$stable"
mapper_stop
ktap_test_result "the pool has what it had" comparer
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"
ktap_test_result "the module can be unloaded" wait_until 60 unload_module
ktap_finished
