# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the demo looks at and does inside the guest, whoever stores in the pool.
# Sourced by demo/guest-run, never run.

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

# Free pieces of 2 MiB or more, in units of 2 MiB.
pieces() { awk '{ for (i = 14; i <= NF; i++) n += $i * 2 ^ (i - 14) } END { print n + 0 }' /proc/buddyinfo; }

# Pages of ours that have moved so far.
moved() { cat $ours/stats/migrated; }

# zsmalloc's pages on a node: the kernel counts them.
zsmalloc_pages() { awk '/^nr_zspages/ { print $2 }' "$nodes/node$1/vmstat"; }

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

online() {
	local block
	for block in "${removable[@]}"; do
		[ "$(cat "$blocks/$block/state")" = online ] || put "$blocks/$block/state" online
	done
}

# pages_in BLOCK...: pages of all pools of ours in these memory blocks.
pages_in() {
	local pages_per_block block
	pages_per_block=$((0x$(cat $blocks/block_size_bytes) / 4096))
	for block; do
		cat "$debugfs"/pools/*/pages | awk -v block="${block#memory}" -v n=$pages_per_block \
			'$1 != "pfn" && int($1 / n) == block'
	done | wc -l
}

# What only zbud_movable has: its counters and its validator.
own_figures() {
	local file
	for file in "$ours"/stats/*; do
		printf 'own_%s=%s\n' "${file##*/}" "$(cat "$file")"
	done
	for file in "$debugfs"/pools/*/verify; do
		printf 'own_verify=%s\n' "$(cat "$file")"
	done
}
