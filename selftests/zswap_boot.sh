#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --early-modules --append zswap.enabled=1 --append zswap.zpool=zbud_movable
# zbm-mover: -
# zbm-test: release
#
# zswap takes the pool on the kernel's command line: the module is loaded out
# of the initramfs before there is a root file system. What is swapped out then lies in
# it, moves and comes back; with zswap on another pool the module can be unloaded.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_zswap
grep -qw zswap.zpool=zbud_movable /proc/cmdline || ktap_exit_skip "it is not on the kernel's command line"
scratch
at_exit '! module_loaded || unload_module'
real_data "$SCRATCH/data" "$(pick 16 8)"
hog_mib=$(pick 32 16)
ktap_set_plan 13

# said PATTERN: the seconds after boot at which the kernel's log had it.
said() { dmesg | sed -n "s/^\[ *\([0-9]*\)\.[0-9]*\] .*$1.*/\1/p" | head -n 1; }
# The rest of zswap is as it has booted, with a swap area.
swap_begins() { echo 128M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0; }
swap_ends() {
	! grep -q ^/dev/zram0 /proc/swaps || swapoff /dev/zram0 || return
	echo N >"$ZSWAP/enabled" && echo zsmalloc >"$ZSWAP/zpool" && echo 1 >/sys/block/zram0/reset
}
at_exit swap_ends
moved() { [ "$(counter stats/migrated)" -gt "$1" ]; }

ktap_test_result "the module is loaded" module_loaded
is "zswap uses it" "$(cat "$ZSWAP/zpool")" = zbud_movable
is "and is enabled" "$(cat "$ZSWAP/enabled")" = Y
ktap_test_result "that was before a root file system was mounted" eval \
	"dmesg | sed -n '/Run .init as init process/q; p' | grep 'zswap: loaded using pool .*/zbud_movable'"
is "the kernel does not say that there was none" "$(said 'zpool zbud_movable not available')" = ""
ktap_test_result "there is swap" swap_begins
ktap_test_result "a process" hog_start "$SCRATCH/data" "$hog_mib"
ktap_test_result "is swapped out" hog_do out
is "into its pool" "$(counter zpages)" -ge $((hog_mib * 128))
before=$(counter stats/migrated)
move_both_ways() { echo "0 1" >"$SYS/migrate" && echo "1 0" >"$SYS/migrate" && moved "$before"; }
ktap_test_result "whose pages move" move_both_ways
ktap_test_result "the process reads what it wrote" hog_do read
hog_stop
ktap_test_result "swap ends, and zswap has another pool" swap_ends
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
