#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --nodes 4 --qemu "-numa dist,src=0,dst=1,val=15 -numa dist,src=0,dst=2,val=20 -numa dist,src=0,dst=3,val=30 -numa dist,src=1,dst=2,val=30 -numa dist,src=1,dst=3,val=20 -numa dist,src=2,dst=3,val=15"
# zbm-test: release
#
# The knobs `mems` and `memory_migrate`, on a machine whose nodes are not equally
# far from each other: zpages are placed on the nodes of `mems` only, on the local
# one if it is among them, else on the nearest, and not beside others on the rest; nor when
# these nodes are full and the caller is in reclaim.
# With memory_migrate a change moves what is there, as it moves the pages of a
# cpuset. Zswap's pool, made later, keeps to them as well.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 4
need_command python3 numactl
# Small watermarks, so that it is known when a node is full.
min_free=$(cat /proc/sys/vm/min_free_kbytes)
at_exit "echo $min_free >/proc/sys/vm/min_free_kbytes"
echo 2048 >/proc/sys/vm/min_free_kbytes
load_module
make_disk
need_file "$SYS/mems"
[ "$(cat "$NODE_SYS/node0/distance")" = "10 15 20 30" ] || ktap_exit_skip "nodes are not as far from each other as expected"
scratch
real_data "$SCRATCH/data" "$(pick 4 2)"
ktap_set_plan 56

mems() { echo "$1" >"$SYS/mems"; }
shares() { cat "$SYS"/node[0-3]/pages | tr '\n' ' '; }
# store_from CPUNODE: all data anew, from the processors of that node, without a word on
# memory: the policy is the pool's.
store_from() {
	# shellcheck disable=SC2034 # for the library
	local PLACE=(numactl --cpunodebind="$1")
	store "$SCRATCH/data"
}
# all_on N: and as it was.
all_on() {
	at_rest || return
	[ "$(counter "node$1/pages")" = "$(counter pages)" ] || { shares; return 1; }
	[ "$(pool_pages "$1" | wc -l)" = "$(counter pages)" ] && same_data "$SCRATCH/data"
}

is "at first all nodes are allowed" "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")" = "0-3 0-3"
is "and a change moves nothing" "$(cat "$SYS/memory_migrate")" = 0
ktap_test_result "stores on the local node" store_from 0
ktap_test_result "stores on the local node" all_on 0
# FROM NODES WHERE
while read -r from nodes where why; do
	ktap_test_result "mems $nodes" mems "$nodes"
	is "mems $nodes is read back" "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")" = "$nodes $nodes"
	ktap_test_result "mems $nodes: stores from node $from" store_from "$from"
	ktap_test_result "mems $nodes: on node $where, $why" all_on "$where"
done <<-LIST
	0 1-3 1 the nearest
	1 0,2-3 0 the nearest
	2 0-1,3 3 the nearest
	3 0-1 1 the nearest
	1 0-1 1 the local one
LIST

# Beside others only where it is allowed: zpages that are there stay, and get no buddy.
mems all
small_data "$SCRATCH/small" 5
drop_all
ktap_test_result "a page is half full on node 2" on_node 2 write_blocks "$SCRATCH/small" 0 0 1
is "a small block leaves room" "$(counter unbuddied_pages) $(counter node2/pages)" = "1 1"
mems 3
on_node 2 write_blocks "$SCRATCH/small" 1 1 2
is "nothing is put beside it when its node is not allowed" \
	"$(counter node2/zpages) $(counter node3/zpages) $(counter node3/pages)" = "1 2 1"
mems 2-3
on_node 3 write_blocks "$SCRATCH/small" 3 3 1
is "nor while the local node has memory to spare" \
	"$(counter node2/zpages) $(counter node3/zpages) $(counter node3/pages)" = "1 3 2"
on_node 0 write_blocks "$SCRATCH/small" 4 4 1
is "and it is when its node is the nearest" "$(counter node2/zpages) $(counter node2/pages)" = "2 1"
# A full node: beside others elsewhere, then into new pages there. kswapd may free some.
mems 0-1
drop_all
ktap_test_result "a page is half full on node 1" on_node 1 write_blocks "$SCRATCH/small" 0 0 1
ktap_test_result "node 0 is all but full" occupy_node 0 8000
beside_others() { echo $(($(counter node1/zpages) - $(counter node1/pages))); }
# In one go, so that no memory is given back before the small ones: as a process ends, say.
{ head -c $((254 * BLOCK_SIZE)) /dev/urandom && head -c $((2 * BLOCK_SIZE)) "$SCRATCH/small"; } >"$SCRATCH/mixed"
store_on_0() {
	# shellcheck disable=SC2034 # for the library
	local block PLACE=(numactl --cpunodebind=0)
	for ((block = 1; block < 10000; block += 256)); do
		write_blocks "$SCRATCH/mixed" "$block" || return
		# The pair may come when kswapd has just freed something: then the next one counts.
		[ "$(counter node1/pages)" -lt 100 ] || [ "$(beside_others)" = 0 ] || return 0
	done
}
ktap_test_result "stores from node 0 until some is on node 1" store_on_0
ktap_print_msg "$(counter node0/pages) pages on node 0, $(counter node1/pages) on node 1"
is "a zpage goes beside another elsewhere" "$(beside_others)" -gt 0
is "and others into pages there" "$(counter node1/pages)" -ge 100
# How much that is depends on when kswapd runs.
is "but no more than must" "$(counter node0/pages)" -gt "$(counter node1/pages)"
vacate_node

# With memory_migrate.
mems 0-1
ktap_test_result "stores on node 0" store_from 0
on_node 1 write_blocks "$SCRATCH/data" 0 0 200
at_rest
before=$(shares)
read -r a b _ <<<"$before"
is "stores on nodes 0 and 1" "$((a > 100 && b > 50))" = 1
ktap_test_result "mems 2-3 without memory_migrate" mems 2-3
is "moves nothing" "$(shares)" = "$before"
mems 0-1
echo 1 >"$SYS/memory_migrate"
ktap_test_result "mems 2-3 with memory_migrate" mems 2-3
is "keeps what was together together" "$(shares)" = "0 0 $a $b "
ktap_test_result "mems 1-2" mems 1-2
is "and again, over an overlap" "$(shares)" = "0 $a $b 0 "
# Pages that lie on a node that was not allowed are moved, too.
echo 0 >"$SYS/memory_migrate"
mems 3
echo 1 >"$SYS/memory_migrate"
ktap_test_result "mems 0" mems 0
is "what had been left elsewhere comes as well" "$(shares)" = "$((a + b)) 0 0 0 "
is "and is right" "$(same_data "$SCRATCH/data" && counter stats/not_moved)" = 0

# A request that runs already keeps `mems` as it is.
put pin "0 20"
keep_asking '0 1' '1 0'
busy='' deadline=$((SECONDS + 60))
while [ "$SECONDS" -lt "$deadline" ]; do
	errno=$(write_errno "$SYS/mems" 1)
	[ "$errno" != EBUSY ] || { busy=$(cat "$SYS/mems"); break; }
	until mems 0 2>/dev/null; do keep_on || break; done
done
rm "$SCRATCH/run"
wait "$ASKER"
is "while a move is running: EBUSY, and mems as it was" "$busy" = 0
put unpin all
ktap_test_result "mems all" mems all
is "allows all nodes" "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")" = "0-3 0-3"

if [ -e "$ZSWAP/zpool" ] && [ -b /dev/zram0 ] || modprobe zram 2>/dev/null && [ -e "$ZSWAP/zpool" ]; then
	# The kernel may swap out, or store, something between the reading of two figures.
	only_on() { [ "$(counter "node$1/pages")" = "$(counter pages)" ]; }
	zswapped() {
		mems 3 && drop_all && pool_is_empty && zswap_start "$MODULE" 128 && hog_start "$SCRATCH/data" "$(pick 64 32)" numactl --membind=0 &&
			hog_do out && [ "$(counter node3/zpages)" -gt 1000 ] && wait_until 10 only_on 3 && hog_do read
	}
	ktap_test_result "a pool of zswap's keeps to mems" zswapped
	moved() {
		hog_do out && mems 0 && wait_until 10 only_on 0 &&
			[ "$(counter node0/zpages)" -gt 1000 ] && hog_do read
	}
	ktap_test_result "and is moved by a change" moved
	# Full: the caller is in reclaim, for which the kernel would take any node.
	full() {
		mems 3 && hog_do read && occupy_node 3 8000 && hog_do out &&
			ktap_print_msg "$(counter node3/pages) pages on node 3, $(counter stats/alloc_failed) stores refused" &&
			[ "$(counter stats/alloc_failed)" -gt 0 ]
	}
	ktap_test_result "what does not fit is refused" full
	is "and goes nowhere else" "$(cat "$SYS"/node[0-2]/pages | tr '\n' ' ')" = "0 0 0 "
	vacate_node
	ktap_test_result "contents are the same" hog_do read
	hog_stop
	ktap_test_result "zswap ends" zswap_stop
else
	for name in "a pool of zswap's keeps to mems" "and is moved by a change" "zswap ends" \
		"what does not fit is refused" "and goes nowhere else" "contents are the same"; do
		ktap_test_skip "$name" "this kernel has no zswap that uses zpool"
	done
fi
drop_all
ktap_test_result "figures add up" pool_is_empty
ktap_finished
