#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
#
# Memory that breaks under swap. A process that needs a page that is lost gets SIGBUS, and
# others do not notice. zswap, which cannot be told, does not notice either as long as nobody
# needs it: what is lost is freed like all else.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
need_breaking
load_module
make_disk
scratch
real_data "$SCRATCH/data" 8
ktap_set_plan 15

lost=$(counter stats/lost_pages)
lost_pages() { [ $(($(counter stats/lost_pages) - lost)) = "$1" ]; }
no_hog() { ! kill -0 "$hog" 2>/dev/null; }

# --- swap on a disk ---

ktap_test_result "swap on the disk" swap_on
ktap_test_result "a process fills 32 MiB" hog_start "$SCRATCH/data" 32
hog=$HOG_PID
ktap_test_result "is swapped out" hog_do out
at_rest
pfn=$(page_with 2)
ktap_print_msg "breaking page frame $pfn: $(break_frame "$pfn")"
ktap_test_result "a page is lost" wait_until 20 lost_pages 1
is "with two zpages" "$(disk_file lost_zpages)" -eq 2
status=0
{ hog_do read; wait "$hog"; } >/dev/null 2>&1 || status=$?
is "the process gets SIGBUS when it reads all" "$status" -eq $((128 + 7))
ktap_test_result "the swap goes off" swapoff "$DATA"
ktap_test_result "nothing is left" eval "reset_disk; nothing_is_stored"

# --- zswap ---

zswap_end=("zswap has the pool" "a process fills 32 MiB" "is swapped out" "a page is lost" "with two zpages" "the process ends" "nothing is left")
if [ ! -e "$ZSWAP/zpool" ]; then
	for name in "${zswap_end[@]}"; do ktap_test_skip "$name" "this kernel has no zpool"; done
	ktap_finished
fi
need_zswap
ktap_test_result "${zswap_end[0]}" zswap_start zbud_movable 128
ktap_test_result "${zswap_end[1]}" hog_start "$SCRATCH/data" 32
hog=$HOG_PID
ktap_test_result "${zswap_end[2]}" hog_do out
POOL=$(find "$DEBUGFS/pools" -mindepth 1 -maxdepth 1 -name 'zswap*')
at_rest
pfn=$(page_with 2)
ktap_print_msg "breaking page frame $pfn: $(break_frame "$pfn")"
ktap_test_result "${zswap_end[3]}" wait_until 20 lost_pages 2
is "${zswap_end[4]}" "$(counter lost_zpages)" -eq 2
kill -KILL "$hog"
ktap_test_result "${zswap_end[5]}" wait_until 20 no_hog
ktap_test_result "${zswap_end[6]}" wait_until 60 nothing_is_stored
ktap_finished
