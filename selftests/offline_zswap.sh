#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release
#
# Memory with zswap's pages in it goes offline, or does not: the same memory of a
# process, bound to node 1, is swapped out into a pool of zbud_movable, and then
# of zbud, and the blocks it lies in are taken offline. At least one of those that
# go with zbud_movable is refused with zbud.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl timeout python3
need_zswap
load_module
need_file "$SYS/node1" /proc/kpageflags
find_removable 1 online_movable || ktap_exit_skip "no memory of node 1 can go offline"
[ ${#REMOVABLE[@]} -ge 2 ] || ktap_exit_skip "only one block of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 40 16)"
ktap_set_plan 8

# zswap's own slab, which cannot move, must not lie in the removable blocks, and
# zbud's pages must not all lie elsewhere. So the removable ones are taken away
# while the others are made ready: unmovable memory that was taken and given back
# leaves room there that is marked as such, which slab prefers (zbud too, but
# that needs more); the rest is filled up. Then the removable ones come back as
# ordinary memory, since zbud cannot use any other.
make_ready() {
	local block free
	for block in "${REMOVABLE[@]}"; do offline_block "$block" || return; done
	mkdir "$SCRATCH/room" && mount -t ramfs none "$SCRATCH/room" || return
	on_node 1 dd if=/dev/zero of="$SCRATCH/room/room" bs=1M count="$room_mib" status=none
	umount "$SCRATCH/room" || return
	free=$(($(node_free_kb 1) / 1024 - room_mib - 8))
	[ "$free" -le 0 ] || on_node 1 dd if=/dev/zero of="$SCRATCH/fill" bs=1M count="$free" \
		status=none || return
	ONLINE_AS=online_kernel
	bring_back 1
}

# plain_pages BLOCK...: pages there that look like zbud's.
plain_pages() {
	python3 "$TOOLS/plain_pages.py" "$(($(block_bytes) / $(getconf PAGESIZE)))" "$@"
}

# swapped_out ZPOOL: a process on node 1 is swapped out into a pool of ZPOOL.
swapped_out() {
	zswap_start "$1" 512 && hog_start "$SCRATCH/data" "$hog_mib" numactl --cpunodebind=1 --membind=1 &&
		hog_do out || return
	[ "$(zswap_stat stored_pages)" -ge $((hog_mib * 256 * 9 / 10)) ]
}

# try_blocks: which of the removable ones go offline; they come back at once.
try_blocks() {
	local block
	gone=()
	for block in "${REMOVABLE[@]}"; do
		! try_offline "$block" 60 2>/dev/null || gone+=("$block")
	done
	bring_back 1
	ktap_print_msg "$1: of ${REMOVABLE[*]} went offline: ${gone[*]:-none}"
}

read_back() { hog_do read && hog_stop && zswap_stop; }

# A debug kernel wants a multiple for each object: KASAN's red zones and quarantine,
# kmemleak's own objects.
hog_mib=$(pick 80 64) room_mib=$(pick 12 48)
make_ready || ktap_exit_fail_msg "cannot make the memory as it is to be"
ktap_test_result "zbud_movable: swaps out" swapped_out zbud_movable
moved=$(counter node1/moved_out)
try_blocks zbud_movable
# Slab may still have strayed into one of them, but hardly into all.
is "zbud_movable: blocks go" ${#gone[@]} -gt 0
went=("${gone[@]}")
is "zbud_movable: pool pages had to leave for it" "$(counter node1/moved_out)" -gt "$moved"
ktap_test_result "zbud_movable: all memory is right" read_back

ktap_test_result "zbud: swaps out" swapped_out zbud
try_blocks zbud
is "zbud: one or more of these do not go" "$(not_in "${went[*]}" "${gone[*]}" | wc -l)" -gt 0
with=$(plain_pages "${REMOVABLE[@]}")
ktap_test_result "zbud: all memory is right" read_back
without=$(plain_pages "${REMOVABLE[@]}")
ktap_print_msg "zbud: plain pages in ${REMOVABLE[*]}: $with, $without once zbud is empty"
is "zbud: its pages lie in them" $((with - without)) -ge 1000
ktap_finished
