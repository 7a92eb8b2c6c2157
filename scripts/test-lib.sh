# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How the test scripts count: every result is a line "pass NAME", "fail NAME" or
# "skip NAME" in the file $ZBM_RESULTS. Sourced after lib.sh, never run.

# The steps of scripts/test-host, in the order they are run.
HOST_STEPS=(selfcheck spdx shell fmt clippy clippy-module sparse checkpatch cargo loom)
export HOST_STEPS

# Whoever starts first owns the file and prints the total; the rest adds to it.
if [ -z "${ZBM_RESULTS:-}" ]; then
	ZBM_RESULTS=$(mktemp)
	export ZBM_RESULTS
	trap 'rm -f "$ZBM_RESULTS"' EXIT
	results_mine=1
fi

# report NAME SECONDS FILE: count the results in FILE and print one line about
# them, then what failed and why some were skipped.
report() {
	local pass fail skip line word=ok
	pass=$(grep -c '^pass ' "$3" || :)
	fail=$(grep -c '^fail ' "$3" || :)
	skip=$(grep -c '^skip ' "$3" || :)
	line="$pass passed"
	[ "$fail" = 0 ] || { line+=", $fail failed"; word=FAIL; }
	[ "$skip" = 0 ] || line+=", $skip skipped"
	[ "$pass$fail" != 00 ] || word=skip
	# One write, so that lines of parallel tests stay whole.
	{
		printf '%-4s  %s: %s (%d s)\n' "$word" "$1" "$line" "$2"
		sed -n 's/^fail /      failed: /p; s/^skip /      skipped: /p' "$3"
	} | cat
	sed "s|^\([a-z]*\) |\1 $1: |" "$3" >>"$ZBM_RESULTS"
}

# total: the last line of every run. Succeeds if something ran and all passed.
total() {
	local pass fail skip
	[ -n "${results_mine:-}" ] || return 0
	pass=$(grep -c '^pass ' "$ZBM_RESULTS" || :)
	fail=$(grep -c '^fail ' "$ZBM_RESULTS" || :)
	skip=$(grep -c '^skip ' "$ZBM_RESULTS" || :)
	if [ "$fail" != 0 ]; then
		echo "failed:"
		sed -n 's/^fail /  /p' "$ZBM_RESULTS"
	fi
	[ "$skip" = 0 ] || echo "$skip skipped"
	echo "$pass passed, $fail failed"
	[ "$fail" = 0 ] && [ "$pass" -gt 0 ]
}
