#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-guest: shared
#
# Leaves, the pages in which a pool describes its pages: there is one bound for those of all
# pools, and a store beyond it fails and does no harm; CPUs that need a leaf at once make one;
# those that no page uses go.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3
load_module max_pages=170 num_devices=2
scratch
ktap_set_plan 19

# --- one bound ---

dmesg -C
head -c 1M /dev/urandom >"$SCRATCH/random"
make_disk 64M
# Each block takes a page, and two leaves have 170.
ends=$(python3 "$TOOLS/try_writes.py" "$DATA" "$SCRATCH/random" 0) || ends="wrong data: $ends"
is "all pages that there may be, then ENOMEM" "$ends" = "written=170 ENOMEM=86"
use_disk 1
make_disk 64M
ends=$(python3 "$TOOLS/try_writes.py" "$DATA" "$SCRATCH/random" 0) || ends="wrong data: $ends"
is "another disk fails in the same way" "$ends" = "written=0 ENOMEM=256"
is "the log says so once" "$(dmesg | grep -c 'room for 170 pages (max_pages)')" = 1
use_disk 0
is "the validator agrees" "$(counter verify)" = ok
ktap_test_result "the first is emptied" blkdiscard "$DATA"
# A leaf that nobody uses is kept.
fits_now() { [ "$(python3 "$TOOLS/try_writes.py" /dev/zbud1 "$SCRATCH/random" 0)" = "written=85 ENOMEM=171" ]; }
ktap_test_result "the second has the room that the first does not need" wait_until 10 fits_now
is "figures add up" "$(counters_add_up && echo yes)" = yes
ktap_test_result "unloads" unload_module
for pages in 1426063361 x -1; do
	is "max_pages=$pages is refused" "$(modprobe_module "max_pages=$pages" 2>&1 | grep -c "Invalid argument")" = 1
done
is "the log says how many there may be" "$(dmesg | grep -c 'max_pages: at most 1426063360')" = 1

# --- many at once, and few that are left ---

load_module
make_disk 64M
said=$(python3 "$TOOLS/leaves.py" "$DATA" "$DISK_SYS") || said="$said failed"
ktap_print_msg "$(echo "$said" | tr '\n' ' ')"
figure() { echo "$said" | grep -o "\<$1=[0-9]*" | cut -d= -f2; }
# The table's own page, the leaf for those who come while the next is made, one; and some that
# were made because a CPU that makes one may not run for long, in a guest.
is "four CPUs make few more leaves than it takes" "$(figure made)" -le "$(($(figure needed) * 11 / 10 + 3))"
is "a random hundredth does not keep all" "$(figure sparse)" -lt "$(figure needed)"
# One describes them, one is kept, and one is the table's own page.
is "once the disk is compacted it keeps what it takes" "$(figure compacted)" -le $(($(figure needed) / 100 + 4))
is "it counts as before" "$(mm_stat huge_pages)" = 80
is "what was stored is as it was" "$(figure changed)" = 0
is "the validator agrees then" "$(counter verify)" = ok
ktap_test_result "unloads then" unload_module
ktap_finished
