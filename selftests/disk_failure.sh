#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache
# zbm-long: debug
#
# A disk that runs out of memory: each allocation fails once that is made while a disk
# is added, is given a size, stores new blocks, other ones and parts of one, lets the pool grow,
# moves its pages or has some pinned. What fails says so and has changed nothing.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3
need_file /proc/self/fail-nth "$FAILSLAB/require-start" "$FAIL_PAGE/require-start"
load_module
make_disk 64M
scratch
ktap_set_plan 18

fail_in_modules "$FAILSLAB" "$FAIL_PAGE"
fail_any_page

each_fails() {
	local rc=0
	python3 "$TOOLS/disk_failure.py" "$1" >"$SCRATCH/$1" 2>&1 || rc=$?
	[ "$rc" = 0 ] || cat "$SCRATCH/$1"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# failures ACTION: how often it failed.
failures() { sed -n 's/.* failed=//p' "$SCRATCH/$1"; }
allocations() { sed -n 's/^.*=\([0-9]*\) failed=.*/\1/p' "$SCRATCH/$1"; }

quiet
for action in size write more mems pin add; do
	ktap_test_result "each allocation of $action fails" each_fails $action
	is "it has some" "$(allocations $action)" -gt 0
	ktap_print_msg "$(cat "$SCRATCH/$action")"
done
loud "$FAULT_TALK"

is "the disk is refused its size for want of memory" "$(failures size)" -gt 5
is "blocks are" "$(failures write)" -ge 2
is "also as the pool grows" "$(failures more)" -gt 20
is "a leaf that cannot be made fails no store while there are descriptors" \
	"$(allocations more)" -gt "$(failures more)"
is "disks are" "$(failures add)" -gt 10
ktap_test_result "figures add up" counters_add_up
ktap_finished
