#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
#
# A mapped zpage is a pin: the page it lies in stays where it is through
# compaction and through attempts to take its memory block offline, each refusal
# is counted, and the contents are untouched, while pages without pins move past
# it. Once unpinned it moves like any other. Pins nest. A block that is pinned can be written
# and discarded; the zpage it had stays pinned in the pool, as nobody's, until it is unpinned.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl timeout python3
load_module
compact_alone
make_disk
need_file "$SYS/node1"
find_removable 1 online_movable || ktap_exit_skip "no memory of node 1 can go offline"
at_exit 'bring_back 1'
scratch
real_data "$SCRATCH/data" "$(pick 24 12)"
ktap_set_plan 80

blocks=$(($(stat -c %s "$SCRATCH/data") / 4096))
refusals() { echo $(($(counter stats/isolate_refused) + $(counter stats/migrate_busy))); }

# --- compaction ---

ktap_test_result "stores data all over memory" store_scattered "$SCRATCH/data"
adds_up "one zpage for each block" "$(counter zpages)" -eq "$blocks"

# Every 64th block; a page holds one or two of these, rarely.
pin_some() {
	local block
	for ((block = 0; block < blocks; block += 64)); do put pin "$block" || return; done
}
ktap_test_result "pins every 64th block" pin_some
count=$(((blocks + 63) / 64))
adds_up "the pages file tells of the pins" "$(pins)" -eq "$count"
pinned_pages >"$SCRATCH/pinned"
is "each pin is on a page" "$(wc -l <"$SCRATCH/pinned")" -ge $((count / 2))
# The odd blocks; the pinned are even.
head -c 1M "$SCRATCH/data" >"$SCRATCH/whole"
ktap_test_result "free_every 2" put free_every 2
punched "$SCRATCH/data" 2
pool_pfns >"$SCRATCH/before"
migrated=$(counter stats/migrated)
refused=$(refusals)
ktap_test_result "compact_memory" compact_memory
ktap_test_result "compact_memory again" compact_memory
pool_pfns >"$SCRATCH/after"
ktap_print_msg "$(($(counter stats/migrated) - migrated)) of $(counter pages) pages moved," \
	"$(($(refusals) - refused)) refusals"
is "pages without pins have moved" "$(comm -13 "$SCRATCH/before" "$SCRATCH/after" | wc -l)" -gt 0
pinned_pages >"$SCRATCH/now"
ktap_test_result "no page with pins has" same_bytes "$SCRATCH/pinned" "$SCRATCH/now"
is "refusals are counted" "$(refusals)" -gt "$refused"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "unpin all" put unpin all
adds_up "no pin is left" "$(pins)" -eq 0

# --- offline ---

# The odd blocks are zeroes now, and take no zpage.
ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
at_rest
is "all of it is on node 1" "$(counter node0/pages) $(counter zpages)" = "0 $((blocks / 2))"
ktap_test_result "pins every 64th block" pin_some
pinned_pages >"$SCRATCH/pinned"

mapfile -t used < <(pool_blocks)
# The block of memory with the first pinned page.
held=$(block_of_pfn "$(head -n 1 "$SCRATCH/pinned")")
ktap_print_msg "pages in blocks ${used[*]}; block $held is held by pins"
refused=$(refusals)
refuses() { ! try_offline "$1" 3; }
ktap_test_result "its memory block cannot go offline" refuses "$held"
is "it is online" "$(block_state "$held")" = online
is "refusals are counted" "$(refusals)" -gt "$refused"
pinned_pages >"$SCRATCH/now"
ktap_test_result "no page with pins has moved" same_bytes "$SCRATCH/pinned" "$SCRATCH/now"
# Of those without, the attempt has moved all it could in its time.
left_some() { [ "$(counter node0/pages)" -gt 0 ] || { refuses "$held"; false; }; }
wait_until 60 left_some
is "pages without pins have left the block" "$(pool_pages 0 | wc -l)" -gt 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up

ktap_test_result "unpin all" put unpin all
adds_up "no pin is left" "$(pins)" -eq 0
gone() {
	local block
	for block in "${used[@]}"; do offline_block "$block" || return; done
}
ktap_test_result "the memory blocks go offline now" gone
is "no page is on node 1" "$(counter node1/pages)" -eq 0
pool_pfns >"$SCRATCH/after"
is "the pages that had pins have moved, too" \
	"$(comm -12 "$SCRATCH/pinned" "$SCRATCH/after" | wc -l)" -eq 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "the blocks come back" bring_back 1

# --- nested pins ---

# One block alone in the pool, on node 1.
head -c "$BLOCK_SIZE" "$SCRATCH/whole" >"$SCRATCH/one"
one() { drop_all && pool_is_empty && on_node 1 write_blocks "$SCRATCH/one"; }
ktap_test_result "one block on node 1" one
pfn=$(pool_pfns)
held=$(block_of_pfn "$pfn")
ktap_test_result "pinned" put pin 0
ktap_test_result "pinned again" put pin "0 1"
is "has two pins" "$(pins)" -eq 2
ktap_test_result "unpinned once" put unpin 0
is "has one pin" "$(pins)" -eq 1
ktap_test_result "stays" refuses "$held"
is "is where it was" "$(pool_pfns)" = "$pfn"
ktap_test_result "unpinned twice" put unpin "0 1"
ktap_test_result "goes" offline_block "$held"
is "is elsewhere" "$(pool_pages | cut -d ' ' -f 2) $(comm -12 <(pool_pfns) <(echo "$pfn"))" = "0 "
ktap_test_result "contents are the same" same_data "$SCRATCH/one"

# --- what pins forbid, and what they do not ---

# Blocks 0 to 9, and 20; 3 and 4 are pinned.
eleven() {
	drop_all && pool_is_empty && write_blocks "$SCRATCH/whole" 0 0 10 && write_blocks "$SCRATCH/one" 20 &&
		put pin "3 2"
}
ktap_test_result "eleven blocks, two of them pinned" eleven
snapshot() { at_rest && cat "$POOL/pages" "$POOL/summary" "$DISK_SYS/mm_stat" && read_blocks 0 21; }
snapshot >"$SCRATCH/was"
expect_errno "$TRIGGERS/free_every" 4 EBUSY
expect_errno "$TRIGGERS/free_every" 1 EBUSY
expect_errno "$TRIGGERS/pin" "8 3" ENOENT "pin a range with a hole: ENOENT"
expect_errno "$TRIGGERS/unpin" "4 2" EINVAL "unpin a range with one that is not pinned: EINVAL"
expect_errno "$TRIGGERS/unpin" 10 EINVAL "unpin one that is not there: EINVAL"
snapshot >"$SCRATCH/is"
ktap_test_result "all that has changed nothing" same_bytes "$SCRATCH/was" "$SCRATCH/is"

# stored ZPAGES PINS: so many are in the pool.
stored() {
	at_rest && pool_is_ok || return
	set -- "$1 $2" "$(counter zpages) $(pins)"
	[ "$1" = "$2" ] || wrong_data "expected $1, found $2"
}
pinned_pages >"$SCRATCH/pinned"
stay() { pinned_pages | same_bytes - "$SCRATCH/pinned"; }
ktap_test_result "a pinned block can be written" write_blocks "$SCRATCH/whole" 4 5 1
ktap_test_result "and has what was written" same_blocks "$SCRATCH/whole" 4 5 1
ktap_test_result "what it had stays in the pool" stored 12 2
ktap_test_result "a pinned block can be discarded" discard 3 1
ktap_test_result "and is zeroes" same_blocks /dev/zero 3 0 1
ktap_test_result "what it had stays in the pool" stored 12 2
ktap_test_result "on the same page" stay
ktap_test_result "even if pages move" compact_memory
ktap_test_result "on the same page" stay
ktap_test_result "the others are as they were" same_blocks "$SCRATCH/whole" 5 5 5
ktap_test_result "free_every that spares the pinned works" put free_every 10
ktap_test_result "and frees one" stored 11 2
ktap_test_result "unpin all" put unpin all
ktap_test_result "what was nobody's any more is gone" stored 9 0
ktap_test_result "figures add up" counters_add_up

# Written twice while it is pinned: the one that was pinned is freed when it is unpinned.
ktap_test_result "pins one twice" eval "put pin 20 && put pin 20"
twice() { write_blocks "$SCRATCH/whole" 20 7 1 && write_blocks "$SCRATCH/whole" 20 8 1; }
ktap_test_result "writes it twice" twice
ktap_test_result "it is there once more" stored 10 2
expect_errno "$TRIGGERS/pin" 20 EBUSY "pin what it has now: EBUSY"
ktap_test_result "unpinned once" put unpin 20
ktap_test_result "it is still there" stored 10 1
ktap_test_result "unpin all" put unpin all
ktap_test_result "once again" stored 9 0
ktap_test_result "it has what was written last" same_blocks "$SCRATCH/whole" 20 8 1

# The end of a disk unpins all.
ktap_test_result "pins some, and discards all" eval "put pin '4 3' && drop_all"
ktap_test_result "three zpages are left" stored 3 3
ktap_test_result "reset" reset_disk
ktap_test_result "nothing is left" nothing_is_stored
ktap_finished
