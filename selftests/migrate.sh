#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --nodes 4 --mem 1280M
# zbm-test: release stock
# zbm-long: built
#
# The knob `migrate`: what migrate_pages(2) does for a process's pages, for those of
# the pools. Relative placement is kept, sets of different size are folded, sets
# that overlap move no page twice, pages in use stay and are counted. Requests that
# end early, for want of memory or by a signal, say how far they came; there is one
# at a time. /proc/vmstat counts the pages that moved, and those that did not, as for
# migrate_pages(2). Contents are the same after each.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 4
need_command python3 numactl timeout
load_module
compact_alone
make_disk
need_file "$SYS/migrate"
scratch
real_data "$SCRATCH/data" "$(pick 12 8)"
real_data "$SCRATCH/more" "$(pick 48 32)"
blocks=$(($(stat -c %s "$SCRATCH/data") / 4096))
ktap_set_plan 68

on() { cat "$SYS/node$1/pages"; }
# shares: the pages on nodes 0 to 3.
shares() { echo "$(on 0) $(on 1) $(on 2) $(on 3)"; }
moves() { node_sum moved_out; }

# count_from_here, and counted NAME MOVED STAYED: what /proc/vmstat has counted since. mm may
# move a page or two of its own meanwhile.
count_from_here() { success=$(vmstat pgmigrate_success) fail=$(vmstat pgmigrate_fail); }
counted() {
	ktap_test_result "$1: pgmigrate_success, pgmigrate_fail" few_more \
		$(($(vmstat pgmigrate_success) - success - $2)) $(($(vmstat pgmigrate_fail) - fail - $3)) $((8 + $2 / 16))
}
# few_more SUCCESSES FAILURES LIMIT: no fewer, and at most LIMIT more.
few_more() {
	echo "$1 successes and $2 failures more than the pages"
	[ "$1" -ge 0 ] && [ "$1" -le "$3" ] && [ "$2" -ge 0 ] && [ "$2" -le "$3" ]
}

# spread N...: each of nodes 0 to 3 gets that many quarters of a quarter of the data,
# anew.
spread() {
	local node at=0 share
	drop_all && pool_is_empty || return
	for node in 0 1 2 3; do
		share=$((blocks * $1 / 16))
		on_node $node write_blocks "$SCRATCH/data" $at $at $share || return
		at=$((at + share))
		shift
	done
	mapfile -t was < <(on 0; on 1; on 2; on 3)
	stored=$at
}
intact() { pool_is_ok && same_blocks "$SCRATCH/data" 0 0 "$stored"; }

# request "FROM TO" EXPECTED MOVES STAY: EXPECTED are the pages that nodes 0 to 3 have
# then; those on the nodes of STAY are where they were.
request() {
	local before moved_before user_before
	before=$(shares) moved_before=$(moves) user_before=$(counter stats/user_moved)
	pool_pages | sort >"$SCRATCH/before"
	count_from_here
	ktap_test_result "migrate $1" eval "echo '$1' >$SYS/migrate"
	counted "migrate $1" "$3" 0
	is "migrate $1: from $before" "$(shares)" = "$2"
	is "migrate $1: each page moves once at most" $(($(moves) - moved_before)) -eq "$3"
	is "migrate $1: user_moved, not_moved" \
		"$(($(counter stats/user_moved) - user_before)) $(counter stats/not_moved)" = "$3 0"
	pool_pages | sort >"$SCRATCH/after"
	is "migrate $1: others stay" "$(comm -23 "$SCRATCH/before" "$SCRATCH/after" | grep -c " [$4]$")" -eq 0
	ktap_test_result "migrate $1: contents are the same" intact
}

ktap_test_result "stores on all nodes" spread 1 2 3 4
read -r a b c d <<<"${was[*]}"
is "each node has pages" "$((a > 50 && b > 50 && c > 50 && d > 50))" = 1
request "0 0" "$a $b $c $d" 0 0123
request "0-1 1-2" "0 $a $((b + c)) $d" $((a + b)) 23
request "1-2 0-1" "$a $((b + c)) 0 $d" $((a + b + c)) 03
request "0-1 2-3" "0 0 $a $((b + c + d))" $((a + b + c)) 23
spread 1 2 3 4
read -r a b c d <<<"${was[*]}"
request "0,2-3 1,3" "0 $((a + b)) 0 $((c + d))" $((a + c)) 13
request "all 2" "0 0 $((a + b + c + d)) 0" $((a + b + c + d)) 2
ktap_test_result "figures add up" counters_add_up

# A page in use stays, and moves when it is not in use any more.
ktap_test_result "pins 20 blocks" put pin "0 20"
pinned=$(pinned_pages | wc -l)
pages=$(counter pages)
count_from_here
ktap_test_result "migrate 2 0" eval "echo '2 0' >$SYS/migrate"
counted "pages in use" $((pages - pinned)) "$pinned"
is "pages in use are counted as not moved" "$(counter stats/not_moved) $(on 2)" = "$pinned $pinned"
is "the others have moved" "$(on 0)" -eq $((pages - pinned))
put unpin all
ktap_test_result "migrate 2 0 again" eval "echo '2 0' >$SYS/migrate"
is "now all have moved" "$(counter stats/not_moved) $(on 0)" = "0 $pages"
ktap_test_result "contents are the same" intact

# One at a time. Pages in use keep a request busy for a while.
put pin "0 20"
touch "$SCRATCH/run"
asker() { while keep_on; do write_errno "$SYS/migrate" "$1"; done >"$SCRATCH/$2"; }
asker "0 1" one & one=$!
asker "1 0" two & two=$!
asker "0-1 1-2" three & three=$!
sleep "$(pick 4 8)"
rm "$SCRATCH/run"
wait $one $two $three
put unpin all
answers=$(sort -u "$SCRATCH"/{one,two,three} | tr '\n' ' ')
ktap_print_msg "$(sort "$SCRATCH"/{one,two,three} | uniq -c | tr '\n' ' ')"
is "of two requests at a time one is refused with EBUSY" "$answers" = "0 EBUSY "
ktap_test_result "contents are the same" intact

# No memory at the destination: the rest of it is used, pages that stay are counted.
# More than what could be reclaimed for it.
ktap_test_result "stores more data on node 0" on_node 0 store "$SCRATCH/more"
ktap_test_result "all to node 0" eval "echo 'all 0' >$SYS/migrate"
at_rest
pages=$(counter pages)
min_free=$(cat /proc/sys/vm/min_free_kbytes)
at_exit "echo $min_free >/proc/sys/vm/min_free_kbytes"
echo 2048 >/proc/sys/vm/min_free_kbytes
echo 3 >/proc/sys/vm/drop_caches
# Page cache that the node still has is reclaimed for them once: then there is less.
for _ in 1 2 3 4 5; do
	occupy_node 3 8000 || break
	user_before=$(counter stats/user_moved)
	count_from_here
	errno=$(write_errno "$SYS/migrate" "0 3")
	[ "$errno" = 0 ] || break
	vacate_node
	echo 'all 0' >"$SYS/migrate"
done
is "node 3 was almost full" "${OCCUPIER:+full}" = full
moved=$(($(counter stats/user_moved) - user_before))
ktap_print_msg "$errno: $moved moved, $(counter stats/not_moved) not"
counted "no memory at the destination" "$moved" "$(counter stats/not_moved)"
is "no memory at the destination: ENOMEM" "$errno" = ENOMEM
adds_up "what was moved, and what was not, is all there is" \
	"$(on 3) $((moved + $(counter stats/not_moved))) $(on 0)" = "$moved $pages $((pages - moved))"
ktap_test_result "contents are the same" same_data "$SCRATCH/more"
vacate_node
ktap_test_result "with memory there it goes on" eval "echo '0 3' >$SYS/migrate"
is "all are there" "$(on 3)" -eq "$pages"

# A fatal signal ends it: it comes when the first pages have moved, and most have not.
early=0
for _ in $(seq 100); do
	from=3 to=0
	[ "$(on 3)" -gt 0 ] || from=0 to=3
	bash -c "echo '$from $to' >$SYS/migrate" &
	until [ "$(on "$to")" -gt 0 ] || ! kill -0 $! 2>/dev/null; do :; done
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
	# Pages that it had left are still there.
	[ "$(counter stats/not_moved)" = 0 ] || [ "$(on "$from")" != "$(counter stats/not_moved)" ] ||
		early=$((early + 1))
	[ "$early" -lt 3 ] || break
	echo "all $to" >"$SYS/migrate"
done
ktap_print_msg "$early requests ended early"
is "a fatal signal ends a request" "$early" -gt 0
ktap_test_result "figures add up" counters_add_up
ktap_test_result "contents are the same" same_data "$SCRATCH/more"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
