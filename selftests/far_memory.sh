#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=1,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=far,size=512M -device pc-dimm,id=far0,memdev=far,node=2 -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=60 -numa dist,src=1,dst=2,val=60"
# zbm-test: release
#
# Far memory: a node without processors, three times as far away as the other one, as
# CXL memory appears. A cold pool is pushed there by hand; zpages stored meanwhile
# stay near; later it is brought back. The time per page is reported.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command numactl
load_module
make_disk
need_file "$SYS/migrate"
[ -z "$(cat "$NODE_SYS/node2/cpulist")" ] || ktap_exit_skip "node 2 has processors"
scratch
real_data "$SCRATCH/data" "$(pick 64 16)"
ktap_set_plan 17

cold=$(($(stat -c %s "$SCRATCH/data") / 4096))
# The write itself takes time, too; it is measured without a page to move.
now() { date +%s%N; }
timed() { # timed "FROM TO"
	local start
	start=$(now)
	echo "$1" >"$SYS/migrate" || return
	took=$(($(now) - start))
}

is "the far node is far" "$(cut -d ' ' -f 1,3 "$NODE_SYS/node0/distance")" = "10 60"
# Nobody stores there by itself: a full node spills over to the nearest.
ktap_test_result "mems 0-1" eval "echo 0-1 >$SYS/mems"
ktap_test_result "stores data" on_node 0 store "$SCRATCH/data"
pages=$(counter pages)
is "near" "$(counter node0/pages)" -eq "$pages"
ktap_test_result "the cold pool is pushed to far memory" timed "0-1 2"
is "all of it" "$(counter node2/pages) $(counter stats/not_moved)" = "$pages 0"
ktap_print_msg "$pages pages in $((took / 1000)) us, $((took / pages)) ns a page, to far memory"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
hot=$((cold / 8))
ktap_test_result "stores more, which is hot" on_node 1 write_blocks "$SCRATCH/data" "$cold" 0 "$hot"
is "it stays near" "$(counter node1/zpages) $(counter node2/zpages)" = "$hot $cold"
is "and the far pages are as many" "$(counter node2/pages)" -eq "$pages"
ktap_test_result "the far pages are brought back" timed "2 0"
is "all of them" "$(counter node2/pages) $(counter node0/pages) $(counter stats/not_moved)" = "0 $pages 0"
ktap_print_msg "$pages pages in $((took / 1000)) us, $((took / pages)) ns a page, back"
ktap_test_result "contents are the same" same_blocks "$SCRATCH/data" 0 0 "$cold"
is "the hot ones have not moved" "$(counter node1/zpages) $(counter node1/moved_out)" = "$hot 0"
ktap_test_result "nothing to move" timed "2 0"
ktap_print_msg "a request without a page to move takes $((took / 1000)) us"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"
ktap_finished
