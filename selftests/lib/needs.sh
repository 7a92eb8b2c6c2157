# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Needs of a test, of the machine and of the kernel, and the sizes that it takes there.
# Sourced by lib.sh.

need_root() { [ "$(id -u)" = 0 ] || ktap_exit_skip "must be root"; }

# need_command NAME...
need_command() {
	local c
	for c; do command -v "$c" >/dev/null || ktap_exit_skip "the command $c is missing"; done
}

# need_file PATH...: of the kernel, that is: a feature it may lack.
need_file() {
	local f
	for f; do [ -e "$f" ] || ktap_exit_skip "this kernel has no $f"; done
}

# need_nodes N: at least N nodes with memory.
need_nodes() { [ "$(nodes | wc -w)" -ge "$1" ] || ktap_exit_skip "needs $1 NUMA nodes with memory"; }

# Tests take smaller sizes where everything is many times slower.
is_debug_kernel() {
	[ -e /sys/kernel/debug/kmemleak ] || [ -e /sys/kernel/debug/kcsan ] || grep -qs '\bkasan_report$' /proc/kallsyms
}

# pick RELEASE DEBUG: the size for the kernel at hand.
pick() { if is_debug_kernel; then echo "$2"; else echo "$1"; fi; }

is_long() { [ -n "${ZBM_LONG:-}" ]; }
