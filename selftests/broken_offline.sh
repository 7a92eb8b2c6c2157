#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=2,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=dimm,size=512M -device pc-dimm,id=dimm0,memdev=dimm,node=2"
# zbm-test: release page_cache stock
#
# Memory that breaks under the pool, and goes. Node 2 is a DIMM, and the pool is there.
# The memory goes offline with nothing of the pool left in it, or refuses and says why, and
# never takes for ever; then the DIMM is unplugged. What was in the broken frames cannot be
# read, all else can.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 3
need_command python3 timeout
need_breaking
load_module
compact_alone
make_disk
find_dimm || ktap_exit_skip "there is no DIMM that can be ejected"
scratch
real_data "$SCRATCH/data" 8
ktap_set_plan 33

lost=$(counter stats/lost_pages) broken=0
# break_pages PFN...
break_pages() {
	local pfn
	for pfn; do
		ktap_print_msg "breaking page frame $pfn: $(break_frame "$pfn")"
		broken=$((broken + 1))
	done
}
all_are_lost() { [ "$(counter stats/lost_pages)" = $((lost + broken)) ]; }
# The blocks of the disk that cannot be read are as many as zpages are lost.
all_else_is_right() {
	local blocks
	read -ra blocks <<<"$(unreadable "$SCRATCH/data")"
	[ ${#blocks[@]} = "$(counter lost_zpages)" ] || { echo "${#blocks[@]}: ${blocks[*]}"; wrong_data; }
}
node_offline() {
	local block
	for block in $(node_blocks 2); do
		[ "$(block_state "$block")" = offline ] || ask_offline "$block" 60 || { echo "block $block"; return 1; }
	done
}

ktap_test_result "mems 2" eval "echo 2 >$SYS/mems"
ktap_test_result "stores data" store "$SCRATCH/data"
at_rest
is "all of it is on node 2" "$(counter node2/pages)" = "$(counter pages)"

# One that is pinned stays, and so does its block.
ktap_test_result "pins a block" put pin 7
pinned=$(pinned_pages)
block=$(block_of_pfn "$pinned")
break_pages "$pinned"
ktap_test_result "it is lost" wait_until 20 all_are_lost
quiet
began=$SECONDS
ask_offline "$block" 60 &
asked=$!
figures() {
	while kill -0 "$asked" 2>/dev/null; do
		timeout 2 cat "$SYS/pages" || return
		sleep 0.1
	done
}
ktap_test_result "the memory block of one that is mapped waits, and keeps nobody" figures
refused() { ! wait "$asked"; }
ktap_test_result "it refuses" refused
is "at once" $((SECONDS - began)) -lt 30
is "and the log says why" "$(dmesg | grep -c "page frame $pinned .* broken.* cannot go offline")" -ge 1
loud 'cannot go offline'
put unpin all
ktap_test_result "it goes when it is not mapped any more" wait_until 20 frame_is_gone "$pinned"
ktap_test_result "all else is right" all_else_is_right
ktap_test_result "what has moved moves back" eval "echo 'all 2' >$SYS/migrate"

# A frame that turns out to be sound is the kernel's again.
mended=$(page_with 1 2)
break_pages "$mended"
ktap_test_result "another is lost" wait_until 20 all_are_lost
ktap_test_result "and leaves the pool" wait_until 20 frame_is_gone "$mended"
is "the kernel mends it" "$(mend_frame "$mended")" = 0
# A frame that is about to break, which mm takes out of use after it has moved the page.
ktap_test_result "a page frame goes offline by itself" soft_offline "$(page_with 2 2)"
# With one zpage, and with two.
break_pages "$(page_with 1 2)" "$(page_with 2 2)"
ktap_test_result "they are lost" wait_until 20 all_are_lost
# While memory goes offline, which waits for one that is pinned: it breaks, and is let go. mm marks it
# at once, but has done with it, and tells of it, only when the memory is offline.
ktap_test_result "pins a block" put pin 1000
pinned=$(pinned_pages)
block=$(block_of_pfn "$pinned")
quiet
ask_offline "$block" 60 &
asked=$!
waits() { [ "$(block_state "$block")" = going-offline ] && sleep 2 && kill -0 "$asked"; }
ktap_test_result "its memory block waits" wait_until 20 waits
break_frame "$pinned" >/dev/null &
breaking=$! broken=$((broken + 1))
ktap_test_result "it is lost" wait_until 20 all_are_lost
put unpin all
ktap_test_result "the memory block goes" wait "$asked"
wait "$breaking"
# Many at once
chosen=$(awk 'NR > 1 && NR % 150 == 0 { print $1 }' "$POOL/pages")
break_some() {
	local pfn
	for pfn in $chosen; do break_frame "$pfn" >/dev/null; done
}
break_some &
began=$SECONDS
ktap_test_result "all memory of node 2 goes offline" node_offline ||
	ktap_exit_fail_msg "the kernel would go on for ever when the DIMM is unplugged"
ktap_print_msg "in $((SECONDS - began)) seconds; $(($(counter stats/lost_pages) - lost)) pages are lost"
wait $!
is "no page is there" "$(counter node2/pages) $(pool_pages 2)" = "0 "
ktap_test_result "all else is right" all_else_is_right
ktap_test_result "figures add up" counters_add_up
gone() { [ -z "$(node_blocks 2)" ]; }
echo 1 >"$DIMM/eject"
ktap_test_result "the DIMM is unplugged" wait_until 60 gone
loud 'cannot go offline'
ktap_test_result "all else is right" all_else_is_right
ktap_test_result "figures add up" counters_add_up
ktap_test_result "stores data again" store "$SCRATCH/data"
ktap_test_result "which is right" same_data "$SCRATCH/data"
is "nothing is lost any more" "$(counter lost_zpages)" -eq 0
ktap_test_result "a reset frees all" eval "reset_disk; nothing_is_stored"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
