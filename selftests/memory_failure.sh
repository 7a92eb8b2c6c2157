#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: built
# zbm-guest: shared
#
# Memory that breaks under the pool (hard_offline_page, which says of a sound page frame
# that it is broken): what was in it cannot be read, all else can; the frame leaves the pool
# and is not used again, and nothing that moves pages touches it. The kernel takes it back
# once it is told that it was not broken.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl python3
need_breaking
load_module
compact_alone
make_disk
need_file "$SYS/migrate"
scratch
real_data "$SCRATCH/data" 4
ktap_set_plan 35

was=$(broken_kb)
ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
at_rest
# Not rounded, as it is in sysfs.
stored() { awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary"; }
pages=$(counter pages) zpages=$(counter zpages) bytes=$(stored)
is "all pages are on node 1" "$(counter node1/pages)" -eq "$pages"
lost=$(counter stats/lost_pages)

# A page with two zpages, and one with one.
two=$(page_with 2 1) one=$(page_with 1 1)
length=$(awk -v two="$two" -v one="$one" '$1 == two || $1 == one { sum += $3 + $4 } END { print sum }' "$POOL/pages")
ktap_print_msg "breaking page frame $two: $(break_frame "$two"), $one: $(break_frame "$one")"
is "the kernel counts the frames as broken" $(($(broken_kb) - was)) -eq 8
ktap_test_result "the frame with two leaves the pool" wait_until 20 frame_is_gone "$two"
ktap_test_result "the frame with one leaves the pool" wait_until 20 frame_is_gone "$one"
at_rest
is "two pages are lost" $(($(counter stats/lost_pages) - lost)) -eq 2
is "with three zpages" "$(counter lost_zpages) $(disk_file lost_zpages)" = "3 3"
is "these are not counted as stored" "$(counter pages) $(counter zpages) $(stored)" = "$((pages - 2)) $((zpages - 3)) $((bytes - length))"
ktap_test_result "figures add up" counters_add_up

cannot() { read -ra lost_blocks <<<"$(unreadable "$SCRATCH/data")"; [ ${#lost_blocks[@]} = "$1" ]; }
ktap_test_result "three blocks cannot be read, the others are right" cannot 3
ktap_print_msg "blocks ${lost_blocks[*]}"
is "the disk counts it" "$(io_stat failed_reads)" -ge 3
expect_errno "$TRIGGERS/pin" "${lost_blocks[0]}" EIO "nor pinned"

compact_memory 1
ktap_test_result "after compaction the same can be read" cannot 3
migrated=$(counter stats/migrated)
ktap_test_result "a request to leave the node" eval "echo '1 0' >$SYS/migrate"
is "moves all that is left" "$(counter node0/pages) $(counter node1/pages)" = "$((pages - 2)) 0"
is "and tells" "$(counter stats/not_moved) $(($(counter stats/migrated) - migrated))" = "0 $((pages - 2))"
ktap_test_result "after it the same can be read" cannot 3
ktap_test_result "figures add up" counters_add_up

# What is written anew goes elsewhere, and can be read.
block=${lost_blocks[0]}
ktap_test_result "a lost block is written again" write_blocks "$SCRATCH/data" "$block" "$block" 1
ktap_test_result "that is right" same_blocks "$SCRATCH/data" "$block" "$block" 1
is "two are left" "$(counter lost_zpages)" -eq 2
ktap_test_result "another is discarded" discard "${lost_blocks[1]}" 1
is "one is left" "$(counter lost_zpages)" -eq 1

# While a zpage is mapped its page stays, but neither is used again.
ktap_test_result "pins a block" put pin "$block"
pinned=$(pinned_pages)
ktap_print_msg "breaking page frame $pinned, which is pinned: $(break_frame "$pinned")"
broken_now() { [ "$(counter stats/lost_pages)" -eq $((lost + 3)) ]; }
ktap_test_result "it is lost" wait_until 20 broken_now
is "it cannot be read" "$(dd_blocks 1 if="$DATA" iflag=direct,skip_bytes skip=$((block * BLOCK_SIZE)) of=/dev/null 2>&1 | grep -c 'Input/output error')" -eq 1
is "and stays meanwhile" "$(pool_pages_in "$pinned" 1)" -eq 1
is "the kernel does not mend it" "$(mend_frame "$pinned")" = EBUSY
put unpin "$block"
ktap_test_result "until it is not mapped any more" wait_until 20 frame_is_gone "$pinned"

ktap_test_result "a reset frees all" eval "reset_disk; nothing_is_stored"
is "the frames are broken, and not free for others" "$(for frame in "$two" "$one" "$pinned"; do frame_flags "$frame" 10 19; done)" = 010101
is "nothing is lost any more" "$(counter lost_zpages)" -eq 0
mended() { local frame; for frame; do mend_frame "$frame"; done | tr -d '\n'; }
is "the kernel mends them" "$(mended "$two" "$one" "$pinned")" = 000
is "and has all its memory" "$(broken_kb)" -eq "$was"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
