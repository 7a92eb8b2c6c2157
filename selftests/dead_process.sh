#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 5G --nodes 2
# zbm-test: page_cache stock
# zbm-long: rounds
#
# The memory of a process comes back when it dies: of one that is swapped out on our disk and
# of one on zram, the time until the process is gone, and until its pages are free again.
# Meanwhile the pages that hold nothing any more can be used by others: at its limit the disk
# takes as much anew. More rounds: the times are those of 3 GiB.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
need_command python3 zramctl
load_module
scratch
real_data "$SCRATCH/data" 8
small=256
mib=$small
! is_long || mib=3072
modprobe zram || ktap_exit_skip "there is no zram"
ZRAM=$(zramctl -f -s "$((mib + 64))M") || ktap_exit_fail_msg "there is no zram"
at_exit "zramctl -r $ZRAM"
# The same work for both.
set_disk comp_algorithm "$(grep -o '\[[^]]*\]' "/sys/block/${ZRAM#/dev/}/comp_algorithm" | tr -d '[]')"
make_disk "$((mib + 64))M"
ktap_set_plan 11

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
# used: the bytes that the disk $1 takes.
used() { awk '{ print $3 }' "/sys/block/$1/mm_stat"; }

# dies DISK: a process is swapped out there, and killed. Leaves the times in $gone and $back, in
# ms, and in $pages what the disk had.
dies() {
	local began left=$((1024 * 1024))
	hog_start "$SCRATCH/data" "$mib" && hog_do out || return
	pages=$(($(used "$1") / BLOCK_SIZE))
	[ "$(swapped_on "$1")" -ge $((mib * 256 * 9 / 10)) ] || { echo "$(swapped_on "$1") pages are swapped out"; return 1; }
	began=$(milliseconds)
	kill -9 "$HOG_PID"
	wait "$HOG_PID"
	gone=$(($(milliseconds) - began))
	until [ "$(used "$1")" -le "$left" ]; do
		[ $(($(milliseconds) - began)) -lt 120000 ] || { echo "$(used "$1") bytes are used still"; return 1; }
		sleep 0.02
	done
	back=$(($(milliseconds) - began))
	exec {hog_in}>&- {hog_out}<&-
}
swapped_on() { awk -v name="/dev/$1" '$1 == name { print $4 / 4 }' /proc/swaps; }

# --- zram ---

mkswap "$ZRAM" >/dev/null
at_exit "! grep -q '^$ZRAM ' /proc/swaps || swapoff $ZRAM"
on_zram() { swapon "$ZRAM" && dies "${ZRAM#/dev/}"; }
ktap_test_result "a process is swapped out on zram, and dies" on_zram
ktap_print_msg "zram: $pages pages; the process was gone after $gone ms, its memory back after $back ms"
zram_back=$back
swapoff "$ZRAM"

# --- ours ---

ktap_test_result "swap on the disk" swap_on
ktap_test_result "a process is swapped out on it, and dies" dies "$DISK"
ktap_print_msg "zbud: $pages pages; the process was gone after $gone ms, its memory back after $back ms"
# The times of a guest vary; half a second is how long pages are kept.
is "its memory is back as soon" "$back" -le $((zram_back * 2 + 2000))
ktap_test_result "figures add up" counters_add_up

# --- others use it at once ---

# A small process will do: the data are the same over and over, so it takes its share.
limit=$((pages * small * BLOCK_SIZE * 21 / (mib * 20)))
mib=$small
ktap_test_result "the disk may have little more than that" set_disk mem_limit "$limit"
ktap_test_result "a process is swapped out, and dies" dies "$DISK"
failed=$(io_stat failed_writes)
another() { hog_start "$SCRATCH/data" $((mib / 2)) && hog_do out; }
ktap_test_result "another is swapped out at once" another
is "no store failed" "$(io_stat failed_writes)" -eq "$failed"
ktap_test_result "it reads what it wrote" hog_do read
hog_stop
ktap_test_result "nothing is left" eval 'swap_off && drop_all && set_disk mem_limit 0 && pool_is_empty'
ktap_finished
