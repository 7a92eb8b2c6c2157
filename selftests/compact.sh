#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: debug built
# zbm-guest: shared
#
# Re-pairing: after `compact` the pool has about as few pages as its zpages can be put in,
# whatever was freed before, and the data are what they were. Pinned zpages stay. Nobody who
# reads, writes, pins or moves pages meanwhile notices. When memory is short, it comes by itself.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 timeout
load_module
make_disk
need_file "$SYS/compact" "$DISK_SYS/compact"
scratch
real_data "$SCRATCH/data" "$(pick 24 8)"
seconds=$(pick 10 20)
! is_long || seconds=120
ktap_set_plan 72

# density: the pages that there should be at best, in per mille of those there are.
density() { cat "$POOL/pages" >"$SCRATCH/pages" && python3 -IS "$TOOLS/density.py" "$SCRATCH/pages"; }
compact() { echo 1 >"$SYS/compact"; }
compact_disk() { echo 1 >"$DISK_SYS/compact"; }
# Asks all shrinkers.
drop_slab() { echo 2 >/proc/sys/vm/drop_caches; }

# wins HOW LEAST: a pool that is at rest; HOW is a function above.
wins() {
	local before pages repaired gathered won
	at_rest
	before=$(density) pages=$(counter pages) repaired=$(counter stats/repaired) gathered=$(counter stats/gathered)
	ktap_test_result "$1" "$1"
	at_rest
	is "density is $2 per mille of perfect pairing" "$(density)" -ge "$2"
	ktap_print_msg "$before per mille before, $(density) now; $pages pages, $(counter pages) now; $gathered gathered"
	won=$(($(counter stats/repaired) - repaired)) gathered=$(($(counter stats/gathered) - gathered))
	# Of two zpages that share a page each that is gathered has its own at first, which is won again.
	adds_up "stats/repaired counts the pages that were won" "$won" -ge $((pages - $(counter pages)))
	adds_up "and such as were added before" "$won" -le $((pages - $(counter pages) + gathered))
	ktap_test_result "contents are the same" same_data "$SCRATCH/data"
	ktap_test_result "figures add up" counters_add_up
}
discard_random() { python3 "$TOOLS/discard_random.py" "$SCRATCH/data" "$DATA" "$1"; }
again() { cp "$SCRATCH/whole" "$SCRATCH/data" && store "$SCRATCH/data" && discard_random "$1"; }

cp "$SCRATCH/data" "$SCRATCH/whole"
for text in "" 0 2 "1 1" x; do expect_errno "$SYS/compact" "${text:- }" EINVAL; done
for text in "" 0 2 "1 1" x; do expect_errno "$DISK_SYS/compact" "${text:- }" EINVAL; done
ktap_test_result "an empty pool" eval "compact && compact_disk"

ktap_test_result "stores data" store "$SCRATCH/data"
# Chunks cost the rest: pairs are found by these, not by bytes.
wins compact "$(pick 980 970)"
ktap_test_result "half of it is freed" discard_random 50
wins compact_disk 970
ktap_test_result "nine tenths of all" again 90
wins compact 970
ktap_test_result "half once more" again 50
wins drop_slab 950

# --- pins ---

ktap_test_result "half of it is freed" again 50
pin_some() {
	local block
	for ((block = 0; block < $(blocks_of "$SCRATCH/data"); block += 16)); do
		put pin "$block" 2>/dev/null || : # it was freed
	done
}
ktap_test_result "some are pinned" pin_some
pinned_pages >"$SCRATCH/pinned"
pins=$(pins)
is "more than a few" "$pins" -gt 20
won=$(counter stats/repaired)
ktap_test_result "compact" compact
is "has won some" "$(counter stats/repaired)" -gt "$won"
pinned_pages >"$SCRATCH/now"
ktap_test_result "the pinned are where they were" same_bytes "$SCRATCH/pinned" "$SCRATCH/now"
adds_up "and pinned" "$(pins)" -eq "$pins"
ktap_test_result "unpin all" put unpin all
wins compact 970

# --- with all that goes on ---

half=$(($(blocks_of "$SCRATCH/data") / 2))
compacter() { compact; }
other() { compact_disk; }
reader() { same_blocks "$SCRATCH/data" 0 0 "$half"; }
writer() {
	write_blocks "$SCRATCH/whole" "$half" "$half" && same_blocks "$SCRATCH/whole" "$half" "$half" "$half" &&
		discard "$half" "$half"
}
mover() {
	compact_memory
	[ "$(nodes | wc -w)" -lt 2 ] || { echo '0 1' >"$SYS/migrate" && echo '1 0' >"$SYS/migrate"; }
}
shrinker() { drop_slab && sleep 0.1; }
shower() { pool_is_ok && cat "$SYS/verify" "$POOL/pages" >/dev/null; }
won=$(counter stats/repaired)
start_workers compacter other reader writer mover shrinker shower
sleep "$seconds"
stop_workers
wait "${WORKERS[@]}"
workers_are_content
is "pages were won meanwhile" "$(counter stats/repaired)" -gt "$won"
ktap_test_result "the second half is gone" discard "$half" "$half"
head -c $((half * BLOCK_SIZE)) "$SCRATCH/data" >"$SCRATCH/first"
mv "$SCRATCH/first" "$SCRATCH/data"
wins compact 970

# --- nodes ---

# A lone zpage of each node, which fit together: only the second pass, which `compact` has, finds
# them.
lone() {
	small_data "$SCRATCH/small" 2
	drop_all && at_rest && on_node 0 write_blocks "$SCRATCH/small" 0 0 1 && on_node 1 write_blocks "$SCRATCH/small" 1 1 1 || return
	[ "$(cat "$SYS"/node[01]/zpages)" = $'1\n1' ]
}
together() { at_rest; [ "$(counter pages)" = 1 ] && same_bytes <(read_blocks 0 2) "$SCRATCH/small"; }
if [ "$(nodes | wc -w)" -ge 2 ]; then
	ktap_test_result "a zpage on each node" lone
	ktap_test_result "are in one page then" eval "compact && together"
else
	ktap_test_skip "a zpage on each node" "there is one node"
	ktap_test_skip "are in one page then" "there is one node"
fi

ktap_test_result "all is freed" drop_all
ktap_test_result "nothing is left" pool_is_empty
ktap_finished
