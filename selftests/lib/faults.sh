# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Faults that are asked for in debugfs: the module's own, and of the kernel's allocators. Sourced by
# lib.sh.

FAULTS="fail_alloc fail_migrate fail_copy"

# need_faults: a kernel with CONFIG_FAULT_INJECTION_DEBUG_FS.
need_faults() { need_file "$DEBUGFS/fail_alloc/probability"; }

# fault NAME PERCENT [TIMES]: from now on, without a word in the log; without TIMES until no_fault.
fault() {
	echo 0 >"$DEBUGFS/$1/verbose" && echo "${3:--1}" >"$DEBUGFS/$1/times" &&
		echo "$2" >"$DEBUGFS/$1/probability"
}

no_fault() {
	local name
	for name in $FAULTS; do echo 0 >"$DEBUGFS/$name/probability" || return; done
}

FAILSLAB=/sys/kernel/debug/failslab FAIL_PAGE=/sys/kernel/debug/fail_page_alloc
export FAILSLAB FAIL_PAGE

# set_knob FILE VALUE: until the test ends.
set_knob() {
	at_exit "echo '$(cat "$1")' >$1"
	echo "$2" >"$1"
}

# fail_in_modules DIRECTORY...: of all allocations those count that code of a module has asked for,
# directly or not.
fail_in_modules() {
	local knobs
	for knobs; do
		set_knob "$knobs/ignore-gfp-wait" N
		set_knob "$knobs/require-start" 0xffffffffa0000000
		set_knob "$knobs/require-end" 0xffffffffff000000
		set_knob "$knobs/verbose" 0
	done
}

# fail_any_page: fail_page_alloc takes pages of any kind and order.
fail_any_page() {
	set_knob "$FAIL_PAGE/ignore-gfp-highmem" N
	set_knob "$FAIL_PAGE/min-order" 0
}

# What the kernel says when an allocation fails that it would rather have: for loud.
FAULT_TALK='(FAULT_INJECTION|kobject|debugfs|zbud_movable): |name fail|zbud[0-9]+: detected capacity change|set_capacity_and_notify: '
export FAULT_TALK
