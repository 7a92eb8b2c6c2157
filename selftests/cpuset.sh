#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --append cma=64M
# zbm-test: release
#
# Steering mm: the cpuset of the process that asks for something decides where the
# pages go that are moved for it, where the kernel gives the page allocator no set of
# nodes of its own: then it takes the caller's cpuset.mems (mm/page_alloc.c,
# prepare_alloc_pages). Soft offline and CMA are like that: the pages stay on their
# node if the cpuset has it, and go to another if it has not. A request to the pool's own
# knobs names the nodes, and is not steered.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 numactl
grep -qw cpuset /sys/fs/cgroup/cgroup.controllers 2>/dev/null || ktap_exit_skip "there is no cpuset controller"
SOFT=$BLOCK_SYS/soft_offline_page
need_file $SOFT
load_module
make_disk
CGROUP=/sys/fs/cgroup/zbm
if ! echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control || ! mkdir $CGROUP; then
	ktap_exit_skip "no cpuset can be made"
fi
at_exit "rmdir $CGROUP"
scratch
real_data "$SCRATCH/data" "$(pick 24 12)"
ktap_set_plan 23

# confined NODES COMMAND: run by bash, in a cpuset with that memory.
confined() {
	echo "$1" >"$CGROUP/cpuset.mems" || return
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'echo $$ >"$1/cgroup.procs" && eval "$2"' - "$CGROUP" "$2"
}
other() { echo $((1 - $1)); }

# --- soft offline ---

ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
for mems in 1 0-1 0; do
	pfn=$(pool_pages 1 | awk 'NR == 10 { print $1 }')
	moved=$(counter node0/moved_in)
	ktap_test_result "soft offline of a page of node 1, cpuset.mems $mems" \
		confined $mems "soft_offline $pfn"
	if [ $mems = 0 ]; then name="it goes to node 0" expected=1; else name="it stays on node 1" expected=0; fi
	is "$name" "$(($(counter node0/moved_in) - moved)) $(pool_pfns | grep -cx "$pfn")" = "$expected 0"
done
ktap_test_result "contents are the same" same_data "$SCRATCH/data"

# --- by hand ---

# It is the request that says where to, not who makes it.
ktap_test_result "migrate 1 0, cpuset.mems 1" confined 1 "echo '1 0' >$SYS/migrate"
is "all go to node 0" "$(counter node0/pages)" -eq "$(counter pages)"
ktap_test_result "mems 1, cpuset.mems 0" confined 0 "echo 1 >$SYS/mems"
ktap_test_result "stores, cpuset.mems 0" confined 0 "dd if=$SCRATCH/data of=$DATA bs=1M oflag=direct status=none"
at_rest
is "all is on node 1" "$(counter node1/pages)" -eq "$(counter pages)"
ktap_test_result "mems all" eval "echo all >$SYS/mems"

# --- CMA ---

AREA=$(echo /sys/kernel/debug/cma/*reserved*)
tests=("stores data beside the area" "pool pages are in the area"
	"CMA allocation, cpuset.mems is the area's node" "none has left the node"
	"CMA allocation, cpuset.mems is the other node" "pages have gone to the other node"
	"none is left in what was allocated" "contents are the same" "figures add up")
if ! [ -e "$AREA/alloc" ]; then
	for name in "${tests[@]}"; do ktap_test_skip "$name" "this kernel has no CMA area in debugfs"; done
	ktap_finished
fi
base=$(cat "$AREA/base_pfn") pages=$(cat "$AREA/count")
near=$(node_of_block "$(block_of_pfn "$base")")
far=$(other "$near")
# See cma.sh: the area is used once little else is free.
drop_all
at_rest
occupy_node "$near" $((90 << 10))
ktap_test_result "${tests[0]}" on_node "$near" store "$SCRATCH/data"
vacate_node
inside=$(pool_pages_in "$base" "$pages")
is "${tests[1]}" "$inside" -gt 200
ktap_print_msg "$inside pages in the area, on node $near"
# Half of it each time, or what of that nobody else has in use.
take_half() { confined "$1" "[ \$(cma_take $AREA $((pages / 2))) -ge $((pages / 3)) ]"; }
moved=$(counter "node$far/moved_in")
ktap_test_result "${tests[2]}" take_half "$near"
is "${tests[3]}" "$(counter "node$far/moved_in")" -eq "$moved"
was=$(pool_pages_in "$base" "$pages")
ktap_test_result "${tests[4]}" take_half "$far"
gone=$(($(counter "node$far/moved_in") - moved))
ktap_print_msg "$gone of $was pages went to node $far"
is "${tests[5]}" "$gone" -gt 0
is "${tests[6]}" "$(pool_pages_in "$base" "$pages")" -le $((was - gone))
ktap_test_result "${tests[7]}" same_data "$SCRATCH/data"
ktap_test_result "${tests[8]}" counters_add_up
echo "$pages" >"$AREA/free"
ktap_finished
