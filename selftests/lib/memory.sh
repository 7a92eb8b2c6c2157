# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Other parts of mm that move pages: compaction, soft offline, CMA. Sourced by lib.sh.

# vmstat NAME: a counter of /proc/vmstat, as in pgmigrate_success.
vmstat() { awk -v n="$1" '$1 == n { print $2; f = 1 } END { exit !f }' /proc/vmstat; }

# compact_memory [NODE]: compact one node, or all.
compact_memory() {
	local knob=/proc/sys/vm/compact_memory
	[ $# = 0 ] || knob=$NODE_SYS/node$1/compact
	# shellcheck disable=SC2016 # for the inner shell
	hotplug_lock bash -c 'echo 1 >"$1"' - "$knob"
}

# compact_alone: until the test ends nobody else compacts.
compact_alone() {
	local knob
	for knob in /proc/sys/vm/compaction_proactiveness /sys/kernel/mm/transparent_hugepage/khugepaged/defrag; do
		[ -e "$knob" ] || continue
		at_exit "echo $(cat "$knob") >$knob"
		echo 0 >"$knob"
	done
}

# soft_offline PFN: with another try if somebody looks at the page just then.
soft_offline() {
	local try
	for try in 1 2 3; do
		echo $(($1 * $(getconf PAGESIZE))) >"$BLOCK_SYS/soft_offline_page" && return
		[ "$try" = 3 ] || sleep 1
	done
	return 1
}

# cma_take AREA PAGES: allocates them in pieces of 1024, as far as they can be had;
# each is asked for again if something there is just in use. Says how many it got.
cma_take() {
	local try got=0 left
	for ((left = $2; left >= 1024; left -= 1024)); do
		for try in 1 2 3 4 5; do
			! echo 1024 2>/dev/null >"$1/alloc" || { got=$((got + 1024)); break; }
			[ "$try" = 5 ] || sleep 0.5
		done
	done
	echo "$got"
}
# For a test's inner shells.
export -f soft_offline cma_take
