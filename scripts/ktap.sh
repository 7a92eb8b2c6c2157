# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Results in KTAP, of tests of our own scripts. Sourced; the last line of a test is
# result_end.

result_n=0 result_failed=0
echo 'KTAP version 1'

# result GOOD NAME: GOOD is 1 if it passed.
result() {
	result_n=$((result_n + 1))
	if [ "$1" = 1 ]; then echo "ok $result_n $2"; else echo "not ok $result_n $2"; result_failed=1; fi
}

# same GOT WANT NAME
same() {
	if [ "$1" = "$2" ]; then
		result 1 "$3"
	else
		printf '# %s: want\n' "$3"
		printf '%s\n' "$2" | sed 's/^/#   /'
		echo '# got'
		printf '%s\n' "$1" | sed 's/^/#   /'
		result 0 "$3"
	fi
}

result_end() {
	echo "1..$result_n"
	exit $result_failed
}
