# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Trace events of the module. Sourced by lib.sh.

# The triggers of the guide, without their "hist:", of the event migrate
HISTOGRAMS=("keys=common_pid.execname,mode,result" "keys=ns.log2 if result==0")

# histograms_of_moves: move the pages of node 0 to node 1, with the triggers of the guide set: who
# has moved them, and how long it took, is counted. Removes the triggers.
histograms_of_moves() {
	local rc=0 keys migrate=/sys/kernel/tracing/events/$MODULE/migrate
	echo '0 1' >"$SYS/migrate" &&
		grep '{ common_pid: .* mode: .* result: .*0 }' "$migrate/hist" &&
		grep '{ ns: ~ 2^' "$migrate/hist" || rc=1
	for keys in "${HISTOGRAMS[@]}"; do echo "!hist:$keys" >>"$migrate/trigger" || rc=1; done
	return $rc
}
