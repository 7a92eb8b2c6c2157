#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --qemu "-drive driver=null-co,size=1G,read-zeroes=on,snapshot=on,if=virtio -virtfs local,path=%t/share,mount_tag=zbm_late,security_model=none"
# zbm-test: stock
# zbm-long: built
#
# Hibernation and suspend with disks in use, one for blocks and one for swap. An image that would
# go to the disk itself is refused before a byte is written, and everything goes on. With the image
# on storage, and after each depth of the kernel's test suspend, contents are right, pages move
# and the validator is content, also where a process swaps and another compacts memory at that
# moment. The storage forgets all when the guest ends.

. "$(dirname "$0")/lib.sh"
ktap_print_header

STORAGE=/dev/vda
need_root
need_swap
need_file /sys/power/{state,disk,resume,pm_test} $STORAGE
grep -qw test_resume /sys/power/disk || ktap_exit_skip "hibernation cannot be tested here"
need_nodes 2
[[ " $(cat /sys/bus/virtio/devices/*/mount_tag 2>/dev/null | tr '\0' ' ') " == *" zbm_late "* ]] ||
	ktap_exit_skip "this machine has no other file system to end with"
load_module
scratch
real_data "$SCRATCH/data" 2
make_disk 64M
use_disk "$(hot_add)"
make_disk 64M
mkswap $STORAGE >/dev/null || ktap_exit_fail_msg "no swap area can be made on $STORAGE"
swap_on || ktap_exit_fail_msg "no swap on $DATA"
root=$SCRATCH/root
mkdir -p "$root"/{dev,proc,sys,late}
for dir in dev proc sys; do
	mount --rbind /$dir "$root/$dir" || ktap_exit_fail_msg "no $dir for the time after"
done
plan=55
ktap_set_plan $plan
# It does not return.
exec python3 "$TOOLS/power.py" "$SCRATCH/data" /dev/zbud0 "$DATA" $STORAGE "$root" $plan
