#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-timeout: 240
#
# Memory with pool pages in it goes offline. First with the module's own pool:
# real data is stored on node 1, in ZONE_MOVABLE at that; each memory block in
# which pages of it lie goes offline, every page is then on node 0, counted as
# moved out there and in here, with its contents as they were; the blocks come
# back and are used again.
#
# Then under zswap, beside zbud: the same memory of a process, bound to node 1,
# is swapped out into a pool, and the blocks it lies in are taken offline. At
# least one of those that go with zbud_movable is refused with zbud.

. "$(dirname "$0")/lib.sh"

need_root
need_nodes 2
need_command numactl timeout
need_zswap
load_module
need_file "$DATA" "$SYS/node1" /proc/kpageflags
find_removable 1 online_movable || skip_all "no memory of node 1 can go offline"
[ ${#REMOVABLE[@]} -ge 2 ] || skip_all "only one block of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 40 16)"
plan 30
note "blocks of node 1: $(node_blocks 1 | tr '\n' ' '), of which can go: ${REMOVABLE[*]}"

# --- the module's own pool ---

# not_in A B: the words of A that are none of B's.
not_in() {
	local word
	for word in $1; do [[ " $2 " == *" $word "* ]] || echo "$word"; done
}

take_offline() {
	local block
	for block; do offline_block "$block" 30 || { echo "block $block stays"; return 1; }; done
}

pages_are_online() {
	local block
	for block in $(pool_blocks); do
		[ "$(block_state "$block")" = online ] || { echo "pages in block $block"; return 1; }
	done
}

movable_zone() { awk '/^Node 1, zone +Movable/ { on = 1 } on && $1 == "present" { print $2; exit }' /proc/zoneinfo; }

check "stores data from node 1" on_node 1 dd if="$SCRATCH/data" of="$DATA" bs=1M status=none
pages=$(counter pages)
is "there are pages" "$pages" -ge $(($(stat -c %s "$SCRATCH/data") / 8192))
is "all are on node 1" "$(counter node1/pages)" -eq "$pages"
mapfile -t used < <(pool_blocks)
note "$pages pages, in blocks ${used[*]}"
is "all are in blocks that were onlined as movable" "$(not_in "${used[*]}" "${REMOVABLE[*]}")" = ""
is "ZONE_MOVABLE is what these blocks are" "$(movable_zone)" -gt 0
check "figures add up before" counters_add_up
pool_pfns >"$SCRATCH/before"
migrated=$(counter stats/migrated) success=$(vmstat pgmigrate_success)

mark "offlining ${used[*]}"
check "each block with pool pages goes offline" take_offline "${used[@]}"
pool_pfns >"$SCRATCH/after"
is "no page is on node 1" "$(counter node1/pages)" -eq 0
is "as many as before are on node 0" "$(counter node0/pages)" -eq "$pages"
is "all page frames are others" "$(comm -12 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -eq 0
is "the pages file agrees: node 0" "$(pool_pages 0 | wc -l)" -eq "$pages"
check "no page is in a block that is offline" pages_are_online
is "node 1 counts them as moved out" "$(counter node1/moved_out)" -eq "$pages"
is "node 0 counts them as moved in" "$(counter node0/moved_in)" -eq "$pages"
is "and nothing the other way" "$(counter node0/moved_out) $(counter node1/moved_in)" = "0 0"
is "stats/migrated counts them" $(($(counter stats/migrated) - migrated)) -ge "$pages"
is "pgmigrate_success counts them" $(($(vmstat pgmigrate_success) - success)) -ge "$pages"
check "contents are the same" same_data "$SCRATCH/data"
check "figures add up after" counters_add_up

check "the blocks come back" bring_back 1
again() {
	on_node 1 dd if="$SCRATCH/data" of="$DATA" bs=1M status=none && same_data "$SCRATCH/data" &&
		[ "$(counter node1/pages)" = "$(counter pages)" ]
}
check "and are used again" again
check "drop leaves no page" eval "echo 1 >$DEBUGFS/drop; pool_is_empty"

# --- zswap, beside zbud ---

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
	on_node 1 dd if=/dev/zero of="$SCRATCH/room/room" bs=1M count=$room_mib status=none
	umount "$SCRATCH/room" || return
	free=$(($(node_free_kb 1) / 1024 - room_mib - 8))
	[ "$free" -le 0 ] || on_node 1 dd if=/dev/zero of="$SCRATCH/fill" bs=1M count="$free" \
		status=none || return
	ONLINE_AS=online_kernel
	bring_back 1
}

# plain_pages BLOCK...: pages in use there of which /proc/kpageflags knows
# nothing (neither free, nor slab, page tables, cache, or memory of processes):
# what pages of zbud look like.
plain_pages() {
	python3 - "$(($(block_bytes) / $(getconf PAGESIZE)))" "$@" <<-'PYTHON'
		import sys
		known = sum(1 << bit for bit in (5, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 26, 32, 33))
		pages, plain = int(sys.argv[1]), 0
		with open("/proc/kpageflags", "rb") as file:
		    for block in sys.argv[2:]:
		        file.seek(int(block) * pages * 8)
		        flags = memoryview(file.read(pages * 8)).cast("Q")
		        plain += sum(not word & known for word in flags)
		print(plain)
	PYTHON
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
		! try_offline "$block" 8 2>/dev/null || gone+=("$block")
	done
	bring_back 1
	note "$1: of ${REMOVABLE[*]} went offline: ${gone[*]:-none}"
}

read_back() { hog_do read && hog_stop && zswap_stop; }

hog_mib=$(pick 80 64) room_mib=12
make_ready || bail "cannot make the memory as it is to be"
check "zbud_movable: swaps out" swapped_out zbud_movable
moved=$(counter node1/moved_out)
try_blocks zbud_movable
# Slab may still have strayed into one of them, but hardly into all.
is "zbud_movable: blocks go" ${#gone[@]} -gt 0
went=("${gone[@]}")
is "zbud_movable: pool pages had to leave for it" "$(counter node1/moved_out)" -gt "$moved"
check "zbud_movable: all memory is right" read_back

check "zbud: swaps out" swapped_out zbud
try_blocks zbud
is "zbud: one or more of these do not go" "$(not_in "${went[*]}" "${gone[*]}" | wc -l)" -gt 0
with=$(plain_pages "${REMOVABLE[@]}")
check "zbud: all memory is right" read_back
without=$(plain_pages "${REMOVABLE[@]}")
note "zbud: plain pages in ${REMOVABLE[*]}: $with, $without once zbud is empty"
is "zbud: its pages lie in them" $((with - without)) -ge 1000
finish
