#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1536M --append crashkernel=448M --crash-kernel
# zbm-test: stock
#
# A kernel that crashes with the module in use leaves a memory dump in which
# tools/drgn/zbud_movable.py finds what debugfs showed before, page by page, and finds it sound.
# The crash kernel boots into this test again, which has the dump in /proc/vmcore then. What the
# first kernel says as it crashes goes to no console.

. "$(dirname "$0")/lib.sh"
ktap_print_header

KEPT=/run/zbm/crash
need_root
need_command drgn python3 readelf
if [ -e /proc/vmcore ]; then
	[ -s $KEPT/pages ] || ktap_exit_fail_msg "the kernel that crashed has left nothing"
	module=$(modinfo -n "$MODULE")
	ktap_set_plan 7
	scratch
	look() {
		drgn -c /proc/vmcore --no-default-symbols -q "$(dirname "$0")/../tools/drgn/zbud_movable.py" "$@" >"$SCRATCH/said" 2>&1
	}
	ktap_test_result "the dump can be read" look --pages --sections $KEPT/sections "$module" || cat "$SCRATCH/said"
	grep '^0x' "$SCRATCH/said" | cut -d ' ' -f 2- | sort >"$SCRATCH/pages"
	ktap_test_result "it has each page" same_bytes $KEPT/pages "$SCRATCH/pages"
	for disk in zbud0 zbud1; do
		ktap_test_result "$disk is sound" grep -q "^$disk: ok$" "$SCRATCH/said"
		is "bytes of $disk" "$(sed -n "s/^$disk: .* stored_bytes \([0-9]*\) .*/\1/p" "$SCRATCH/said")" = "$(cat $KEPT/$disk)"
	done
	ktap_test_result "the kernel that has booted then is another" eval "! grep -q '^$MODULE ' /proc/modules"
	ktap_finished
fi

need_file /sys/kernel/kexec_crash_size /sys/class/tty/ttyS0/console
[ -e /run/zbm/kernel ] || ktap_exit_skip "this machine has no kernel for after a crash"
[ "$(cat /sys/kernel/kexec_crash_size)" -gt 0 ] || ktap_exit_skip "there is no memory for a crash kernel"
load_module
module=$(modinfo -n "$MODULE")
readelf -SW "$module" | grep ' \.debug_info ' >/dev/null || ktap_exit_skip "the module has no debugging information"
mkdir -p $KEPT
scratch
real_data "$SCRATCH/data" 4
second=$(hot_add)
make_disk 64M
write_blocks "$SCRATCH/data"
put pin "0 3"
put free_every 7
echo 1 >"$SYS/compact"
use_disk "$second"
make_disk 64M
write_blocks "$SCRATCH/data" 0 100 300
for disk in 0 "$second"; do
	use_disk "$disk"
	at_rest || ktap_exit_fail_msg "the pools do not come to rest"
	tail -n +2 "$POOL/pages" | cut -d ' ' -f 2- >>"$SCRATCH/pages"
	awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary" >"$KEPT/$DISK"
done
sort "$SCRATCH/pages" >$KEPT/pages
grep -r . "/sys/module/$MODULE/sections" >$KEPT/sections
# From memory: the other file system is read page by page.
cp /run/zbm/{kernel,initramfs.cpio} "$SCRATCH/"
parameters=$(sed 's/crashkernel=[^ ]*//' /proc/cmdline)
python3 "$TOOLS/load_crash_kernel.py" "$SCRATCH"/{kernel,initramfs.cpio} "$parameters maxcpus=1 reset_devices" ||
	ktap_exit_fail_msg "the crash kernel cannot be loaded"
sync
# A panic speaks to each console, however quiet the kernel is told to be.
echo N >/sys/class/tty/ttyS0/console
echo c >/proc/sysrq-trigger
