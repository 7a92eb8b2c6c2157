#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-mover: page_cache
# zbm-test: page_cache stock
# zbm-long: built
#
# The pool as a mapping, with the mover page_cache: /dev/zbud_movable, read-only, and
# every system call that moves a process's pages from node to node. Each time all
# pages of the pool are then where they were asked to be, as the kernel and the
# pool see it, with their contents as they were. Nothing that makes room in the
# page cache takes a page away.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 numactl migratepages
ZBM_MOVER=page_cache
load_module
compact_alone
make_disk
scratch
real_data "$SCRATCH/data" "$(pick 12 4)"
ktap_set_plan 54

is "the mover is page_cache" "$(mover)" = page_cache
is "the device is root's" "$(stat -c '%a %U %F' $DEVICE)" = "600 root character special file"
ktap_test_result "stores data from node 0" on_node 0 store "$SCRATCH/data"
pages=$(counter pages)
is "all pages are on node 0" "$(counter node0/pages)" -eq "$pages"

# mapper_says NAME EXPECTED COMMAND...
mapper_says() {
	local name=$1 expected=$2
	shift 2
	if mapper_do "$@" >"$ktap_output"; then
		is "$name" "$ANSWER" = "$expected"
	else
		ktap_test_fail "$name" "$(cat "$ktap_output")"
	fi
}
ktap_test_result "opens it" mapper_start
mapper_says "maps each page of the pool" "$pages" map
mapper_says "refuses to be written to" 11 refused
mapper_says "has an end" 0 beyond
lines() { awk -v device="$DEVICE" 'index($0, device) { for (i = 1; i <= NF; i++) if ($i ~ /^N[0-9]+=/) printf "%s ", $i }' "/proc/$MAPPER_PID/numa_maps"; }
is "numa_maps shows them on node 0" "$(lines)" = "N0=$pages "

# all_on NODE: the pool and the kernel agree.
all_on() {
	local here elsewhere listed
	here=$(counter "node$1/pages") elsewhere=$(counter "node$((1 - $1))/pages")
	listed=$(pool_pages "$1" | wc -l)
	[ "$here $elsewhere $listed $(lines)" = "$pages 0 $pages N$1=$pages " ] ||
		{ echo "$here here, $elsewhere elsewhere, $listed listed, $(lines)"; return 1; }
}
# moved_to NODE NAME: after a system call.
moved_to() {
	ktap_test_result "$2: all pages are on node $1" all_on "$1"
	ktap_test_result "$2: contents are the same" same_data "$SCRATCH/data"
}
in_before=$(counter node1/moved_in)
# Other pages of the process may be shared, and stay: their number is not checked.
ktap_test_result "migrate_pages(2) from 0 to 1" mapper_do migrate 0 1
moved_to 1 migrate_pages
is "node 1 counts them as moved in" $(($(counter node1/moved_in) - in_before)) -eq "$pages"
ktap_test_result "migrate_pages(2) back" mapper_do migrate 1 0
moved_to 0 "migrate_pages back"
mapper_says "move_pages(2), query" "$pages" nodes 0
mapper_says "move_pages(2) to 1" "$pages" move 1
moved_to 1 move_pages
mapper_says "mbind(2) with MPOL_MF_MOVE to 0" "$pages" bind 0
moved_to 0 mbind
ktap_test_result "migratepages(8) 0 1" migratepages "$MAPPER_PID" 0 1
moved_to 1 migratepages
# cpusets: with cgroup v2, a change of cpuset.mems moves what is there.
CGROUP=/sys/fs/cgroup/zbm
cpuset() {
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p "$CGROUP" &&
		echo 1 >"$CGROUP/cpuset.mems" && echo "$MAPPER_PID" >"$CGROUP/cgroup.procs" &&
		echo 0 >"$CGROUP/cpuset.mems"
}
at_exit "[ ! -d $CGROUP ] || { cat $CGROUP/cgroup.procs >/sys/fs/cgroup/cgroup.procs; rmdir $CGROUP; } 2>/dev/null"
if grep -qw cpuset /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
	ktap_test_result "cpuset.mems from 1 to 0" cpuset
	ktap_test_result "cpuset: all pages are on node 0" wait_until 10 all_on 0
else
	ktap_test_skip "cpuset.mems from 1 to 0" "there is no cpuset controller"
	ktap_test_skip "cpuset: all pages are on node 0" "there is no cpuset controller"
fi

# By hand: the pages are taken away from the process, which finds them when it looks.
ktap_test_result "a write to migrate, 0 to 1" eval "echo '0 1' >$SYS/migrate"
is "the process has none mapped any more" "$(lines)" = ""
mapper_says "the process sees what it saw" "$pages" check
moved_to 1 "migrate in sysfs"
ktap_test_result "a write to migrate, back" eval "echo '1 0' >$SYS/migrate"
mapper_says "the process sees what it saw" "$pages" check
moved_to 0 "migrate in sysfs, back"

# These take other files' page cache away.
pool_pfns >"$SCRATCH/before"
mapper_says "MADV_PAGEOUT" 0 out
mapper_says "the process sees what it saw" "$pages" check
# From here on nobody has the pages mapped, which would protect them.
mapper_stop
ktap_test_result "POSIX_FADV_DONTNEED" python3 "$TOOLS/mapper.py" forget
drop_caches() { sync && echo 3 >/proc/sys/vm/drop_caches; }
ktap_test_result "drop_caches" drop_caches
pool_pfns >"$SCRATCH/after"
ktap_test_result "not one page has gone" cmp "$SCRATCH/before" "$SCRATCH/after"
ktap_test_result "the pool has what it had" same_data "$SCRATCH/data"
# Soft offline evicts clean page cache rather than move it: not ours.
SOFT=$BLOCK_SYS/soft_offline_page
if [ -e $SOFT ]; then
	pfn=$(head -n 1 "$SCRATCH/after")
	ktap_test_result "soft offline of a page" soft_offline "$pfn"
	pool_pfns >"$SCRATCH/soft"
	is "it has another frame" "$(comm -23 "$SCRATCH/after" "$SCRATCH/soft" | tr -d '\n')" = "$pfn"
	ktap_test_result "soft offline: contents are the same" same_data "$SCRATCH/data"
else
	for name in "soft offline of a page" "it has another frame" "soft offline: contents are the same"; do
		ktap_test_skip "$name" "this kernel has no soft offline"
	done
fi

# Pages go under a process that has them mapped, and others come.
ktap_test_result "opens it again" mapper_start
mapper_says "maps each page of the pool" "$pages" map
refused=$(rmmod "$MODULE" 2>&1)
is "the module is in use while it is mapped" "${refused##* is }" = "in use"
drop_all
ktap_test_result "a discard leaves no page, though it is mapped" pool_is_empty
# A small block becomes a zpage of some bytes. The page's former
# contents must not be seen.
drop_caches
small_data "$SCRATCH/small" 400
ktap_test_result "stores blocks that take a chunk at each end" store "$SCRATCH/small"
ktap_test_result "maps their pages" mapper_do map
mapper_says "nothing else is in them" 0 stale
mapper_stop
ktap_test_result "the module can be unloaded" wait_until 60 unload_module
ktap_finished
