#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: debug built
#
# What is left of a disk's data in many leaves, the pages in which a pool describes its pages, is
# gathered in few when the disk is compacted: the pool hardly grows meanwhile, and not to its limit;
# it stays on its node, and the same, whatever breaks, or is written, read, freed, moved or removed
# at that time.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 timeout
need_nodes 2
modprobe -q hwpoison-inject
compact_alone
load_module
scratch
seconds=$(pick 10 30)
! is_long || seconds=120
ktap_set_plan 65
blocks=$(pick 4000 2000)

thinned() {
	local rc=0
	"${PLACE[@]}" python3 "$TOOLS/thinned.py" "$@" || rc=$?
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
compact() { echo 1 >"$SYS/compact"; }
compact_disk() { set_disk compact 1; }
# prepare: a fifth of the pages is left, with two zpages each, on two nodes.
prepare() {
	drop_all && at_rest || return
	on_node 0 thinned store "$DATA" 0 $((blocks / 2)) 5 &&
		on_node 1 thinned store "$DATA" $((blocks / 2)) $((blocks / 2)) 5 || return
	for part in 0 $((blocks / 2)); do thinned thin "$DATA" "$part" $((blocks / 2)) 5 || return; done
	at_rest && set_disk mem_used_max 0
}
checked() {
	for part in 0 $((blocks / 2)); do thinned check "$DATA" "$part" $((blocks / 2)) 5 || return; done
}
on_nodes() { cat "$DISK_SYS"/node[01]/zpages | tr '\n' ' '; }
# gathers HOW: by that function above.
gathers() {
	local pages zpages gathered
	ktap_test_result "few are left of many" prepare
	pages=$(disk_file pages) zpages=$(on_nodes) gathered=$(counter stats/gathered)
	is "they share pages" "$(disk_file unbuddied_pages)" -le 2
	ktap_test_result "$1" "$1"
	at_rest
	# The others are in leaves that are filled with these.
	is "most are gathered" "$(($(counter stats/gathered) - gathered))" -ge $((pages * 2 * 6 / 10))
	# A sixteenth, and what a step adds: see disk/compaction.rs.
	is "the pool has not grown much meanwhile" $(($(mm_stat mem_used_max) / BLOCK_SIZE)) -le $((pages + pages / 16 + 64 + 64))
	ktap_print_msg "$pages pages, $(disk_file pages) now, $(($(mm_stat mem_used_max) / BLOCK_SIZE)) meanwhile; $(($(counter stats/gathered) - gathered)) gathered"
	is "it has no more pages" "$(disk_file pages)" -le "$pages"
	is "each is on its node" "$(on_nodes)" = "$zpages"
	ktap_test_result "contents are the same" checked
	ktap_test_result "figures add up" counters_add_up
}

make_disk $((blocks * BLOCK_SIZE))
gathers compact_disk
gathers compact
# settles: pages that were kept without zpages keep leaves, too, until they go.
settles() {
	local _
	for _ in 1 2 3 4 5; do
		gathered=$(counter stats/gathered)
		compact && at_rest || return
		[ "$(counter stats/gathered)" != "$gathered" ] || return 0
	done
	return 1
}
ktap_test_result "then there is nothing to gather soon" settles

# --- pins ---

ktap_test_result "few are left of many" prepare
ktap_test_result "two blocks are pinned" eval "put pin 0 && put pin $((blocks / 2))"
zpages=$(on_nodes)
ktap_test_result "compact" compact_disk
at_rest
is "nothing is stored twice" "$(on_nodes)" = "$zpages"
adds_up "pins are where they were" "$(pins)" -eq 2
ktap_test_result "unpin all" put unpin all
ktap_test_result "contents are the same" checked

# --- limits ---

ktap_test_result "few are left of many" prepare
pages=$(disk_file pages)
gathered=$(counter stats/gathered)
ktap_test_result "with a limit a little above" set_disk mem_limit $(((pages + 60) * BLOCK_SIZE))
ktap_test_result "compact" compact_disk
is "nothing is gathered" "$(counter stats/gathered)" = "$gathered"
is "so the pool has not grown" $(($(mm_stat mem_used_max) / BLOCK_SIZE)) -le "$pages"
set_disk mem_limit 0
on_node_1=$(disk_file node1/zpages)
ktap_test_result "mems without node 1" set_disk mems 0
ktap_test_result "compact" compact_disk
is "what is gathered goes where it may be" "$(disk_file node1/zpages)" -le $((on_node_1 * 8 / 10))
ktap_test_result "contents are the same" checked
set_disk mems all

# --- a node without memory ---

# beyond_min: node 0 has less than its zones are to keep.
beyond_min() {
	at_exit "echo $min_free >/proc/sys/vm/min_free_kbytes"
	echo 3 >/proc/sys/vm/drop_caches
	# Who fills the node must have that much left.
	echo 4096 >/proc/sys/vm/min_free_kbytes && occupy_node 0 24000 || return
	echo 131072 >/proc/sys/vm/min_free_kbytes
}
min_free=$(cat /proc/sys/vm/min_free_kbytes)
ktap_test_result "few are left of many" prepare
on_node_1=$(disk_file node1/zpages)
gathered=$(counter stats/gathered)
ktap_test_result "node 0 has no memory to spare" beyond_min
ktap_test_result "compact" compact_disk
gathered=$(($(counter stats/gathered) - gathered))
is "what is on node 1 is gathered" "$gathered" -ge $((on_node_1 * 6 / 10))
ktap_print_msg "$gathered gathered; node 1 had $on_node_1 zpages"
echo "$min_free" >/proc/sys/vm/min_free_kbytes
vacate_node
ktap_test_result "contents are the same" checked

# --- memory that breaks, and a killed writer ---

lost=$(counter stats/lost_pages)
if [ -e "$DEBUGFS/fail_copy" ]; then
	quiet
	ktap_test_result "few are left of many" prepare
	ktap_test_result "fail_copy at three zpages" fault fail_copy 100 3
	ktap_test_result "compact" compact_disk
	no_fault
	loud 'Memory failure: '
	at_rest
	is "three pages are lost" "$(($(counter stats/lost_pages) - lost))" = 3
	is "with what was in them" "$(disk_file lost_zpages)" -ge 3
	ktap_test_result "figures add up" counters_add_up
	ktap_test_result "all is freed" eval "drop_all && at_rest"
	if [ "$(mover)" = movable_ops ]; then
		ktap_test_result "mm has the frames back" wait_until 20 mend_all
	else
		ktap_test_skip "mm has the frames back" "it has a reference for itself when it finds a page that the pool has left"
	fi
else
	for name in "few are left of many" "fail_copy at three zpages" "compact" "three pages are lost" "with what was in them" "figures add up" "all is freed" "mm has the frames back"; do
		ktap_test_skip "$name" "the kernel has no fault injection"
	done
fi
ktap_test_result "few are left of many" prepare
killed() {
	local ms
	for ms in 001 005 010 020 040; do timeout -s KILL "0.$ms" bash -c "while :; do echo 1 >$DISK_SYS/compact; done"; done
	checked
}
ktap_test_result "who compacts is killed" killed
ktap_test_result "figures add up" counters_add_up

# --- with all that goes on ---

half=$((blocks / 2))
ktap_test_result "all is freed" drop_all
ktap_test_result "half of the disk is thinned" eval "thinned store $DATA 0 $half 7 && thinned thin $DATA 0 $half 7"
second=$(hot_add)
compacter() { compact; }
other() { compact_disk; }
reader() { thinned check "$DATA" 0 "$half" 7; }
writer() {
	local part=$((half / 4)) each
	for each in 3 9; do
		thinned store "$DATA" "$half" "$part" "$each" && thinned thin "$DATA" "$half" "$part" "$each" &&
			thinned check "$DATA" "$half" "$part" "$each" || return
	done
}
resetter() {
	local path=/dev/zbud$second part=$((half / 8)) each
	for each in 4 8; do
		printf '%s' $((half * BLOCK_SIZE)) >"/sys/block/zbud$second/disksize" || return
		thinned store "$path" 0 "$part" "$each" && thinned thin "$path" 0 "$part" "$each" &&
			thinned check "$path" 0 "$part" "$each" || return
		udev_is_done && echo 1 >"/sys/block/zbud$second/reset" || return
	done
	hot_remove "$second" && [ "$(hot_add)" = "$second" ]
}
mover() { compact_memory && echo '0 1' >"$SYS/migrate" && echo '1 0' >"$SYS/migrate"; }
pinner() { put pin 0 && put pin 1 && sleep 0.1 && put unpin 0 && put unpin 1; }
shower() { pool_is_ok && cat "$SYS/verify" "$POOL/pages" >/dev/null; }
gathered=$(counter stats/gathered)
start_workers compacter other reader writer resetter mover pinner shower
quiet
sleep "$seconds"
stop_workers
wait "${WORKERS[@]}"
loud '(zbud[0-9]+: detected capacity change|set_capacity_and_notify: )'
workers_are_content
is "zpages were gathered meanwhile" "$(counter stats/gathered)" -gt "$gathered"
ktap_test_result "the second disk goes" hot_remove "$second"
ktap_test_result "all is freed then" drop_all
ktap_test_result "nothing is left" pool_is_empty
ktap_finished
