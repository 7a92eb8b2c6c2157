# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Data, and the module's own pool behind a file. Sourced by lib.sh.

# scratch: make $SCRATCH, a directory in memory that goes when the test ends.
scratch() {
	SCRATCH=$(mktemp -d /dev/shm/zbm.XXXXXX)
	at_exit "rm -rf $SCRATCH"
}

# real_data FILE MIB: fill FILE with what programs are made of; before the plan.
real_data() {
	local dir left=$(($2 << 20))
	: >"$1"
	for dir in /usr/bin /usr/lib; do
		# head ends before the files do.
		find "$dir" -xdev -type f -size +100k -print0 | sort -z |
			xargs -0 cat 2>/dev/null | head -c "$left" >>"$1"
		left=$((($2 << 20) - $(stat -c %s "$1")))
		[ "$left" -gt 0 ] || return 0
	done
	ktap_exit_skip "there are no $2 MiB of programs here"
}

# store FILE: FILE, and nothing else, into the pool.
store() { dd if="$1" of="$DATA" bs=1M status=none; }

# store_scattered FILE [NODE]: the same, strewn over the memory of all nodes, or of that
# one: between each two pieces there is memory that is free in the end. Compaction is
# made for that.
store_scattered() {
	local free place=(numactl --interleave=all)
	free=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
	[ -z "${2:-}" ] || free=$(node_free_kb "$2") place=(on_node "$2")
	"${place[@]}" python3 "$TOOLS/scatter.py" "$1" "$DATA" "$SCRATCH/ballast" "$free" || return
	rm "$SCRATCH/ballast"
}

# put FILE TEXT: by one write(2) to a file of the module in debugfs.
put() { printf '%s' "$2" >"$DEBUGFS/$1"; }

# same_bytes CMP-ARGUMENT...: data is as it must be.
same_bytes() { cmp "$@" || wrong_data; }

# same_data FILE: the pool holds FILE, and nothing else.
same_data() { same_bytes "$1" "$DATA"; }

# punched FILE N: FILE as free_every N leaves it: block N-1, 2N-1, ... zeroes.
punched() { python3 "$TOOLS/punch.py" "$@"; }
