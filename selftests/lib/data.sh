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
		# Nobody minds that head has enough.
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
# one: between each two pieces there is memory that is free in the end. What compaction
# is made for.
store_scattered() {
	local free place=(numactl --interleave=all)
	free=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
	[ -z "${2:-}" ] || free=$(node_free_kb "$2") place=(on_node "$2")
	"${place[@]}" python3 - "$1" "$DATA" "$SCRATCH/ballast" "$free" <<-'PYTHON' || return
		import os, sys
		piece = 64 << 10
		with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb", 0) as pool, \
		        open(sys.argv[3], "wb") as ballast:
		    pieces = os.fstat(source.fileno()).st_size // piece + 1
		    step = int(int(sys.argv[4]) * 1024 * 0.5 / pieces)
		    for n in range(pieces):
		        pool.write(source.read(piece))
		        os.posix_fallocate(ballast.fileno(), n * step, step)
	PYTHON
	rm "$SCRATCH/ballast"
}

# put FILE TEXT: by one write(2) to a file of the module in debugfs.
put() { printf '%s' "$2" >"$DEBUGFS/$1"; }

# same_bytes CMP-ARGUMENT...: data is as it must be.
same_bytes() { cmp "$@" || wrong_data; }

# same_data FILE: the pool holds FILE, and nothing else.
same_data() { same_bytes "$1" "$DATA"; }

# punched FILE N: FILE as free_every N leaves it: block N-1, 2N-1, ... zeroes.
punched() {
	python3 - "$1" "$2" <<-'PYTHON'
		import sys
		n = int(sys.argv[2])
		with open(sys.argv[1], "r+b") as file:
		    end = file.seek(0, 2)
		    for block in range(n - 1, (end + 4095) // 4096, n):
		        file.seek(block * 4096)
		        file.write(bytes(min(4096, end - block * 4096)))
	PYTHON
}
