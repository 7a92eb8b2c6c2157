#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --append slub_debug=FZPU,kmalloc-*
# zbm-mover: page_cache
# zbm-test: page_cache
# zbm-long: debug
#
# A load that fails is safe. Each allocation of the module's init fails once, while other
# processes open the device and the files in debugfs as soon as there are any, keep them
# for a moment and use them, make disks (which is refused as long as the load may fail) and
# use these, and zswap makes pools. Nothing is used after it was freed, nothing is left of
# the module, and it can be loaded, used and unloaded afterwards.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 modinfo
need_file /proc/self/fail-nth "$FAILSLAB/require-start"
ZBM_MOVER=page_cache
load_module
unload_module
scratch
cp "$(modinfo -n "$MODULE")" "$SCRATCH/module.ko"
real_data "$SCRATCH/data" 1
ktap_set_plan 12

fail_in_modules "$FAILSLAB"
# The message about each failure takes 20 ms: others find what there is already.
set_knob "$FAILSLAB/verbose" 1
set_knob /proc/sys/kernel/printk_delay 20
# zswap and an open of the device must not load the module.
set_knob /proc/sys/kernel/modprobe /bin/false
if [ -e "$ZSWAP/zpool" ]; then
	set_knob "$ZSWAP/zpool" zsmalloc
	set_knob "$ZSWAP/enabled" Y
fi

each_fails() {
	local rc=0
	# The load makes no disk: the block layer prints a stack when an allocation of its own fails.
	python3 "$TOOLS/load_failure.py" "$SCRATCH/module.ko" "mover=$ZBM_MOVER num_devices=0" >"$SCRATCH/said" || rc=$?
	cat "$SCRATCH/said"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# said NAME: a figure.
said() { sed -n "s/^$1=//p" "$SCRATCH/said"; }

quiet
ktap_test_result "each allocation of init fails" each_fails
[ ! -e "$ZSWAP/zpool" ] || echo zsmalloc >"$ZSWAP/zpool"
echo 0 >/proc/sys/kernel/printk_delay
loud '(FAULT_INJECTION|kobject|debugfs|workqueue|zswap|zbud_movable): |name failslab,|zbud[0-9]+: detected capacity change'
ktap_print_msg "$(tr '\n' ' ' <"$SCRATCH/said")"
is "init allocates" "$(said allocations)" -gt 20
is "loads failed" "$(said failed)" -gt 10
is "the device was opened" "$(said device)" -gt 0
is "files in debugfs were opened" "$(said files)" -gt 0
is "disks were made" "$(said disk)" -gt 0
is "and refused before" "$(said disk_refused)" -gt 0

absent() {
	if module_loaded || ls -d "$SYS" "$DEBUGFS" "$DEVICE" "$CONTROL" "$DATA" 2>/dev/null ||
		grep "$MODULE" /proc/slabinfo /proc/kallsyms; then
		wrong_data
	fi
}
ktap_test_result "nothing of the module is left" absent
echo /sbin/modprobe >/proc/sys/kernel/modprobe
ktap_test_result "it loads" modprobe_module
works() { make_disk && store "$SCRATCH/data" && same_data "$SCRATCH/data" && counters_add_up; }
ktap_test_result "and works" works
ktap_test_result "and unloads" unload_module
ktap_test_result "and nothing is left" absent
ktap_finished
