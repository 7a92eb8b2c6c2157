#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-guest: shared
#
# Memory that breaks under the pool (hard_offline_page, which says of a sound page frame
# that it is broken): the kernel cannot take the page away, and says so. The pool goes on,
# a request moves all pages but that one, whose contents it does not touch, and once
# that is freed the frame is not used again.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl
HARD=$BLOCK_SYS/hard_offline_page
need_file $HARD /proc/kpageflags
load_module
compact_alone
make_disk
need_file "$SYS/migrate"
scratch
real_data "$SCRATCH/data" 4
ktap_set_plan 12

poisoned_kb() { awk '/^HardwareCorrupted:/ { print $2 }' /proc/meminfo; }
was=$(poisoned_kb)
ktap_test_result "stores data from node 1" on_node 1 store "$SCRATCH/data"
pages=$(counter pages)
is "all pages are on node 1" "$(counter node1/pages)" -eq "$pages"
pfn=$(pool_pages 1 | awk 'NR == 10 { print $1 }')
ktap_print_msg "breaking page frame $pfn: $(write_errno $HARD $((pfn * $(getconf PAGESIZE))))"
is "the kernel counts the frame as broken" $(($(poisoned_kb) - was)) -eq 4
is "it is still the pool's" "$(pool_pages_in "$pfn" 1)" -eq 1
migrated=$(counter stats/migrated)
ktap_test_result "a request to leave the node" eval "echo '1 0' >$SYS/migrate"
is "moves all pages but that one" "$(counter node0/pages) $(pool_pages 1)" = "$((pages - 1)) $pfn 1"
is "and tells" "$(counter stats/not_moved) $(($(counter stats/migrated) - migrated))" = "1 $((pages - 1))"
# Nothing is really broken here.
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "a discard of all leaves no page" eval "drop_all; pool_is_empty"
# Bits of /proc/kpageflags: 10 BUDDY, free; 19 HWPOISON.
flags=$(od -An -t u8 -j $((pfn * 8)) -N 8 /proc/kpageflags)
is "the frame is broken, and not free for others" $((flags >> 10 & 1)),$((flags >> 19 & 1)) = 0,1
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
