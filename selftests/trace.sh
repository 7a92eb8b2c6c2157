#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: debug built
#
# The trace events zbud_movable:*: one for each zpage that comes, goes or is re-paired, each page
# that moves or is refused, each node of a request, with the figures that the counters have; their fields,
# which scripts rely on; none when nobody traces.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 numactl timeout
need_file /sys/kernel/tracing/instances
load_module
compact_alone
make_disk 64M
scratch
real_data "$SCRATCH/data" 4
blocks=$(blocks_of "$SCRATCH/data")
ktap_set_plan 35

events=/sys/kernel/tracing/events/$MODULE
tracing=/sys/kernel/tracing/instances/$MODULE
mkdir "$tracing" || ktap_exit_fail_msg "no instance of tracing"
at_exit "rmdir $tracing"
echo 8192 >"$tracing/buffer_size_kb"

# trace EVENT...: these from here on, and what was traced before is gone.
trace() {
	local event
	echo 0 >"$tracing/events/enable"
	echo >"$tracing/trace"
	for event; do echo 1 >"$tracing/events/$MODULE/$event/enable" || return; done
}

# traced EVENT: what follows its name, in a line for each time.
traced() { sed -n "s/.*: $1: //p" "$tracing/trace"; }
count() { traced "$1" | grep -c "${2:-}"; }
# sum EVENT FIELD
sum() { traced "$1" | grep -o "\<$2=[0-9]*" | awk -F= '{ s += $2 } END { print s + 0 }'; }

fields() { awk '/field:/ && !/common_/ { sub(/.*field:/, ""); sub(/;.*/, ""); print $NF }' "$events/$1/format" | xargs; }
is "fields of store" "$(fields store)" = "pool pfn nid bytes place handle"
is "fields of free" "$(fields free)" = "pool pfn nid bytes handle"
is "fields of isolate" "$(fields isolate)" = "pool pfn nid result"
is "fields of putback" "$(fields putback)" = "pool pfn nid"
is "fields of migrate" "$(fields migrate)" = "pool from_pfn from_nid to_pfn to_nid mode result ns"
is "fields of node_move" "$(fields node_move)" = "pool from_nid to_nid moved not_moved result"
is "fields of repair" "$(fields repair)" = "pool handle from_pfn from_nid to_pfn to_nid bytes result"

# --- zpages ---

trace store free
ktap_test_result "stores data of node 0" on_node 0 write_blocks "$SCRATCH/data"
zpages=$(counter zpages)
adds_up "an event for each zpage" "$(count store)" -eq "$zpages"
is "all on node 0 and of this disk" "$(count store "^pool=$DISK pfn=[0-9]* nid=0 ")" = "$zpages"
is "with their bytes" "$(sum store bytes)" = "$(awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary")"
adds_up "one for each page that is new or was empty" "$(count store 'place=new \|place=empty ')" -eq "$(pool_pages | wc -l)"
traced store | grep -o 'pfn=[0-9]*' | cut -d= -f2 | sort -u >"$SCRATCH/named"
is "in the pages that the pool has" "$(pool_pfns | comm -3 - "$SCRATCH/named" | wc -l)" -le 64
half=$((blocks / 2))
ktap_test_result "discards half of them" discard 0 "$half"
adds_up "an event for each zpage that goes" "$(count free)" -eq "$((zpages - $(counter zpages)))"
is "with their bytes, too" "$(($(sum store bytes) - $(sum free bytes)))" = "$(awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary")"

# --- pages ---

wait_until 20 at_rest
put pin $((blocks - 1)) || ktap_exit_fail_msg "a block cannot be pinned"
trace migrate node_move
was=$(node_sum moved_out)
ktap_test_result "moves them to node 1" write_errno "$SYS/migrate" "0 1"
adds_up "an event for each page that moved" "$(count migrate ' from_nid=0 .* to_nid=1 mode=by_hand result=0 ')" -eq "$(($(node_sum moved_out) - was))"
is "and some for the one that is pinned: EBUSY" "$(count migrate ' result=-16 ')" -ge 1
is "each took some time" "$(count migrate ' ns=0$')" = 0
is "one for the request" "$(traced node_move)" = "pool=$DISK from_nid=0 to_nid=1 moved=$(count migrate ' result=0 ') not_moved=1 result=0"
pool_pages | awk '{ print $1 }' | sort >"$SCRATCH/pfns"
traced migrate | grep ' result=0 ' | grep -o 'to_pfn=[0-9]*' | cut -d= -f2 | sort >"$SCRATCH/named"
is "the frames are where the pages are" "$(comm -13 "$SCRATCH/pfns" "$SCRATCH/named" | wc -l)" -le 2
ktap_test_result "unpins it" put unpin $((blocks - 1))

# --- mm ---

free_some() { store_scattered "$SCRATCH/data" && put free_every 2; }
ktap_test_result "scatters data" free_some
was=$(counter stats/migrated)
trace isolate migrate putback
by_mm() { compact_memory 0; compact_memory 1; [ "$(counter stats/migrated)" -gt "$was" ]; }
ktap_test_result "compaction moves pages" wait_until 30 by_mm
echo 0 >"$tracing/events/enable"
# Between the event and the counter compaction may go on for a moment.
is "an event for each" "$(count migrate ' mode=\(async\|sync_light\|sync\) result=0 ')" -ge 1
few() { [ $(($(counter stats/migrated) - was - $(count migrate ' result=0 '))) -le 2 ]; }
ktap_test_result "and no more than were counted" few
if [ "$(mover)" = movable_ops ]; then
	is "isolated before" "$(count isolate ' result=0$')" -ge "$(count migrate ' result=0 ')"
else
	is "the page cache asks nobody" "$(count isolate)" = 0
fi
is "the validator agrees" "$(counter verify)" = ok
echo >"$tracing/trace"
drop_all
is "nobody traces: no event" "$(count free)" = 0

# --- re-pairing ---

# From an empty pool on, so that the events tell all that it has.
trace store free repair migrate
free_half() { write_blocks "$SCRATCH/data" && put free_every 2; }
ktap_test_result "stores data and frees half of them" free_half
at_rest
was=$(counter stats/repaired)
ktap_test_result "re-pairs" eval "echo 1 >$SYS/compact"
echo 0 >"$tracing/events/enable"
at_rest
adds_up "an event for each page that was won" "$(count repair ' result=0$')" -eq "$(($(counter stats/repaired) - was))"
ktap_test_result "what was told is what became of each zpage" python3 "$TOOLS/replay.py" "$tracing/trace" "$POOL/pages"
drop_all

# --- as the guide has it ---

if [ -e "$events/migrate/hist" ]; then
	guide() {
		local keys
		on_node 0 write_blocks "$SCRATCH/data" || return
		for keys in "${HISTOGRAMS[@]}"; do echo "hist:$keys" >>"$events/migrate/trigger" || return; done
		histograms_of_moves
	}
	ktap_test_result "histograms of the moves: who, and how long" guide
else
	ktap_test_skip "histograms of the moves: who, and how long" "this kernel has none"
fi
ktap_finished
