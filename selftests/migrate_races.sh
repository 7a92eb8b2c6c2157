#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --nodes 4 --mem 1536M,slots=1,maxmem=3G --append memhp_default_state=online_movable --qemu "-object memory-backend-ram,id=dimm,size=256M -device pc-dimm,id=dimm0,memdev=dimm,node=3"
# zbm-test: release page_cache
# zbm-long: rounds debug
#
# The seam between mm's moves and those by hand, on four processors: requests
# to `migrate` and changes of `mems` that move what is there, while the kernel
# compacts all nodes, takes memory offline and, with the mover page_cache, moves the pages
# of a process that has them mapped. Nobody waits for ever, readers always see what
# they should, and when all is over each page is where its last move put it:
# the pool, the kernel and the counters agree.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 4
need_command python3 timeout numactl
load_module
make_disk
need_file "$SYS/migrate" /proc/sys/vm/compact_memory
# The node that loses memory: one where little from the boot is.
for victim in 3 2 1; do ! find_removable $victim online_movable || break; done
[ ${#REMOVABLE[@]} -gt 0 ] || ktap_print_msg "no memory can go offline"
at_exit "bring_back $victim"
scratch
real_data "$SCRATCH/data" "$(pick 8 3)"
seconds=$(pick 20 40)
! is_long || seconds=$((seconds * 6))
[ "$(mover)" = page_cache ] && mapped=1 || mapped=''
ktap_set_plan 25

blocks=$(($(stat -c %s "$SCRATCH/data") / 4096)) half=$(($(stat -c %s "$SCRATCH/data") / 8192))

# ask FILE VALUE: the answer may be success, that another is at it, or that there
# is no room on the node that loses memory, or it has none.
ask() {
	local errno
	errno=$(write_errno "$SYS/$1" "$2")
	echo "$1 $errno" >>"$SCRATCH/answers"
	case $errno in
	0 | EBUSY) ;;
	ENOMEM | ENODEV) [ ${#REMOVABLE[@]} -gt 0 ] ;;
	*) false ;;
	esac || { echo "$1 $2: $errno"; return 1; }
}
asker() {
	local sets=("0 1" "1 0" "0-1 1-2" "1-2 2-3" "all 0" "0-3 1,2" "2-3 0-1" "all 1-2" "3 2" "0 3")
	ask migrate "${sets[RANDOM % ${#sets[@]}]}"
}
other() { asker; }
allower() {
	local sets=("0-1" "1-2" "2" "all" "0,2" "0-2")
	ask mems "${sets[RANDOM % ${#sets[@]}]}" && ask memory_migrate $((RANDOM % 2))
}
reader() { same_blocks "$SCRATCH/data" 0 0 "$half"; }
compactor() { compact_memory; }
OFFLINED=$SCRATCH/offline
offliner() { offline_each 15; }
pinner() {
	local first=$((RANDOM % (half - 60)))
	put pin "$first 50" && sleep 0.02 && put unpin "$first 50"
}
writer() {
	local first=$((half + RANDOM % (half - 70)))
	put free_every $((first + 1)) 2>/dev/null
	write_blocks "$SCRATCH/data" "$first" "$first" 64 &&
		write_blocks "$SCRATCH/data" "$half" "$half" &&
		same_blocks "$SCRATCH/data" "$half" "$half" "$half"
}
shower() { pool_is_ok && cat "$SYS/verify" "$SYS"/node*/* "$SYS"/stats/* >/dev/null; }
# With the mover page_cache, a process that has the pages of the first half mapped, which
# are there all the time, wants them elsewhere. A request takes them away from it.
mapped_mover() {
	[ -n "$mapped" ] || { sleep 0.5; return; }
	mapper_do touch && mapper_do migrate 0 1 && mapper_do migrate 1 2 && mapper_do migrate 2 0
}

ktap_test_result "stores data" write_blocks "$SCRATCH/data" 0 0 $half
if [ -n "$mapped" ]; then
	ktap_test_result "a process has the pool mapped" eval "mapper_start && mapper_do map"
else
	ktap_test_skip "a process has the pool mapped" "the mover is not page_cache"
fi
ktap_test_result "stores more" write_blocks "$SCRATCH/data" $half $half
user_before=$(counter stats/user_moved) migrated=$(counter stats/migrated)
quiet
start_workers asker other allower reader compactor offliner pinner writer shower mapped_mover
sleep "$seconds"
[ ${#REMOVABLE[@]} = 0 ] || wait_until 120 test -s "$OFFLINED"
stop_workers
ended() { local pid; for pid in "${WORKERS[@]}"; do ! kill -0 "$pid" 2>/dev/null || return 1; done; }
ktap_test_result "nobody waits for ever" wait_until 240 ended
wait "${WORKERS[@]}"
loud
bring_back "$victim"

workers_are_content
ktap_print_msg "$(sort "$SCRATCH/answers" | uniq -c | tr '\n' ';')"
user=$(($(counter stats/user_moved) - user_before)) all=$(($(counter stats/migrated) - migrated))
ktap_print_msg "$all moves, $user of them by hand, $(node_sum moved_out) between nodes"
: >>"$OFFLINED"
if [ ${#REMOVABLE[@]} -gt 0 ]; then
	is "memory went offline meanwhile" "$(wc -l <"$OFFLINED")" -gt 0
else
	ktap_test_skip "memory went offline meanwhile" "no memory can go offline"
fi
is "pages were moved by hand" "$user" -gt 100
is "and by mm" $((all - user)) -gt 0
adds_up "moves between nodes are among all moves" "$(node_sum moved_out)" -le "$(counter stats/migrated)"
ktap_test_result "the processes end" eval "[ -z '$mapped' ] || mapper_stop"
adds_up "no pin is left" "$(pins)" -eq 0
ktap_test_result "contents are right" same_data "$SCRATCH/data"
adds_up "one zpage for each block" "$(counter zpages)" -eq "$blocks"
ktap_test_result "figures add up" counters_add_up
# Nothing is in the way any more: the last word is a request's.
ktap_test_result "at rest a request moves every page" eval "echo all >$SYS/mems && echo 'all 2' >$SYS/migrate"
is "and each is where that put it" "$(counter stats/not_moved) $(counter node2/pages)" = "0 $(counter pages)"
ktap_finished
