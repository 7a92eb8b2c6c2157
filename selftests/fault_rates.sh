#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release
# zbm-long: rounds debug
#
# Allocations that the module asks for fail at 1, 10 and 50 %: slab's (failslab), the page
# allocator's (fail_page_alloc), and new pages of a pool (fail_alloc), while the kernel compacts
# and zpages are re-paired. Each action on a disk that fails says so cleanly and has changed
# nothing, the validator is content after each, and stores are as quick afterwards as before.
# scripts/faults makes a table of the lines "row".

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3
need_file "$FAILSLAB/require-start" "$FAIL_PAGE/require-start"
load_module
need_faults
make_disk 64M
scratch
real_data "$SCRATCH/data" 2
rounds=$(pick 15 5)
! is_long || rounds=100
FAULTS_AT="1 10 50" ACTIONS="size write more mems request pin add"
ktap_set_plan 22
fail_in_modules "$FAILSLAB" "$FAIL_PAGE"
fail_any_page
for knobs in "$FAILSLAB" "$FAIL_PAGE"; do set_knob "$knobs/times" -1; done
fault fail_alloc 0

compactor() { compact_memory; sleep 0.2; }
re_pairer() {
	local errno
	errno=$(write_errno "$SYS/compact" 1)
	case $errno in 0 | ENOMEM | EBUSY) sleep 0.1 ;; *) echo "compact: $errno"; return 1 ;; esac
}
at_rate() { # at_rate DIRECTORY PERCENT
	local rc=0
	# shellcheck disable=SC2086 # several actions
	python3 "$TOOLS/fault_rates.py" "$1" "$2" "$rounds" $ACTIONS >"$SCRATCH/said" 2>&1 || rc=$?
	[ "$rc" = 0 ] || cat "$SCRATCH/said"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# stores: how many milliseconds it takes to store all data, the quickest of some.
stores() {
	local best='' n start
	for _ in 1 2 3 4 5; do
		drop_all
		start=$(date +%s%N)
		write_blocks "$SCRATCH/data" || return
		n=$((($(date +%s%N) - start) / 1000000))
		[ -n "$best" ] && [ "$best" -le "$n" ] || best=$n
	done
	echo "$best"
}

before=$(stores)
failed_at_50=''
quiet
start_workers compactor re_pairer
for knobs in "$FAILSLAB" "$FAIL_PAGE" "$DEBUGFS/fail_alloc"; do
	fault=${knobs##*/}
	for percent in $FAULTS_AT; do
		ktap_test_result "$fault at $percent %: what fails has changed nothing" at_rate "$knobs" "$percent"
		while read -r line; do ktap_print_msg "row $fault $percent ${line#row }"; done < <(grep ^row "$SCRATCH/said")
	done
	failed_at_50=$(awk '{ sub("failed=", "", $4); sum += $4 } END { print sum + 0 }' "$SCRATCH/said")
	is "$fault: some fail at 50 %" "$failed_at_50" -gt 0
	ktap_test_result "$fault: all can be stored afterwards" eval "store $SCRATCH/data && same_data $SCRATCH/data"
done
stop_workers
wait "${WORKERS[@]}"
loud "$FAULT_TALK"
workers_are_content
after=$(stores)
ktap_print_msg "all data are stored in $before ms before, $after ms now"
is "stores are as quick as before" "$after" -le $((3 * before))
at_rest
ktap_test_result "the data are right" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "a discard of all leaves no page" eval "drop_all && pool_is_empty"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
