#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=2,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=dimm,size=512M -device pc-dimm,id=dimm0,memdev=dimm,node=2"
# zbm-test: release
# zbm-long: rounds
#
# A live zswap: a process is swapped out, read and written over and over. Meanwhile
# its pool is moved from node to node by hand, is kept off a node before maintenance,
# and then the node that it is on, a DIMM, goes offline and is unplugged.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command numactl timeout
need_zswap
load_module
need_file "$SYS/migrate"
find_dimm || ktap_exit_skip "there is no DIMM that can be ejected"
scratch
real_data "$SCRATCH/data" "$(pick 16 8)"
hog_mib=$(pick 64 24)
rounds=$(pick 3 2)
! is_long || rounds=$((rounds * 5))
ktap_set_plan 30

on() { counter "node$1/pages"; }
live() { hog_do write 7 && hog_do out && hog_do read && hog_do out; }
# live_while FUNCTION NAME: the process is busy while FUNCTION runs over and over.
live_while() {
	local i
	touch "$SCRATCH/run"
	while keep_on; do "$1" || { echo failed >"$SCRATCH/failed"; return; }; done >"$SCRATCH/said" 2>&1 &
	for ((i = 0; i < rounds; i++)); do
		live || return
	done
	rm "$SCRATCH/run"
	wait $!
	[ ! -e "$SCRATCH/failed" ] || { cat "$SCRATCH/said"; return 1; }
}
at_exit "rm -f $SCRATCH/run; wait"
all_ok() { [ "$(cat "$SYS/verify")" = ok ] || wrong_data; }

ktap_test_result "zswap takes zbud_movable" zswap_start zbud_movable 512
ktap_test_result "a process fills $hog_mib MiB" hog_start "$SCRATCH/data" "$hog_mib"
ktap_test_result "is swapped out" hog_do out
is "into the pool" "$(counter zpages)" -ge $((hog_mib * 256 * 9 / 10))

# --- by hand, while it is in use ---

ask() {
	local errno
	errno=$(write_errno "$SYS/migrate" "$1")
	case $errno in 0 | ENOMEM) ;; *) echo "migrate $1: $errno"; return 1 ;; esac
}
to_and_fro() { ask "0 1" && ask "1 0" && ask "0-1 1-2" && ask "all 0-1"; }
moved=$(counter stats/user_moved)
ktap_test_result "zswap works on while its pool is moved to and fro" live_while to_and_fro
ktap_print_msg "$(($(counter stats/user_moved) - moved)) pages were moved by hand"
is "the pool was moved" $(($(counter stats/user_moved) - moved)) -gt 1000
ktap_test_result "all pools are ok" all_ok

# --- kept off a node before maintenance ---

echo 1 >"$SYS/memory_migrate"
ktap_test_result "mems 1-2" eval "echo 1-2 >$SYS/mems"
is "node 0 is clear of it" "$(on 0) $(counter stats/not_moved)" = "0 0"
ktap_test_result "zswap works on" live
is "and nothing comes to node 0 again" "$(on 0)" -eq 0
ktap_test_result "all pools are ok" all_ok

# --- the node that it is on is unplugged ---

ktap_test_result "mems 2" eval "echo 2 >$SYS/mems"
# A zpage stored on another node just when the knob was turned may be left.
ktap_test_result "all of it is on node 2" eval "echo 'all 2' >$SYS/migrate"
is "all of it is on node 2" "$(on 2)" -eq "$(counter pages)"
ktap_test_result "zswap works on" live
ktap_print_msg "$(on 2) pages on node 2"
quiet
offline_all() {
	local block
	for block in $(node_blocks 2); do
		[ "$(block_state "$block")" = offline ] || ask_offline "$block" 200 || return
	done
}
# And comes back, so that it happens again and again.
offline_and_back() {
	offline_all || return
	[ "$(on 2)" = 0 ] || { echo "$(on 2) pages on node 2"; return 1; }
	for block in $(node_blocks 2); do online_block "$block" online_movable || return; done
	ask "all 2"
}
moved=$(counter node2/moved_out)
ktap_test_result "zswap works on while node 2 goes offline and comes back" live_while offline_and_back
ktap_print_msg "$(($(counter node2/moved_out) - moved)) pages left node 2 for it"
# Pages swapped out while node 2 was all but gone went past the pool.
ktap_test_result "zswap works on" live
ask "all 2"
pages=$(on 2) moved=$(counter node2/moved_out)
ktap_test_result "node 2 goes offline" offline_all
is "its $pages pages had to leave" $((pages > 0 && $(counter node2/moved_out) - moved >= pages)) = 1
is "all memory of node 2 is offline" "$(for block in $(node_blocks 2); do block_state "$block"; done | sort -u)" = offline
gone() { [ -z "$(node_blocks 2)" ]; }
echo 1 >"$DIMM/eject"
ktap_test_result "the DIMM is unplugged" wait_until 60 gone
loud
is "the pool is on the nodes that are left" "$(on 2) $(($(on 0) + $(on 1)))" = "0 $(counter pages)"
is "as mems says" "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")" = "2 0-1"
ktap_test_result "zswap works on" live
ktap_test_result "every page is right" hog_do read
ktap_test_result "all pools are ok" all_ok
adds_up "moves between nodes add up" "$(node_sum moved_in)" -eq "$(node_sum moved_out)"
ktap_test_result "mems all" eval "echo all >$SYS/mems"
ktap_test_result "the process and zswap end" eval "hog_stop && zswap_stop"
ktap_finished
