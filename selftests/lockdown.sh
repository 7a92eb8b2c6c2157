#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: stock
#
# A kernel that is locked down, as with Secure Boot: the disk, swap on it, its
# figures and all of sysfs work as elsewhere; the triggers in debugfs are refused. The kernel is
# locked down when the module is loaded already, as a module without a signature could not
# be loaded afterwards.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
SECURITY=/sys/kernel/security
[ -d $SECURITY ] || ktap_exit_skip "this kernel has no security modules"
mountpoint -q $SECURITY || mount -t securityfs none $SECURITY || ktap_exit_skip "securityfs cannot be mounted"
LOCKDOWN=$SECURITY/lockdown
need_file $LOCKDOWN
load_module
make_disk 64M
scratch
real_data "$SCRATCH/data" 4
ktap_set_plan 28

ktap_test_result "a trigger works" put free_every 1000
expect_errno $LOCKDOWN integrity 0 "the kernel is locked down"
is "it says so" "$(grep -o '\[integrity\]' $LOCKDOWN)" = "[integrity]"
for trigger in pin unpin free_every; do
	expect_errno "$TRIGGERS/$trigger" 1 EPERM
done

ktap_test_result "stores data" store "$SCRATCH/data"
ktap_test_result "they are right" same_data "$SCRATCH/data"
is "a zpage for each block" "$(disk_file zpages) $(counter zpages)" = "1024 1024"
is "mm_stat tells the same" "$(mm_stat orig_data_size) $(mm_stat mem_used_total)" = "$((4 << 20)) $(($(disk_file pages) * BLOCK_SIZE))"
is "the validator is content" "$(cat "$SYS/verify")" = ok
if [ "$(nodes | wc -w)" -gt 1 ]; then
	ktap_test_result "pages can be moved" eval "echo 'all 1' >$SYS/migrate"
	is "all of them" "$(cat "$DISK_SYS/node1/pages")" -eq "$(disk_file pages)"
else
	ktap_test_skip "pages can be moved" "there is one node"
	ktap_test_skip "all of them" "there is one node"
fi
ktap_test_result "they are right" same_data "$SCRATCH/data"
expect_errno "$DISK_SYS/mem_limit" 32M 0
expect_errno "$DISK_SYS/raw_limit" 8M 0
ktap_test_result "reset" reset_disk
ktap_test_result "nothing is left" nothing_is_stored
make_disk 64M

ktap_test_result "swap on the disk" swap_on -p 10
ktap_test_result "a process" hog_start "$SCRATCH/data" 16
ktap_test_result "is swapped out" hog_do out
is "onto the disk" "$(disk_file zpages)" -ge 3600
ktap_test_result "reads what it wrote" hog_do read
ktap_test_result "ends, and swap with it" eval "hog_stop && swap_off"
is "the header is left" "$(disk_file zpages)" -eq 1
id=$(hot_add)
is "a disk can be added" "$(disks | tr '\n' ' ')" = "0 $id "
ktap_test_result "and removed" hot_remove "$id"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
