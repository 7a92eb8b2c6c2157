#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: rounds debug
#
# Disks come and go, are given a size and reset, are swapped to and left, as fast as can
# be, on four processors, while others have them open, read their files and memory is compacted.
# Nobody sees data of another disk, or waits for ever, and nothing is left.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
load_module
scratch
ktap_set_plan 6
seconds=$(pick 15 30)
! is_long || seconds=600
second=$(hot_add)

rounds() {
	local rc=0
	python3 "$TOOLS/disk_rounds.py" "$seconds" "${ZBM_SEED:-1}" >"$SCRATCH/said" 2>&1 || rc=$?
	[ "$rc" = 0 ] || cat "$SCRATCH/said"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}

compactor() { compact_memory; sleep 0.1; }
is "the second disk is zbud1" "$second" = 1
start_workers compactor
quiet
ktap_test_result "disks come and go" rounds
loud '(zbud[0-9]+: detected capacity change|Adding [0-9]+k swap on /dev/zbud|set_capacity_and_notify: |Buffer I/O error on dev zbud|I/O error, dev zbud|the capability attribute has been|block device autoloading is)'
stop_workers
wait "${WORKERS[@]}"
workers_are_content
ktap_print_msg "$(tr '\n' ' ' <"$SCRATCH/said")"
is "the disks are those there were" "$(disks | tr '\n' ' ')" = "0 1 "
reset_both() { reset_disk && use_disk 1 && reset_disk && use_disk 0; }
ktap_test_result "both can be reset" reset_both
nothing() { [ "$(counter pages) $(counter zpages)" = "0 0" ]; }
ktap_test_result "nothing is stored" wait_until 10 nothing
ktap_finished
