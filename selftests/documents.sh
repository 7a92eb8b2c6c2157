#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=1,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=far,size=512M -device pc-dimm,id=far0,memdev=far,node=2 -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=60 -numa dist,src=1,dst=2,val=60"
# zbm-mover: -
# zbm-test: release stock
#
# README and the guides: each block of commands does what it says, as typed, and prints what
# it shows. tools/documents.py finds the blocks; a block is neither run nor marked as one that
# is not: that fails. Here is what a reader has before a block, what happens meanwhile, and
# what must be so afterwards. Without the first, a block goes on from the one before.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command python3 numactl migratepages zbudctl mkswap swapon
find_dimm || ktap_exit_skip "there is no DIMM that can be ejected"
scratch
real_data "$SCRATCH/data" 8
case $(uname -r) in
6.12.*) kernel=release ;;
*+deb*) kernel=stock ;;
*) kernel=other ;;
esac
# That block takes node 2 away.
LAST=unplug
todo=$(python3 "$TOOLS/documents.py" names $kernel) || ktap_exit_fail_msg "the documents cannot be read"
todo=$(grep -v "^$LAST " <<<"$todo")$'\n'$(grep "^$LAST " <<<"$todo")
ktap_set_plan $(($(wc -l <<<"$todo") + 3))

# The reader of README is no root.
sudo() { "$@"; }
export -f sudo

# --- what there is before ---

# as_booted: the blocks before have left nothing.
as_booted() {
	swapoff -a && ! swap_is_on || return
	! module_loaded || unload_module
}
loaded() { as_booted && modprobe "$MODULE" "$@"; }
blocks=$(blocks_of "$SCRATCH/data")
# with_data [PARAMETER...]: a disk with some of it on node 0 and some on node 1
with_data() {
	loaded "$@" && make_disk 64M && on_node 0 write_blocks "$SCRATCH/data" 0 0 $((blocks / 2)) &&
		on_node 1 write_blocks "$SCRATCH/data" $((blocks / 2)) $((blocks / 2))
}
is_right() { same_data "$SCRATCH/data" && [ "$(counter verify)" = ok ]; }
on() { counter "node$1/pages"; }
all_on() { [ "$(on "$1")" = "$(counter pages)" ] && [ "$(on "$1")" -gt 0 ] && is_right; }
swap_has() { grep -q "^/dev/$1 .*[[:space:]]$2\$" /proc/swaps; }

# --- README ---

before_swap() { loaded; }
after_swap() { swap_has zbud0 100; }

before_host() { as_booted; }
# Without a priority swap has one below 0, which differs between kernels.
after_host() { swap_has zbud0 '-[0-9]'; }

before_nodes() { with_data; }
after_nodes() { all_on 0; }

# --- the guide ---

before_disk() { as_booted; }
after_disk() { swap_has zbud0 100 && [ "$(algorithm)" = zstd ]; }

before_disk_by_zbudctl() { loaded; }
after_disk_by_zbudctl() { ! swap_is_on; }

before_disks_by_node() { loaded; }
after_disks_by_node() {
	swap_has zbud0 100 && swap_has zbud1 50 &&
		[ "$(cat /sys/block/zbud{0,1}/mems | xargs)" = "0-1 2" ]
}

before_zswap() {
	as_booted && modprobe zram && echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0
}
after_zswap() {
	local stored
	hog_start "$SCRATCH/data" 16 && hog_do out && stored=$(counter zpages) && hog_do read && hog_stop &&
		[ "$stored" -gt 1000 ]
}
after_zswap_end() { ! module_loaded && [ "$(cat "$ZSWAP/zpool")" = zsmalloc ] && echo 0 >"$ZSWAP/enabled"; }

before_file() { with_data mover=page_cache; }
after_file() { [ "$(on 0)" = 0 ] && is_right; }

before_histogram() { with_data; }
after_histogram() { histograms_of_moves; }

before_compact() { with_data && put free_every 2; }
after_compact() { [ "$(counter stats/repaired)" -gt 100 ] && [ "$(counter verify)" = ok ]; }

before_maintenance() { with_data; }
after_maintenance() { is_right; }

before_unplug() { with_data && echo 'all 2' >"$SYS/migrate" && quiet; }
no_node_2() { [ -z "$(node_blocks 2)" ]; }
after_unplug() {
	loud
	wait_until 60 no_node_2 && is_right
}

before_far_memory() { with_data; }
after_far_memory() { [ "$(on 2)" = 0 ] && all_on 0; }

before_damon() { with_data; }
during_damon() { wait_until 120 all_on 2; }
after_damon() { all_on 2; }
after_damon_back() { [ "$(on 2)" = 0 ] && is_right; }

before_unreadable() { with_data && as_nobody cat "$SYS/pages" "$DISK_SYS/mm_stat"; }
after_unreadable() {
	local file
	for file in "$SYS/pages" "$SYS/stats/migrated" "$DISK_SYS/mm_stat" "$DISK_SYS/large_zpages"; do
		if [ ! -e "$file" ] || as_nobody cat "$file"; then echo "$file"; return 1; fi
	done
}

# --- zbudctl(8) ---

before_status() { with_data; }
after_status() { all_on 0; }

before_mems() { with_data; }
after_mems() { all_on 0 && [ "$(cat "$SYS/mems")" = 0 ]; }

before_fail_migrate() { with_data; }
after_fail_migrate() {
	local faults=$DEBUGFS/fail_migrate
	[ "$(cat "$faults/verbose" "$faults/times" "$faults/probability")" = $'0\n-1\n10' ]
}

# It leaves files.
before_map() { with_data && cd "$SCRATCH" || return; }
after_map() { grep -q '<svg' compaction.svg && cd - >/dev/null || return; }

before_disk_of_half() { loaded; }
after_disk_of_half() { ! swap_is_on; }

before_hold() { with_data mover=page_cache; }
after_hold() { [ "$(on 0)" = 0 ] && is_right; }

# ---

# block NAME: what comes before it, it, and what comes after.
block() {
	local rc=0 reader
	! declare -F "before_$1" >/dev/null || "before_$1" || { echo "before it"; return 1; }
	if declare -F "during_$1" >/dev/null; then
		python3 "$TOOLS/documents.py" run "$1" &
		reader=$!
		"during_$1" || { rc=1; echo "while it runs"; }
		kill "$reader"
		wait "$reader" || rc=$?
	else
		python3 "$TOOLS/documents.py" run "$1" || rc=$?
	fi
	! declare -F "after_$1" >/dev/null || "after_$1" || { rc=1; echo "after it"; }
	return "$rc"
}

ktap_test_result "each block is run, or says why not" python3 "$TOOLS/documents.py" check
stale() { comm -23 <(declare -F | sed -n 's/^declare -f \(before\|during\|after\)_//p' | sort -u) <(cut -d ' ' -f 1 <<<"$todo" | sort -u); }
is "nothing is here for a block that is not there" "$(stale)" = ""
while read -r name here; do
	if [ "$here" = yes ]; then
		ktap_test_result "$name" block "$name"
	else
		ktap_test_skip "$name" "not for this kernel"
	fi
done <<<"$todo"
ktap_test_result "nothing is left" as_booted
ktap_finished
