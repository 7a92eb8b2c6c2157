# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# NUMA nodes: which there are, how full they are, filling one up. Sourced by lib.sh.

# nodes: the numbers of the nodes with memory.
nodes() {
	local list part n
	read -r list <"$NODE_SYS/has_memory"
	for part in ${list//,/ }; do
		for ((n = ${part%-*}; n <= ${part#*-}; n++)); do printf '%d ' "$n"; done
	done
}

# node_free_kb N
node_free_kb() { awk '/MemFree:/ { print $4 }' "$NODE_SYS/node$1/meminfo"; }

# occupy_node N KB: leave node N KB free memory, by a process that has the rest, until
# vacate_node. Above the watermarks: a process that fills a node to the brim is killed.
occupy_node() {
	local said
	said=$(mktemp)
	python3 "$TOOLS/occupy.py" "$1" "$2" >"$said" &
	OCCUPIER=$!
	at_exit vacate_node
	occupied() { grep -q full "$said" || ! kill -0 "$OCCUPIER" 2>/dev/null; }
	wait_until 300 occupied
	grep -q full "$said"
	set -- $?
	rm "$said"
	return "$1"
}

vacate_node() {
	[ -n "${OCCUPIER:-}" ] || return 0
	kill "$OCCUPIER"
	wait "$OCCUPIER" 2>/dev/null
	OCCUPIER=''
}
