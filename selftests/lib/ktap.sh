# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Results in KTAP, and the end of a test. The functions have the names and meanings of
# those in the kernel's tools/testing/selftests/kselftest/ktap_helpers.sh; a failure is
# told with its reason, and marked where it means wrong data. Sourced by lib.sh.

KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4

ktap_planned='' ktap_over='' ktap_cleanup=()
KTAP_CNT_PASS=0 KTAP_CNT_FAIL=0 KTAP_CNT_SKIP=0
ktap_output=$(mktemp)
ktap_wrong_data=$ktap_output.wrong-data

ktap_print_header() { printf 'KTAP version 1\n'; }

ktap_print_msg() { printf '%s\n' "$*" | sed 's/^/# /'; }

# ktap_set_plan NUMBER: how many results there will be. A test that cannot know leaves it
# to ktap_finished.
ktap_set_plan() {
	ktap_planned=$1
	printf '1..%d\n' "$1"
}

ktap_seen() { echo $((KTAP_CNT_PASS + KTAP_CNT_FAIL + KTAP_CNT_SKIP)); }

# __ktap_test ok|'not ok' NAME [DIRECTIVE]: the line of a result that was counted.
__ktap_test() { printf '%s %d %s\n' "$1" "$(ktap_seen)" "$2${3:+ # $3}"; }

# wrong_data [WHY]: the reason why the next result fails is wrong bytes, a validator that
# complains, figures that do not add up, or a leak. Its line then ends with
# "# wrong-data", and scripts/test does not run the test again. Always fails.
wrong_data() {
	[ $# = 0 ] || echo "$*"
	: >"$ktap_wrong_data"
	return 1
}

ktap_test_pass() {
	# It may have been polled.
	[ ! -e "$ktap_wrong_data" ] || rm "$ktap_wrong_data"
	KTAP_CNT_PASS=$((KTAP_CNT_PASS + 1))
	__ktap_test ok "$1"
}

# ktap_test_fail NAME [WHY...]
ktap_test_fail() {
	local name=$1 directive=''
	shift
	[ $# = 0 ] || ktap_print_msg "$name: $*"
	[ ! -e "$ktap_wrong_data" ] || { rm "$ktap_wrong_data"; directive=wrong-data; }
	KTAP_CNT_FAIL=$((KTAP_CNT_FAIL + 1))
	__ktap_test "not ok" "$name" "$directive"
}

# ktap_test_skip NAME WHY: this one result cannot be had here.
ktap_test_skip() {
	KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
	__ktap_test ok "$1" "SKIP $2"
}

# ktap_test_result NAME COMMAND...: passes if COMMAND succeeds; its output is shown if
# not. Gives COMMAND's exit status.
ktap_test_result() {
	local name=$1 rc=0
	shift
	# Not in a subshell: COMMAND may be a function that uses at_exit.
	"$@" >"$ktap_output" 2>&1 || rc=$?
	if [ "$rc" = 0 ]; then
		ktap_test_pass "$name"
	else
		sed 's/^/# /' "$ktap_output"
		ktap_test_fail "$name" "'$*' gave exit status $rc"
	fi
	return "$rc"
}

# is NAME ACTUAL OP EXPECTED: compare numbers (-eq, -lt, ...) or strings (=, !=).
is() {
	if test "$2" "$3" "$4" 2>/dev/null; then
		ktap_test_pass "$1"
	else
		ktap_test_fail "$1" "expected '$2' $3 '$4'"
	fi
}

# adds_up NAME ACTUAL OP EXPECTED: as `is`, where a difference is wrong data or a leak.
adds_up() {
	test "$2" "$3" "$4" 2>/dev/null || wrong_data
	is "$@"
}

# ktap_skip_all WHY: the plan of a test of which nothing can be run here.
ktap_skip_all() { printf '1..0 # SKIP %s\n' "$*"; }

# ktap_exit_skip WHY: ends such a test, as ksft_exit_skip() of kselftest.h does.
ktap_exit_skip() {
	ktap_skip_all "$@"
	ktap_over=1
	exit "$KSFT_SKIP"
}

# ktap_exit_fail_msg WHY: ends a test that cannot go on.
ktap_exit_fail_msg() {
	printf 'Bail out! %s\n' "$*"
	ktap_over=1
	exit "$KSFT_FAIL"
}

ktap_print_totals() {
	echo "# Totals: pass:$KTAP_CNT_PASS fail:$KTAP_CNT_FAIL xfail:0 xpass:0 skip:$KTAP_CNT_SKIP error:0"
}

# ktap_finished: the end of every test.
ktap_finished() {
	local seen
	seen=$(ktap_seen)
	ktap_over=1
	[ -n "$ktap_planned" ] || ktap_set_plan "$seen"
	ktap_print_totals
	[ "$seen" = "$ktap_planned" ] || {
		ktap_print_msg "planned $ktap_planned tests but ran $seen"
		exit "$KSFT_FAIL"
	}
	[ "$KTAP_CNT_FAIL" = 0 ] || exit "$KSFT_FAIL"
	[ "$KTAP_CNT_SKIP" -lt "$seen" ] || exit "$KSFT_SKIP"
	exit "$KSFT_PASS"
}

# at_exit COMMAND: run COMMAND (one string) when the test ends, last one first.
at_exit() { ktap_cleanup=("$1" "${ktap_cleanup[@]}"); }

ktap_exit() {
	local rc=$? c
	trap - EXIT
	for c in "${ktap_cleanup[@]}"; do eval "$c"; done
	rm -f "$ktap_output" "$ktap_wrong_data"
	if [ -z "$ktap_over" ]; then
		printf 'Bail out! the test ended before ktap_finished (exit status %d)\n' "$rc"
		rc=$KSFT_FAIL
	fi
	exit "$rc"
}
trap ktap_exit EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
