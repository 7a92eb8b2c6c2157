# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the demos share inside the guest. Sourced, never run.

data=/dev/vda
nodes=/sys/devices/system/node
blocks=/sys/devices/system/memory
ours=/sys/kernel/zbud_movable
debugfs=/sys/kernel/debug/zbud_movable
# For those who source this.
export data nodes blocks ours debugfs

progress() { printf 'progress=%s\n' "$*"; }
put() { printf '%s' "$2" >"$1"; } # put FILE VALUE, without the newline
free_kib() { awk '/MemFree/ { sum += $4 } END { print sum }' $nodes/node*/meminfo; }

# offline BLOCK: the kernel tries for ever, until it succeeds or a signal comes.
offline() { timeout 20 bash -c "echo offline >$blocks/$1/state" 2>/dev/null; }

# find_removable_blocks: removable, the blocks of node 1 that can go offline while the
# guest is still empty. In the others there is memory from the boot that nothing can move.
# They are offline afterwards.
find_removable_blocks() {
	local block
	removable=()
	for block in "$nodes"/node1/memory[0-9]*; do
		block=${block##*/}
		if offline "$block"; then removable+=("$block"); fi
	done
	dmesg --clear
}

# pages_in BLOCK...: pages of all pools in these memory blocks.
pages_in() {
	local pages_per_block block
	pages_per_block=$((0x$(cat $blocks/block_size_bytes) / 4096))
	for block; do
		cat "$debugfs"/pools/*/pages | awk -v block="${block#memory}" -v n=$pages_per_block \
			'$1 != "pfn" && int($1 / n) == block'
	done | wc -l
}
