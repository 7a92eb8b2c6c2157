#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: built
# zbm-guest: shared
#
# The module loads, shows itself, and leaves nothing behind when it goes.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
load_module
ktap_set_plan 8

ktap_test_result "module is loaded" module_loaded
ktap_test_result "sysfs directory" test -d "$SYS"
if mountpoint -q /sys/kernel/debug; then
	ktap_test_result "debugfs directory" test -d "$DEBUGFS"
else
	ktap_test_skip "debugfs directory" "debugfs is not mounted"
fi
ktap_test_result "unloads" unload_module
ktap_test_result "module is gone" eval '! module_loaded'
ktap_test_result "nothing left in sysfs and debugfs" eval "! ls -d $SYS $DEBUGFS"

reload() {
	local i
	for ((i = 0; i < 10; i++)); do
		modprobe_module && modprobe -r "$MODULE" || return
	done
}
ktap_test_result "loads and unloads 10 times" reload

# zswap asks for a pool type by request_module("zpool-NAME").
if [ -w /sys/module/zswap/parameters/zpool ]; then
	ktap_test_result "has the alias zpool-$MODULE" eval \
		"modprobe --resolve-alias zpool-$MODULE | grep -qx $MODULE"
else
	ktap_test_skip "has the alias zpool-$MODULE" "this kernel has no zswap that uses zpool"
fi
ktap_finished
