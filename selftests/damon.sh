#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=1,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=far,size=512M -device pc-dimm,id=far0,memdev=far,node=2 -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=60 -numa dist,src=1,dst=2,val=60"
# zbm-test: stock
#
# DAMON, which watches what memory is used, moves what is not to a node of far memory by
# its scheme migrate_cold: the pages of the pool, as they are on the lists of mm, and none
# of zram's. Then a request brings them back, and a scheme that has stopped takes no more.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command python3 zramctl
DAMON=/sys/kernel/mm/damon/admin/kdamonds
need_file "$DAMON"
[ -z "$(cat "$NODE_SYS/node2/cpulist")" ] || ktap_exit_skip "node 2 has processors"
load_module
[ "$(mover)" = page_cache ] || ktap_exit_skip "the mover is not page_cache"
make_disk 256M
scratch
# Without blocks that are filled with one value: each takes memory on the other disk, too.
real_data "$SCRATCH/data" 24
ktap_set_plan 17

# DAMON's own watcher of all memory stands in the way of others.
if [ -w /sys/module/damon_stat/parameters/enabled ]; then
	at_exit "echo $(cat /sys/module/damon_stat/parameters/enabled) >/sys/module/damon_stat/parameters/enabled"
	echo N >/sys/module/damon_stat/parameters/enabled
fi
# zspages NODE: pages of zsmalloc, which are zram's.
zspages() { awk -v node="$1," '$1 == "Node" { here = $2 == node } here && $1 == "nr_zspages" { n += $2 } END { print n + 0 }' /proc/zoneinfo; }
# near_range: the addresses of nodes 0 and 1.
near_range() {
	python3 - "$NODE_SYS" "$(block_bytes)" <<-EOF
		import glob, sys
		blocks = [int(path.rsplit("memory", 1)[1]) for node in "01"
		          for path in glob.glob(f"{sys.argv[1]}/node{node}/memory[0-9]*")]
		size = int(sys.argv[2])
		print(min(blocks) * size, (max(blocks) + 1) * size)
	EOF
}
# migrate_cold: what was not accessed for a while goes to node 2.
migrate_cold() {
	local start end file value
	read -r start end <<<"$(near_range)"
	at_exit damon_off
	echo 1 >"$DAMON/nr_kdamonds" || return
	while read -r file value; do
		echo "$value" >"$DAMON/0/$file" || { echo "$file $value"; return 1; }
	done <<-EOF
		contexts/nr_contexts 1
		contexts/0/operations paddr
		contexts/0/targets/nr_targets 1
		contexts/0/targets/0/regions/nr_regions 1
		contexts/0/targets/0/regions/0/start $start
		contexts/0/targets/0/regions/0/end $end
		contexts/0/monitoring_attrs/intervals/sample_us 20000
		contexts/0/monitoring_attrs/intervals/aggr_us 200000
		contexts/0/monitoring_attrs/intervals/update_us 1000000
		contexts/0/schemes/nr_schemes 1
		contexts/0/schemes/0/action migrate_cold
		contexts/0/schemes/0/target_nid 2
		contexts/0/schemes/0/access_pattern/sz/min 4096
		contexts/0/schemes/0/access_pattern/sz/max $end
		contexts/0/schemes/0/access_pattern/nr_accesses/max 0
		contexts/0/schemes/0/access_pattern/age/min 2
		contexts/0/schemes/0/access_pattern/age/max 1000000
		state on
	EOF
}
damon_off() {
	[ ! -e "$DAMON/0/state" ] || [ "$(cat "$DAMON/0/state")" = off ] || echo off >"$DAMON/0/state"
}

ktap_test_result "stores data" on_node 0 store "$SCRATCH/data"
pages=$(disk_file pages)
is "near" "$(counter node0/pages)" -eq "$pages"
ZRAM=/dev/$(basename "$(modprobe zram && zramctl -f -s 256M)")
at_exit "zramctl -r $ZRAM"
ktap_test_result "and in zram" dd if="$SCRATCH/data" of="$ZRAM" bs=1M oflag=direct status=none
zspages=$(($(zspages 0) + $(zspages 1)))
is "near, too" "$(zspages 2)" -eq 0
ktap_print_msg "$pages pages of the pool, $zspages of zram"

moved=$(counter stats/migrated)
ktap_test_result "DAMON moves what is cold to node 2" migrate_cold
all_far() { [ "$(counter node2/pages)" = "$pages" ]; }
ktap_test_result "all pages of the pool go there" wait_until 120 all_far
ktap_print_msg "pages on node 2: $(counter node2/pages) of $pages of the pool, $(zspages 2) of $zspages of zram"
is "by mm" $(($(counter stats/migrated) - moved)) -ge "$pages"
is "none of zram's" "$(zspages 2)" -eq 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "it goes on while data are read and written" store "$SCRATCH/data"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "DAMON stops" damon_off
ktap_test_result "a request brings all back" eval "echo '2 0' >$SYS/migrate"
is "all of them" "$(counter node2/pages) $(counter stats/not_moved)" = "0 0"
sleep 3
is "there they stay" "$(counter node2/pages)" -eq 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_finished
