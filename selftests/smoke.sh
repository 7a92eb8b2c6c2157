#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-guest: shared
#
# The module loads, shows itself, and leaves nothing behind when it goes.

. "$(dirname "$0")/lib.sh"

need_root
load_module
plan 8

check "module is loaded" module_loaded
check "sysfs directory" test -d "$SYS"
if mountpoint -q /sys/kernel/debug; then
	check "debugfs directory" test -d "$DEBUGFS"
else
	skip "debugfs directory" "debugfs is not mounted"
fi
check "unloads" unload_module
check "module is gone" eval '! module_loaded'
check "nothing left in sysfs and debugfs" eval "! ls -d $SYS $DEBUGFS"

reload() {
	local i
	for ((i = 0; i < 10; i++)); do
		modprobe_module && modprobe -r "$MODULE" || return
	done
}
check "loads and unloads 10 times" reload

# What zswap does when asked for a pool type: request_module("zpool-NAME").
if [ -w /sys/module/zswap/parameters/zpool ]; then
	check "has the alias zpool-$MODULE" eval \
		"modprobe --resolve-alias zpool-$MODULE | grep -qx $MODULE"
else
	skip "has the alias zpool-$MODULE" "this kernel has no zswap that uses zpool"
fi
finish
