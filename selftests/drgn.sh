#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: stock
#
# tools/drgn/zbud_movable.py reads the pools out of the memory of the kernel: it finds what
# debugfs shows, page by page, and finds it sound, whatever was freed, pinned and re-paired before.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command drgn python3 readelf
need_file /proc/kcore
load_module
module=$(modinfo -n "$MODULE")
readelf -SW "$module" | grep ' \.debug_info ' >/dev/null || ktap_exit_skip "the module has no debugging information"
make_disk 64M
scratch
real_data "$SCRATCH/data" 2
ktap_set_plan 14

look() { drgn -k --no-default-symbols -q "$(dirname "$0")/../tools/drgn/zbud_movable.py" "$@" >"$SCRATCH/said" 2>&1; }
# shows: as debugfs does.
shows() {
	at_rest
	look --pages "$module" || { cat "$SCRATCH/said"; return 1; }
	grep -q "^$DISK: ok$" "$SCRATCH/said" || { cat "$SCRATCH/said"; return 1; }
	grep '^0x' "$SCRATCH/said" | cut -d ' ' -f 2- | sort >"$SCRATCH/pages"
	tail -n +2 "$POOL/pages" | cut -d ' ' -f 2- | sort | same_bytes - "$SCRATCH/pages"
}
# says FIGURE: of the disk's pool.
says() { sed -n "s/^$DISK: pages .*/&/p" "$SCRATCH/said" | grep -o "\<$1 [0-9]*" | cut -d ' ' -f 2; }

ktap_test_result "an empty pool" shows
ktap_test_result "stores data" store "$SCRATCH/data"
ktap_test_result "shows each page" shows
is "pages" "$(says pages)" = "$(counter pages)"
is "zpages" "$(says zpages)" = "$(counter zpages)"
is "bytes" "$(says stored_bytes)" = "$(awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary")"
put pin "0 3"
put pin 1
put free_every 7
ktap_test_result "with pins and holes" shows
is "pins" "$(says pins)" = "$(pins)"
put unpin all
won=$(counter stats/repaired)
ktap_test_result "re-pairs" eval "echo 1 >$SYS/compact"
is "some pages are won" "$(counter stats/repaired)" -gt "$won"
ktap_test_result "after that" shows
ktap_test_result "all is freed" drop_all
ktap_test_result "an empty pool again" shows
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
