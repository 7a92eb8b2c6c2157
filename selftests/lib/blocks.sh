# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Memory blocks: taking them offline and bringing them back. Sourced by lib.sh.

# node_blocks N: the memory blocks of node N (numbers, ascending).
node_blocks() {
	local b
	for b in "$NODE_SYS/node$1"/memory[0-9]*; do
		[ ! -e "$b" ] || echo "${b##*/memory}"
	done | sort -n
}

# block_bytes: the size of a memory block.
block_bytes() { echo $((16#$(cat "$BLOCK_SYS/block_size_bytes"))); }

# block_of_pfn PFN: the memory block that holds page frame PFN.
block_of_pfn() { echo $(($1 * $(getconf PAGESIZE) / $(block_bytes))); }

# node_of_block BLOCK: the number of the node that has it.
node_of_block() {
	local link
	for link in "$BLOCK_SYS/memory$1"/node[0-9]*; do echo "${link##*/node}"; done
}

block_state() { cat "$BLOCK_SYS/memory$1/state"; }

# offline_block BLOCK: brought back when the test ends. Asks again if something is
# just in use there, as anybody would.
offline_block() {
	local deadline=$((SECONDS + 120))
	until ask_offline "$1" 120 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 1
	done
	at_exit "online_block $1"
}

# online_block BLOCK [online|online_movable|online_kernel]
online_block() {
	[ "$(block_state "$1")" != offline ] || echo "${2:-online}" >"$BLOCK_SYS/memory$1/state"
}

# hotplug_lock COMMAND...: COMMAND, where CONFIG_DEBUG_VM would have it under
# a lock: compaction by hand holds memory offline off no more than it holds
# compaction off, and meets struct pages that are no zone's any more (poisoned,
# VM_BUG_ON(!zone_spans_pfn) in set_pfnblock_flags_mask, bad_range). Elsewhere the
# two race, as on any machine.
hotplug_lock() {
	if is_debug_kernel; then flock /run/zbm-hotplug "$@"; else "$@"; fi
}

# ask_offline BLOCK SECONDS: the kernel tries for ever: it gets a limit, and may have
# done it when that is over. The block does not come back by itself.
ask_offline() {
	# shellcheck disable=SC2016 # for the inner shell
	hotplug_lock timeout "$2" bash -c 'echo offline >"$1"' - "$BLOCK_SYS/memory$1/state"
	[ "$(block_state "$1")" = offline ]
}

# try_offline BLOCK [SECONDS]: as offline_block, for a block that may refuse,
# and without a word. It does not come back by itself: say bring_back NODE first.
try_offline() {
	local rc=0
	quiet
	ask_offline "$1" "${2:-10}" || rc=$?
	loud
	return "$rc"
}

# not_in A B: the words of A that are none of B's.
not_in() {
	local word
	for word in $1; do [[ " $2 " == *" $word "* ]] || echo "$word"; done
}

# bring_back NODE: all its memory online again, now, of the kind that
# find_removable made it, unless ONLINE_AS says otherwise.
bring_back() {
	local block
	for block in $(node_blocks "$1"); do online_block "$block" "${ONLINE_AS:-online}"; done
}

# is_hole_between A B: whether there is no memory at all in a block between these two.
is_hole_between() {
	local block
	for ((block = $1 + 1; block < $2; block++)); do
		[ -e "$BLOCK_SYS/memory$block" ] || return 0
	done
	return 1
}

# find_removable NODE [online|online_movable|online_kernel]: set REMOVABLE to
# those of its blocks that go offline as things are, as they do where no kernel
# memory from the boot is, and bring them online again, of the kind given. Of those
# on both sides of a hole without memory (below a DIMM, say) only those above it, so
# that no zone spans the hole: compaction that began before such a zone shrank takes
# the rest for contiguous, as it is now, and reads struct pages in the hole, which are
# not there (pageblock_pfn_to_page() in 6.12).
find_removable() {
	local block last=''
	REMOVABLE=()
	for block in $(node_blocks "$1"); do
		[ "$(block_state "$block")" = online ] || continue
		try_offline "$block" 15 2>/dev/null || continue
		if [ -n "$last" ] && is_hole_between "$last" "$block"; then
			for last in "${REMOVABLE[@]}"; do online_block "$last" online_kernel || return; done
			REMOVABLE=()
		fi
		REMOVABLE+=("$block") last=$block
	done
	ONLINE_AS=${2:-online}
	for block in "${REMOVABLE[@]}"; do online_block "$block" "$ONLINE_AS" || return; done
	[ ${#REMOVABLE[@]} -gt 0 ]
}

# find_dimm: DIMM, the ACPI device of memory that can be ejected.
find_dimm() {
	local device
	for device in /sys/bus/acpi/devices/PNP0C80:*; do
		# One for each slot; that with a DIMM in it is present.
		if [ -e "$device/eject" ] && [ "$(cat "$device/status")" = 15 ]; then
			DIMM=$device
			export DIMM # for the test
			return
		fi
	done
	return 1
}
