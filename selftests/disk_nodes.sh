#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=1,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=far,size=512M -device pc-dimm,id=far0,memdev=far,node=2 -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=60 -numa dist,src=1,dst=2,val=60"
# zbm-test: release page_cache stock
# zbm-long: debug
#
# Where swap is: what is swapped out stays on the node of the page that it comes from,
# whatever processor swaps it out; within the disk's mems, so that one disk is near memory
# and another is far memory. The pages of one disk move when its mems change, and those of
# all disks by request. The far node is emptied and unplugged while its pages are in use as swap.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command numactl timeout
need_swap
load_module
make_disk 256M
need_file "$SYS/migrate" "$DISK_SYS/mems"
[ -z "$(cat "$NODE_SYS/node2/cpulist")" ] || ktap_exit_skip "node 2 has processors"
find_dimm || ktap_exit_skip "there is no DIMM that can be ejected"
second=$(hot_add) || ktap_exit_fail_msg "no second disk"
at_exit "hot_remove $second"
scratch
real_data "$SCRATCH/data" "$(pick 8 4)"
hog_mib=$(pick 24 8)
pages=$((hog_mib * 256))
ktap_set_plan 43

# on DISK NODE FILE: a figure of a disk on a node.
on() { cat "/sys/block/zbud$1/node$2/$3"; }
# spread DISK: its zpages on nodes 0, 1 and 2.
spread() { echo "$(on "$1" 0 zpages) $(on "$1" 1 zpages) $(on "$1" 2 zpages)"; }
# pool_spread DISK: the same of its pages.
pool_spread() { echo "$(on "$1" 0 pages) $(on "$1" 1 pages) $(on "$1" 2 pages)"; }
# adds_up_to DISK FILE: the nodes have what the disk has.
adds_up_to() {
	local nid sum=0
	for nid in 0 1 2; do sum=$((sum + $(on "$1" "$nid" "$2"))); done
	[ "$sum" = "$(cat "/sys/block/zbud$1/$2")" ]
}
# Not while the worker releases pages, half a second after they have lost their zpages.
figures() { adds_up_to "$1" pages && adds_up_to "$1" zpages && adds_up_to "$1" unbuddied_pages; }
# come_from CPUS MEMORY: a process on the processors of one node, with the memory of
# another, has all of it swapped out, by itself.
come_from() { hog_start "$SCRATCH/data" "$hog_mib" numactl --cpunodebind="$1" --membind="$2" && hog_do out; }
# Almost all: the kernel may leave a page that is busy where it is.
almost() { [ "$1" -ge $((pages * 98 / 100)) ] || { echo "$1 of $pages"; return 1; }; }
gone_back() { hog_do read && hog_stop; }

# --- the node of the page ---

ktap_test_result "swap on the disk" swap_on -p 5
ktap_test_result "memory of node 1 is swapped out on node 0" come_from 0 1
ktap_print_msg "zpages by node: $(spread 0)"
ktap_test_result "its zpages are on node 1" almost "$(on 0 1 zpages)"
is "and none is on node 2" "$(on 0 2 zpages)" -eq 0
ktap_test_result "figures of the nodes add up" wait_until 10 figures 0
ktap_test_result "the process reads what it wrote" gone_back
ktap_test_result "memory of node 0 is swapped out on node 1" come_from 1 0
ktap_test_result "its zpages are on node 0" almost "$(on 0 0 zpages)"
ktap_test_result "the process reads what it wrote" gone_back

# --- the disk's nodes ---

ktap_test_result "swapoff" swap_off
reset_disk && make_disk 256M
ktap_test_result "mems 0" set_disk mems 0
is "is in effect" "$(disk_file mems) $(disk_file mems_effective)" = "0 0"
is "for this disk only" "$(cat "/sys/block/zbud$second/mems_effective") $(cat "$SYS/mems")" = "0-2 0-2"
ktap_test_result "swap on it" swap_on -p 5
ktap_test_result "memory of node 1 is swapped out on node 1" come_from 1 1
ktap_test_result "its zpages are on node 0" almost "$(on 0 0 zpages)"
is "all of them" "$(on 0 1 pages) $(on 0 2 pages)" = "0 0"
ktap_test_result "the process reads what it wrote" gone_back
ktap_test_result "swapoff" swap_off

# A small disk that comes first, on near memory, and a large one on far memory.
reset_disk && make_disk $((hog_mib / 4))M
near_and_far() {
	set_disk mems 0-1 && swap_on -p 10 && use_disk "$second" && make_disk 256M && set_disk mems 2 &&
		swap_on -p 5 && use_disk 0
}
ktap_test_result "two disks, the first is near and the other far" near_and_far
ktap_test_result "a process is swapped out" come_from 0 0
ktap_print_msg "zpages by node: $(spread 0) on the first, $(spread "$second") on the other"
is "the first is full" "$(swapped_pages)" -ge $((pages * 95 / 400))
is "and near" "$(on 0 2 pages)" -eq 0
is "the other has the rest" "$(on "$second" 2 zpages)" -ge $((pages * 7 / 10))
is "and is far" "$(on "$second" 0 pages) $(on "$second" 1 pages)" = "0 0"

# --- moves ---

others=$(pool_spread 0)
far=$(on "$second" 2 pages)
ktap_test_result "mems moves what is there, if asked to" eval \
	"echo 1 >$SYS/memory_migrate && echo 1 >/sys/block/zbud$second/mems"
is "all of that disk" "$(on "$second" 0 pages) $(on "$second" 1 pages) $(on "$second" 2 pages)" = "0 $far 0"
is "nothing of the other" "$(pool_spread 0)" = "$others"
is "none was left behind" "$(counter stats/not_moved)" -eq 0
ktap_test_result "and without being asked it does not" eval \
	"echo 0 >$SYS/memory_migrate && echo 2 >/sys/block/zbud$second/mems"
is "all is where it was" "$(pool_spread "$second")" = "0 $far 0"
ktap_test_result "a request moves the pages of all disks" eval "echo 'all 2' >$SYS/migrate"
is "all of them" "$(on 0 2 pages) $(on "$second" 2 pages)" = "$(cat "$DISK_SYS/pages") $(cat "/sys/block/zbud$second/pages")"
ktap_test_result "all is as it was" hog_do read
ktap_test_result "it is swapped out once more" hog_do out
ktap_test_result "figures add up" counters_add_up

# --- the far node goes, under swap ---

all_offline() {
	local block
	for block in $(node_blocks 2); do ask_offline "$block" 120 || { echo "block $block"; return 1; }; done
}
quiet
ktap_test_result "the far memory goes offline" all_offline
gone() { [ -z "$(node_blocks 2)" ]; }
echo 1 >"$DIMM/eject"
ktap_test_result "and is unplugged" wait_until 60 gone
loud
is "no page is there" "$(on 0 2 pages) $(on "$second" 2 pages)" = "0 0"
ktap_test_result "the process reads what it wrote" hog_do read
ktap_test_result "is swapped out, and reads it again" eval "hog_do out && hog_do read"
ktap_test_result "figures add up" eval "wait_until 10 figures 0 && wait_until 10 figures $second && counters_add_up"
done_with() { hog_stop && swap_off && use_disk "$second" && swap_off && use_disk 0; }
ktap_test_result "the process ends, and swap" done_with
ktap_finished
