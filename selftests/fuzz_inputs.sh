#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: rounds debug
#
# Random inputs to every file of the module and to its disks, by root and by a user without
# rights: each ends as the documents say, one that is refused changes nothing, and what was
# written stays (tools/fuzz_inputs.py). ZBM_SEED=N make test T=fuzz_inputs repeats a run.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3
need_nodes 2
load_module
scratch
ktap_set_plan 6
seed=${ZBM_SEED:-1} inputs=$(pick 3000 1000)
# Others each time, and with two movers 100,000
! is_long || { seed=${ZBM_SEED:-$SRANDOM} inputs=50000; }
ktap_print_msg "seed $seed"

fuzz() {
	local rc=0
	python3 "$TOOLS/fuzz_inputs.py" "$seed" "$inputs" >"$SCRATCH/said" 2>&1 || rc=$?
	[ "$rc" = 0 ] || cat "$SCRATCH/said"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# said NAME: a figure.
said() { sed -n "s/^$1=//p" "$SCRATCH/said"; }

# Also where debugfs itself is open to all.
mode=$(stat -c %a /sys/kernel/debug)
at_exit "chmod $mode /sys/kernel/debug"
chmod 755 /sys/kernel/debug
quiet
ktap_test_result "each input ends as the documents say" fuzz
loud '(zbud[0-9]+: detected capacity change|set_capacity_and_notify: |Buffer I/O error on dev zbud|I/O error, dev zbud)'
ktap_print_msg "$(tr '\n' ' ' <"$SCRATCH/said" | tail -c 200)"
is "all were made" "$(said inputs)" = "$inputs"
is "many were refused" "$(said refused)" -gt $((inputs / 4))
is "many were not" "$(said refused)" -lt $((inputs * 3 / 4))
ktap_test_result "nothing is stored" nothing_is_stored
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
