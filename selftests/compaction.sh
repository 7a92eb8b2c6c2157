#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
#
# Compaction moves the pages of a pool. Real data lies strewn over memory that
# is free otherwise, and half of it is freed; when the kernel then compacts, page
# frames change, the kernel counts its migrations as successful, free memory
# comes in larger pieces than before, pages stay on their node (compaction moves
# within a zone), and not one byte is different. The same for one node alone,
# and again while there is hardly a reason to move anything. Where the kernel is not to
# compact what cannot be reclaimed, it leaves alone those of the page cache.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 numactl
need_file /proc/sys/vm/compact_memory
load_module
make_disk
scratch
real_data "$SCRATCH/data" "$(pick 40 16)"
ktap_set_plan 22

# free_huge: free pieces of 2 MiB or more, in units of 2 MiB.
free_huge() { awk '{ for (i = 14; i <= NF; i++) s += $i * 2 ^ (i - 14) } END { print s + 0 }' /proc/buddyinfo; }

# moved_pfns BEFORE AFTER: how many pages are where none was.
moved_pfns() { comm -13 "$1" "$2" | wc -l; }

# Short per-CPU lists: what is free is to be seen as free.
at_exit "echo $(cat /proc/sys/vm/percpu_pagelist_high_fraction) >/proc/sys/vm/percpu_pagelist_high_fraction"
echo 1000 >/proc/sys/vm/percpu_pagelist_high_fraction
compact_alone
ktap_test_result "stores data all over memory" store_scattered "$SCRATCH/data"
ktap_test_result "free_every 2" put free_every 2
punched "$SCRATCH/data" 2
ktap_test_result "the pool holds every other block" same_data "$SCRATCH/data"
adds_up "half of the zpages are left" "$(counter zpages)" -eq $(($(stat -c %s "$SCRATCH/data") / 8192))
ktap_test_result "figures add up before" counters_add_up

# vm.compact_unevictable_allowed=0
allowed=/proc/sys/vm/compact_unevictable_allowed
at_exit "echo $(cat $allowed) >$allowed"
if [ "$(mover)" = page_cache ]; then
	migrated=$(counter stats/migrated)
	echo 0 >$allowed
	compact_memory
	is "without compact_unevictable_allowed compaction moves none" "$(counter stats/migrated)" -eq "$migrated"
else
	ktap_test_skip "without compact_unevictable_allowed compaction moves none" "it does with this mover"
fi
echo 1 >$allowed

pool_pfns >"$SCRATCH/before"
pages=$(counter pages)
huge=$(free_huge) success=$(vmstat pgmigrate_success) migrated=$(counter stats/migrated)
on_node_before=$(cat "$SYS"/node*/pages)
mark "compacting"
ktap_test_result "compact_memory" compact_memory
pool_pfns >"$SCRATCH/after"
success=$(($(vmstat pgmigrate_success) - success))
migrated=$(($(counter stats/migrated) - migrated))
moved=$(moved_pfns "$SCRATCH/before" "$SCRATCH/after")
ktap_print_msg "$moved of $pages pages have another frame; stats/migrated +$migrated," \
	"pgmigrate_success +$success; free 2 MiB pieces: $huge, now $(free_huge)"

is "a tenth of the pages or more have another frame" "$moved" -ge $((pages / 10))
is "stats/migrated counts each" "$migrated" -ge "$moved"
is "pgmigrate_success counts them too" "$success" -ge "$migrated"
is "free memory is in larger pieces" "$(free_huge)" -gt "$huge"
adds_up "no page is lost or won" "$(counter pages)" -eq "$pages"
is "each page stays on its node" "$(cat "$SYS"/node*/pages)" = "$on_node_before"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up after" counters_add_up

# One node only.
again_with_holes() { store_scattered "$SCRATCH/data" && put free_every 2; }
ktap_test_result "new holes, all over memory" again_with_holes
pool_pages | sort >"$SCRATCH/before"
ktap_test_result "compacts node 1" compact_memory 1
pool_pages | sort >"$SCRATCH/after"
comm -13 "$SCRATCH/before" "$SCRATCH/after" >"$SCRATCH/moved"
ktap_print_msg "$(wc -l <"$SCRATCH/moved") pages have another frame; $(counter node1/pages) of $(counter pages) are on node 1"
is "pages of node 1 have other frames" "$(grep -c ' 1$' "$SCRATCH/moved")" -gt 0
is "those of other nodes have not" "$(grep -vc ' 1$' "$SCRATCH/moved")" -eq 0
ktap_test_result "contents are the same" same_data "$SCRATCH/data"

# One node at a time, over and over: nothing wears off.
again() {
	local i node
	for ((i = 0; i < 5; i++)); do
		for node in $(nodes); do compact_memory "$node" || return; done
	done
	same_data "$SCRATCH/data" && counters_add_up
}
ktap_test_result "each node alone, five times" again

empty() { drop_all && pool_is_empty; }
ktap_test_result "drop leaves no page" empty
ktap_finished
