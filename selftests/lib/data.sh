# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Data, and how they get on the disk and off it. All I/O is direct: what is compared is
# what the pool holds, and no copies of it in the page cache take memory. Sourced by lib.sh.

BLOCK_SIZE=4096

# scratch: make $SCRATCH, a directory in memory that goes when the test ends.
scratch() {
	SCRATCH=$(mktemp -d /dev/shm/zbm.XXXXXX)
	at_exit "rm -rf $SCRATCH"
}

# real_data FILE MIB: fill FILE with what programs are made of, but for blocks filled with
# one value, which take no zpage; before the plan.
real_data() {
	local rc=0
	need_command python3
	python3 "$TOOLS/real_data.py" "$1" "$2" /usr/bin /usr/lib || rc=$?
	[ "$rc" != 4 ] || ktap_exit_skip "there are no $2 MiB of programs here"
	[ "$rc" = 0 ] || ktap_exit_fail_msg "there is no data"
}

# small_data FILE COUNT: fill FILE with blocks that compress to some bytes each.
small_data() {
	local n
	for ((n = 0; n < $2; n++)); do printf "%-16s%$((BLOCK_SIZE - 16))s" "$n" ''; done >"$1"
}

# blocks_of FILE: how many blocks it has.
blocks_of() { echo $(($(stat -c %s "$1") / BLOCK_SIZE)); }

# What stands before a program that reads or writes the disk: see on_node.
PLACE=()

# dd_blocks COUNT ARGUMENT...: dd of COUNT blocks, in large pieces that it consists of. A
# piece that is not whole would not be written directly.
dd_blocks() {
	local unit=256
	while [ $(($1 % unit)) != 0 ]; do unit=$((unit / 16)); done
	"${PLACE[@]}" dd bs=$((unit * BLOCK_SIZE)) count=$(($1 / unit)) status=none "${@:2}"
}

# write_blocks FILE [AT [SKIP [COUNT]]]: blocks of FILE, from SKIP on (0, if not given), to the
# disk, from its block AT on (0).
write_blocks() {
	local at=${2:-0} skip=${3:-0} count=${4:-}
	[ -n "$count" ] || count=$(($(blocks_of "$1") - skip))
	dd_blocks "$count" if="$1" iflag=fullblock,skip_bytes skip=$((skip * BLOCK_SIZE)) \
		of="$DATA" oflag=direct,seek_bytes seek=$((at * BLOCK_SIZE)) conv=notrunc,nocreat
}

# read_blocks AT COUNT: blocks of the disk, on standard output.
read_blocks() {
	dd_blocks "$2" if="$DATA" iflag=direct,skip_bytes skip=$(($1 * BLOCK_SIZE))
}

# store FILE: FILE, and nothing else, on the disk.
store() { drop_all && write_blocks "$1"; }

# store_scattered FILE [NODE]: the same, strewn over the memory of all nodes, or of that
# one: between each two pieces there is memory that is free in the end. Compaction is
# made for that.
store_scattered() {
	local free place=()
	drop_all || return
	free=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
	[ -z "${2:-}" ] || free=$(node_free_kb "$2") place=(numactl --cpunodebind="$2" --membind="$2")
	"${place[@]}" python3 "$TOOLS/scatter.py" "$1" "$DATA" "$SCRATCH/ballast" "$free" || return
	rm "$SCRATCH/ballast"
}

# discard AT COUNT: blocks of the disk.
discard() { blkdiscard -fq --offset $(($1 * BLOCK_SIZE)) --length $(($2 * BLOCK_SIZE)) "$DATA"; }

# drop_all: the disk holds nothing any more.
drop_all() { blkdiscard -fq "$DATA"; }

# put TRIGGER TEXT: by one write(2) to a trigger of the disk in debugfs.
put() { printf '%s' "$2" >"$TRIGGERS/$1"; }

# same_bytes CMP-ARGUMENT...: data is as it must be.
same_bytes() { cmp "$@" || wrong_data; }

# same_blocks FILE [AT [SKIP [COUNT]]]: the disk holds what write_blocks has written.
same_blocks() {
	local at=${2:-0} skip=${3:-0} count=${4:-}
	[ -n "$count" ] || count=$(($(blocks_of "$1") - skip))
	same_bytes -n $((count * BLOCK_SIZE)) -i $((skip * BLOCK_SIZE)):0 "$1" <(read_blocks "$at" "$count")
}

# same_data FILE: the disk holds FILE, and nothing else.
same_data() {
	local stored
	same_blocks "$1" || return
	stored=$(mm_stat orig_data_size)
	[ "$stored" -le "$(stat -c %s "$1")" ] || wrong_data "$stored bytes are stored"
}

# punched FILE N: FILE as free_every N leaves it: block N-1, 2N-1, ... zeroes.
punched() { python3 "$TOOLS/punch.py" "$@"; }
