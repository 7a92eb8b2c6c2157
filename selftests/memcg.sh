#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: page_cache stock
# zbm-long: rounds
#
# Memory cgroups: a pool page is charged to no group but the root's. So a process that needs
# more than its group may have is killed no more often when it swaps to the disk than when it
# swaps to zram, and with the pool behind zswap no more often than with zsmalloc. A group that
# is removed goes with the last of its data, whoever's data are in the pages that it stored to.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
GROUPS_DIR=/sys/fs/cgroup
grep -qw memory $GROUPS_DIR/cgroup.controllers 2>/dev/null || ktap_exit_skip "there is no memory controller"
[ -b /dev/zram0 ] || modprobe zram 2>/dev/null || ktap_exit_skip "there is no zram to compare with"
load_module
make_disk 128M
echo +memory >$GROUPS_DIR/cgroup.subtree_control || ktap_exit_skip "no memory group can be made"
scratch
real_data "$SCRATCH/data" 2
limit_mib=28 hog_mib=32 rounds=2
! is_long || rounds=$((rounds * 8))
ktap_set_plan 20

group() { echo "$GROUPS_DIR/zbm-$1"; }
# in_group NAME COMMAND...
in_group() {
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$(group "$1")" "${@:2}"
}
group_stat() { awk -v name="$2" '$1 == name { print $2 }' "$(group "$1")/memory.stat"; }

# --- a group at its limit ---

# press NAME: a process writes and reads more than fits into a group of its own, in
# each round. KILLED says how often it was killed, SWAPPED how much was swapped out at most, in MiB.
press() {
	local n said rc told
	mkdir "$(group "$1")" && echo "${limit_mib}M" >"$(group "$1")/memory.max" || return
	KILLED=0
	for ((n = 0; n < rounds; n++)); do
		said=$(in_group "$1" python3 "$TOOLS/hog.py" "$SCRATCH/data" "$hog_mib" <<<$'read\nquit')
		rc=$?
		case $rc,$said in
		0,ok*ok*) ;;
		137,*) KILLED=$((KILLED + 1)) ;;
		*) echo "round $n: exit status $rc: $said"; [[ $said != *"wrong data"* ]] || wrong_data; return 1 ;;
		esac
	done
	told=$(awk '$1 == "oom_kill" { print $2 }' "$(group "$1")/memory.events")
	[ "$told" = "$KILLED" ] || { echo "$told kills are counted, $KILLED seen"; return 1; }
	SWAPPED=$(($(cat "$(group "$1")/memory.swap.peak") >> 20))
	rmdir "$(group "$1")"
}
# no_more_kills NAME OURS PEER THEIRS
no_more_kills() {
	ktap_print_msg "$1: killed $2 of $rounds times, with $3 $4 of $rounds"
	is "$1: with $3 the process is not always killed" "$4" -lt $rounds
	is "$1: it is killed no more often than with $3" "$2" -le "$4"
}
swaps_a_lot() { is "$1: much is swapped out" "$SWAPPED" -ge $((hog_mib / 4)); }

# zram_on: swap on zram, without zswap.
zram_on() {
	echo 1 >/sys/block/zram0/reset && echo 128M >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
}
zram_off() { ! grep -q ^/dev/zram0 /proc/swaps || swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset; }
at_exit zram_off

quiet
ktap_test_result "zram: a process of $hog_mib MiB in $limit_mib MiB" eval "zram_on && press zram && zram_off"
theirs=$KILLED
swaps_a_lot zram
ktap_test_result "disk: a process of $hog_mib MiB in $limit_mib MiB" eval "swap_on && press disk"
swaps_a_lot disk
no_more_kills disk "$KILLED" zram "$theirs"
loud 'Call Trace:' # of a process that was killed

# --- the end of a group ---

# Files in memory that are swapped out: they have no process, so their group can be removed.
files=/dev/shm/zbm-memcg
mkdir $files
at_exit "rm -rf $files"
make_file() { mkdir "$(group "$1")" && in_group "$1" cp "$SCRATCH/data" "$files/$1"; }
# Each in turn a little, by a process of the group, so that they share pages of the pool.
put_out() {
	local n name
	for ((n = 0; n < 32; n++)); do
		for name; do
			# shellcheck disable=SC2016 # for the inner shell
			in_group "$name" bash -c 'echo 128K >"$1/memory.reclaim"' - "$(group "$name")" 2>/dev/null
		done
	done
	for name; do
		[ "$(cat "$(group "$name")/memory.swap.current")" -ge $((3 << 19)) ] ||
			{ echo "$name: $(cat "$(group "$name")/memory.swap.current") bytes are swapped out"; return 1; }
	done
}
# What keeps a group that nobody uses. Each processor has the one for which it has charged last, so
# it is to charge another; some slots of swap that are free already, until swap ends somewhere
# (6.12); and pages of others' files that the group has read.
mkdir "$(group idle)"
at_exit "rmdir $(group idle)"
forget_groups() {
	local cpu
	for ((cpu = 0; cpu < $(nproc); cpu++)); do in_group idle taskset -c "$cpu" bash -c :; done
	zram_on && zram_off
	echo 3 >/proc/sys/vm/drop_caches
}
dying() { awk '$1 == "nr_dying_descendants" { print $2 }' "$GROUPS_DIR/cgroup.stat"; }
no_more_dying() {
	forget_groups
	[ "$(dying)" -le "$dying" ] || { echo "$(dying) are dying"; return 1; }
}

# Some of the groups above may have read pages of libraries that somebody has mapped, which
# keeps a group. These two are to find all that they run in memory.
forget_groups
dying=$(dying)
ktap_print_msg "$dying groups are dying"
cp "$SCRATCH/data" $files/warm && rm $files/warm && bash -c 'echo 2>/dev/null'
ktap_test_result "two groups with a file each" eval "make_file one && make_file two"
ktap_test_result "which are put out" put_out one two
is "no page of the pool is charged to them" "$(group_stat one unevictable) $(group_stat two unevictable)" = "0 0"
pages=$(counter pages)
rm $files/one
ktap_test_result "one is removed, its file before it" rmdir "$(group one)"
ktap_test_result "it goes" wait_until 20 no_more_dying
dying=$(dying)
ktap_test_result "the other is removed, and leaves its file" rmdir "$(group two)"
ktap_print_msg "$pages pages in the pool, then $(counter pages); $(dying) groups are dying, as swap knows whose it is"
is "which is in the pool" "$(disk_file zpages)" -ge 300
ktap_test_result "and is as it was" same_bytes "$SCRATCH/data" $files/two
rm $files/two
ktap_test_result "it goes with its file" wait_until 20 no_more_dying
ktap_test_result "swapoff" swap_off

# --- zswap ---

if [ -e "$ZSWAP/zpool" ] && modprobe zsmalloc 2>/dev/null; then
	quiet
	ktap_test_result "zsmalloc: a process of $hog_mib MiB in $limit_mib MiB" \
		eval "zswap_start zsmalloc 128 && press zsmalloc && zswap_stop"
	theirs=$KILLED
	ktap_test_result "zswap: a process of $hog_mib MiB in $limit_mib MiB" \
		eval "zswap_start $MODULE 128 && press zswap && zswap_stop"
	no_more_kills zswap "$KILLED" zsmalloc "$theirs"
	loud 'Call Trace:' # of a process that was killed
else
	for name in "zsmalloc: a process" "zswap: a process" "zswap: not always killed" "zswap: no more often"; do
		ktap_test_skip "$name" "this kernel has no zswap that uses zpool"
	done
fi
ktap_finished
