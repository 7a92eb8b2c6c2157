# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The module: loading it, its counters in sysfs. Sourced by lib.sh.

module_loaded() { grep -q "^$MODULE " /proc/modules; }

# modprobe_module [PARAM=VALUE...]: load it, with the mover of $ZBM_MOVER if set.
modprobe_module() { modprobe "$MODULE" ${ZBM_MOVER:+"mover=$ZBM_MOVER"} "$@"; }

# load_module [PARAM=VALUE...]: end the test if it cannot be loaded; unloaded
# again when the test ends.
load_module() {
	local message
	if module_loaded; then unload_module || ktap_exit_fail_msg "$MODULE is in use"; fi
	message=$(modprobe_module "$@" 2>&1) || {
		modinfo "$MODULE" >/dev/null 2>&1 || ktap_exit_skip "there is no module $MODULE"
		ktap_exit_fail_msg "modprobe $MODULE: $message"
	}
	at_exit '! module_loaded || unload_module'
}

unload_module() { modprobe -r "$MODULE"; }

# mover: which one is at work: movable_ops or page_cache.
mover() { cat "$SYS/mover"; }

# counter NAME: the number in the module's sysfs file NAME (as in stats/migrated).
counter() { cat "$SYS/$1"; }

node_sum() { cat "$SYS"/node*/"$1" | awk '{ s += $1 } END { print s + 0 }'; }
