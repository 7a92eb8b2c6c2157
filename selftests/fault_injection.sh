#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache
# zbm-long: debug
#
# Faults to order, at 1 to 100 %, while pages move and are re-paired. A page that cannot be had
# is ENOMEM for a store, and what was there stays. A page whose move fails stays where it is. One
# that cannot be copied is lost at once, and what is in it; nothing else is; and so is one that
# breaks just then. Once no fault is asked for any more all goes on as before. scripts/faults makes
# a table of the lines "row".

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command numactl python3 timeout
need_breaking
load_module
need_faults
compact_alone
make_disk 64M
scratch
real_data "$SCRATCH/data" "$(pick 4 1)"
seconds=$(pick 3 10)
ktap_set_plan 88

fresh() { on_node 0 store "$SCRATCH/data" && at_rest; }
re_pair() { echo 1 >"$SYS/compact"; }
keep_re_pairing() { while keep_on; do re_pair; sleep 0.1; done; }
# all_move: by compaction, requests and re-pairing, until stop_moving.
all_move() {
	start_moving
	keep_re_pairing &
	MOVING+=($!)
}
# under_fault NAME PERCENT: while all moves, for some seconds.
under_fault() { fault "$1" "$2" && all_move && sleep "$seconds" && stop_moving && no_fault && at_rest; }
# leave_node: from node 0 to node 1, or the other way round.
leave_node() { echo "$1 $((1 - $1))" >"$SYS/migrate" && [ "$(counter stats/not_moved)" = 0 ] && [ "$(counter "node$1/pages")" = 0 ]; }
# round_trip: of all pages; how many milliseconds it takes, the quickest of some.
round_trip() {
	local best='' n start
	for _ in 1 2 3 4 5; do
		start=$(date +%s%N)
		leave_node 0 && leave_node 1 || return
		n=$((($(date +%s%N) - start) / 1000000))
		[ -n "$best" ] && [ "$best" -le "$n" ] || best=$n
	done
	echo "$best"
}
# reads_but N: all blocks but for N are read, and right; the others give EIO.
reads_but() { read -ra lost_blocks <<<"$(unreadable "$SCRATCH/data")"; [ ${#lost_blocks[@]} = "$1" ]; }

ktap_test_result "stores data on node 0" fresh
before=$(round_trip)

# --- no page ---

# tries_to_store PERCENT: its ends are in $SCRATCH/ends.
tries_to_store() {
	local rc=0
	drop_all && at_rest && start_moving && fault fail_alloc "$1" || return
	python3 "$TOOLS/try_writes.py" "$DATA" "$SCRATCH/data" 0 >"$SCRATCH/ends" || rc=$?
	cat "$SCRATCH/ends"
	no_fault && stop_moving || return
	[ "$rc" != 2 ] || wrong_data || return
	[ "$rc" = 0 ] && ! grep -vE '^written=[0-9]+( ENOMEM=[0-9]+)?$' "$SCRATCH/ends"
}
stores_all() { write_blocks "$SCRATCH/data" && same_data "$SCRATCH/data"; }
no_memory() { sed -n 's/.*ENOMEM=//p' "$SCRATCH/ends"; }
for percent in 1 10 50 100; do
	failed=$(counter stats/alloc_failed)
	ktap_test_result "fail_alloc at $percent %: a store succeeds, or gives ENOMEM" tries_to_store "$percent"
	ktap_print_msg "$(cat "$SCRATCH/ends")"
	[ "$percent" != 100 ] || is "no store succeeds when none gets a page" "$(grep -c '^written=0 ' "$SCRATCH/ends")" = 1
	is "alloc_failed counts" "$(($(counter stats/alloc_failed) - failed))" -ge "$(($(no_memory)))"
	ktap_test_result "afterwards all can be stored" stores_all
	at_rest
	ktap_test_result "figures add up" counters_add_up
done

# --- no move ---

for percent in 1 10 50 100; do
	ktap_test_result "stores data on node 0" fresh
	busy=$(counter stats/migrate_busy)
	ktap_test_result "fail_migrate at $percent %, while all moves" under_fault fail_migrate "$percent"
	ktap_print_msg "row fail_migrate $percent moves tried=$((MOVED + $(counter stats/migrate_busy) - busy)) failed=$(($(counter stats/migrate_busy) - busy))"
	is "moves failed" "$(counter stats/migrate_busy)" -gt "$busy"
	if [ "$percent" = 100 ]; then is "no page moved" "$MOVED" = 0; else is "pages moved" "$MOVED" -gt 0; fi
	ktap_test_result "the data are the same" same_data "$SCRATCH/data"
	ktap_test_result "figures add up" counters_add_up
done

# --- no copy ---

quiet
was=$(broken_kb)
ktap_test_result "stores data on node 0" fresh
lost=$(counter stats/lost_pages)
ktap_test_result "fail_copy at five pages" fault fail_copy 100 5
ktap_test_result "a request moves the others" leave_node 0
no_fault
at_rest
is "five are lost" "$(($(counter stats/lost_pages) - lost))" = 5
ktap_test_result "what was in them cannot be read, all else can" reads_but "$(disk_file lost_zpages)"
is "that is something" ${#lost_blocks[@]} -ge 5
ktap_test_result "figures add up" counters_add_up
put free_every 2
punched "$SCRATCH/data" 2
ktap_test_result "fail_copy at three zpages" fault fail_copy 100 3
ktap_test_result "re-pairs the others" re_pair
no_fault
at_rest
is "three more pages are lost" "$(($(counter stats/lost_pages) - lost))" = 8
ktap_test_result "what was in them cannot be read, all else can" reads_but "$(disk_file lost_zpages)"
ktap_test_result "figures add up" counters_add_up
mended() { mend_all && [ "$(broken_kb)" = "$was" ]; }
# mm is told from a work queue.
told() { [ $(($(broken_kb) - was)) = 32 ]; }
ktap_test_result "mm is told of eight" wait_until 20 told
ktap_test_result "all is freed" eval "drop_all && at_rest && pool_is_empty"
if [ "$(mover)" = movable_ops ]; then
	ktap_test_result "mm has its eight frames back" mended
else
	ktap_test_skip "mm has its eight frames back" "it has a reference for itself when it finds a page that the pool has left"
fi

real_data "$SCRATCH/data" "$(pick 4 1)"
for percent in 1 10 50 100; do
	ktap_test_result "stores data on node 0" fresh
	lost=$(counter stats/lost_pages) repaired=$(counter stats/repaired)
	ktap_test_result "fail_copy at $percent %, while all moves" under_fault fail_copy "$percent"
	lost_now=$(($(counter stats/lost_pages) - lost)) repaired=$(($(counter stats/repaired) - repaired))
	ktap_print_msg "row fail_copy $percent copies tried=$((MOVED + repaired + lost_now)) failed=$lost_now zpages_lost=$(disk_file lost_zpages)"
	is "pages are lost" "$(counter stats/lost_pages)" -gt "$lost"
	ktap_test_result "what was in them cannot be read, all else can" reads_but "$(disk_file lost_zpages)"
	ktap_test_result "figures add up" counters_add_up
done

# --- memory that breaks during the last attempt at a move ---

small_data "$SCRATCH/data" 1
ktap_test_result "stores a page on node 0" fresh
read -r pfn _ <<<"$(pool_pages)"
lost=$(counter stats/lost_pages)
last_attempt() { [ "$(cat "$DEBUGFS/fail_migrate/times")" = 1 ] && grep -q ' Moving$' "$POOL/pages"; }
# slow_request: in the background. The message about a fault takes so long, and the zpages are
# frozen meanwhile; so often a request tries.
slow_request() {
	echo 1500 >/proc/sys/kernel/printk_delay
	fault fail_migrate 100 10 && echo 1 >"$DEBUGFS/fail_migrate/verbose" || return
	echo '0 1' >"$SYS/migrate" &
	REQUEST=$!
}
# breaks_late: during the last of them. On a busy machine that is not always seen.
breaks_late() {
	local _
	for _ in 1 2 3 4 5; do
		slow_request || return
		while kill -0 "$REQUEST" 2>/dev/null; do
			last_attempt || continue
			# mm is to be heard before that ends.
			echo 0 >/proc/sys/kernel/printk_delay
			break_frame "$pfn"
			wait "$REQUEST"
			return
		done
		wait "$REQUEST"
	done
	return 1
}
at_exit "echo $(cat /proc/sys/kernel/printk_delay) >/proc/sys/kernel/printk_delay"
ktap_test_result "it breaks" breaks_late
echo 0 >/proc/sys/kernel/printk_delay
no_fault
is "it has not moved" "$(counter stats/not_moved)" = 1
lost_one() { [ $(($(counter stats/lost_pages) - lost)) = 1 ]; }
ktap_test_result "it is lost when that ends" wait_until 20 lost_one
ktap_test_result "figures add up" counters_add_up
loud '(Memory failure|Unpoison|FAULT_INJECTION): |name fail_migrate,'

# --- afterwards ---

real_data "$SCRATCH/data" "$(pick 4 1)"
ktap_test_result "stores data on node 0" fresh
is "nothing is lost" "$(disk_file lost_zpages)" = 0
after=$(round_trip)
ktap_print_msg "a round trip of all pages: $before ms before, $after ms now"
is "moves are as quick as before" "$after" -le $((3 * before))
ktap_test_result "the data are right" same_data "$SCRATCH/data"
ktap_test_result "all is freed" eval "drop_all && at_rest && pool_is_empty"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
