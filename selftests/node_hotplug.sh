#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=2,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=dimm,size=512M -device pc-dimm,id=dimm0,memdev=dimm,node=2"
# zbm-test: release
# zbm-long: debug
#
# A whole node comes and goes: node 2 is a hot-plugged DIMM, onlined as movable, and
# the pool is placed there by `mems`. All of it goes offline, comes back and is used
# again; then it goes offline once more and is unplugged. The pool is right all the
# time, and `mems` knows which of its nodes there are.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command numactl timeout
load_module
make_disk
need_file "$SYS/mems"
find_dimm || ktap_exit_skip "there is no DIMM that can be ejected"
scratch
real_data "$SCRATCH/data" "$(pick 40 16)"
ktap_set_plan 30

all_on() {
	at_rest && [ "$(counter "node$1/pages")" = "$(counter pages)" ] &&
		[ "$(pool_pages "$1" | wc -l)" = "$(counter pages)" ] && same_data "$SCRATCH/data"
}
node_offline() {
	local block
	for block in $(node_blocks 2); do
		[ "$(block_state "$block")" = offline ] || ask_offline "$block" 200 || { echo "block $block"; return 1; }
	done
}
node_online() {
	local block
	for block in $(node_blocks 2); do online_block "$block" online_movable || return; done
}
has_memory() { [[ " $(nodes)" == *" $1 "* ]]; }
mems() { echo "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")"; }

is "node 2 has no processor" "$(cat "$NODE_SYS/node2/cpulist")" = ""
is "and only movable memory" "$(awk '/^Node 2, zone/ { zone = $4 } zone != "" && $1 == "present" && $2 > 0 { print zone }' /proc/zoneinfo | sort -u | tr -d '\n')" = Movable
ktap_test_result "mems 2" eval "echo 2 >$SYS/mems"
is "is in effect" "$(mems)" = "2 2"
ktap_test_result "stores data" store "$SCRATCH/data"
ktap_test_result "all of it is on node 2" all_on 2
pages=$(counter pages)
ktap_print_msg "$pages pages in blocks $(pool_blocks | tr '\n' ' ')of $(node_blocks 2 | tr '\n' ' ')"
ktap_test_result "figures add up" counters_add_up

quiet
ktap_test_result "all memory of node 2 goes offline" node_offline
loud
is "node 2 has no memory" "$(has_memory 2 || echo none)" = none
is "no page is there" "$(counter node2/pages)" -eq 0
is "all have moved out" "$(counter node2/moved_out)" -eq "$pages"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
is "mems stays, the others count" "$(mems)" = "2 0-1"
is "to write it again would be ENODEV" "$(write_errno "$SYS/mems" 2)" = ENODEV
is "to move there, too" "$(write_errno "$SYS/migrate" "0 2")" = ENODEV
ktap_test_result "stores more" write_blocks "$SCRATCH/data" 0 0 256
at_rest
is "all is on nodes 0 and 1" $(($(counter node0/pages) + $(counter node1/pages))) -eq "$(counter pages)"

ktap_test_result "node 2 comes back" node_online
is "mems counts again" "$(mems)" = "2 2"
ktap_test_result "what there is can be moved there" eval "echo 'all 2' >$SYS/migrate"
ktap_test_result "all of it is on node 2" all_on 2
# Some of it anew, so that pages are born there as well.
ktap_test_result "stores data" store "$SCRATCH/data"
ktap_test_result "all of it is on node 2" all_on 2

quiet
ktap_test_result "all memory of node 2 goes offline again" node_offline
gone() { [ -z "$(node_blocks 2)" ]; }
echo 1 >"$DIMM/eject"
ktap_test_result "the DIMM is unplugged" wait_until 60 gone
loud
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
is "mems stays, the others count" "$(mems)" = "2 0-1"
ktap_test_result "mems all" eval "echo all >$SYS/mems"
ktap_finished
