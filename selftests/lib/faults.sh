# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Faults that the module is asked for in debugfs. Sourced by lib.sh.

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
