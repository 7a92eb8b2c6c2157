# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The demo with swap on a compressed disk, on a stock kernel: $pool is zram or
# zbud_movable, whose files have the same names. Sourced by demo/guest-run, never run.
#
# shellcheck disable=SC2034,SC2154 # what guest-run has set, and what it reads

case $pool in
zram) disk=zram0 ;;
zbud_movable) disk=zbud0 ;;
*) echo "guest-run: there is no disk of $pool" >&2; exit 1 ;;
esac
disk_files=/sys/block/$disk
data_nodes=(0 0 1 1 1) # two fifths of the data are from node 0, three from node 1

start_pool() {
	modprobe "$pool"
	put $disk_files/comp_algorithm lz4
	put $disk_files/disksize 1G
	mkswap --quiet "/dev/$disk"
	swapon "/dev/$disk"
	# Debian has it off: a page is to be compressed once.
	[ ! -e /sys/module/zswap ] || put /sys/module/zswap/parameters/enabled N
	printf 'release=%s\n' "$(uname -r)"
	printf 'version=%s\n' "$(uname -v)"
	[ ! -e "$ours/mover" ] || printf 'mover=%s\n' "$(cat "$ours/mover")"
}

described() { echo "swap on /dev/$disk, Linux $(uname -r)"; }
note_empty() { :; }

disk_stat() { awk -v n="$2" '{ print $n }' "$disk_files/$1_stat"; } # disk_stat FILE FIELD

stored_figures() {
	printf 'stored=%d\n' $(($(disk_stat mm 1) / 4096))
	printf 'compressed=%d\n' "$(disk_stat mm 2)"
	printf 'pool=%d\n' $(($(disk_stat mm 3) / 4096))
	printf 'same=%d\n' "$(disk_stat mm 6)"
	printf 'as_they_are=%d\n' "$(disk_stat mm 8)"
}

pages_on() { # pages_on NODE
	case $pool in
	zram) zsmalloc_pages "$1" ;;
	zbud_movable) cat "$disk_files/node$1/pages" ;;
	esac
}

# mapper COMMAND...: a process that has the pool mapped (see selftests/tools/mapper.py)
# does it; its answer is in $answer.
mapper() {
	echo "$*" >&"$to_mapper"
	read -r answer <&"$from_mapper"
	[[ $answer == ok* ]] || { echo "guest-run: mapper: $answer" >&2; exit 1; }
	answer=${answer#ok }
}

# The pool goes to node 0 and back to node 1 with the process that has mapped it. Only
# the mover page_cache shows the pool to a process.
move_by_system_call() {
	local before node left=0
	[ "$pool" = zbud_movable ] && [ "$(cat "$ours/mover")" = page_cache ] || return 0
	before=$(moved)
	# The shell has one coprocess already, and may have no other.
	mkfifo /tmp/to-mapper /tmp/from-mapper
	taskset --cpu-list 0-3 python3 "$ZBM_TOP/selftests/tools/mapper.py" \
		</tmp/to-mapper >/tmp/from-mapper &
	mapper_pid=$!
	exec {to_mapper}>/tmp/to-mapper {from_mapper}</tmp/from-mapper
	read -r answer <&"$from_mapper"
	mapper map
	printf 'mapped=%d\n' "$answer"
	for node in 0 1; do
		progress "migrate_pages(2): the pool to node $node"
		mapper migrate $((1 - node)) $node
		# What counts is where the pool's pages are: the number that the call
		# gives has pages of the process's own in it.
		left=$((left + $(pages_on $((1 - node)))))
		printf 'migrated%d=%d + %d\n' $node "$(pages_on 0)" "$(pages_on 1)"
	done
	echo quit >&"$to_mapper"
	wait "$mapper_pid"
	printf 'not_migrated=%d\n' $left
	printf 'migrate_moved=%d\n' $(($(moved) - before))
}

# When all has been read back
final_figures() {
	printf 'io_errors=%d\n' $(($(disk_stat io 1) + $(disk_stat io 2)))
	printf 'missed=%d\n' "$(awk 'NR == 2 { print $2 }' "$disk_files/debug_stat")"
}
