#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: rounds debug built
#
# Swap on the disk: a process that is larger than its memory group may be reads what it
# wrote, each page of it, of small pages and of huge ones, while pool pages move; what it frees
# is freed in the pool at once and in full, so that nothing but the header of the swap area is
# left. Several disks are filled by priority. A disk in use for swap can be neither reset
# nor removed. One that is full keeps the pages in memory, unharmed. Disks with
# swap come and go under load.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_swap
CGROUP=/sys/fs/cgroup/zbm
grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null || ktap_exit_skip "there is no memory controller"
load_module
make_disk 256M
if ! echo +memory >/sys/fs/cgroup/cgroup.subtree_control || ! mkdir $CGROUP; then
	ktap_exit_skip "no memory group can be made"
fi
at_exit "rmdir $CGROUP"
scratch
# Without blocks that are filled with one value: each page takes a zpage.
real_data "$SCRATCH/data" 2
hog_mib=$(pick 32 16)
rounds=3
! is_long || rounds=$((rounds * 30))
ktap_set_plan 82

# A group in which half of the process finds room.
limit=$((hog_mib / 2))
# confined: what the process is run by, in that group.
confined() {
	echo "${limit}M" >$CGROUP/memory.max
	# shellcheck disable=SC2016 # for the inner shell
	CONFINED=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CGROUP")
}
free_to_grow() { echo max >$CGROUP/memory.max; }
pages=$((hog_mib * 256))

# stored: the blocks on the disk, the header of the swap area among them.
stored() { echo $(($(mm_stat orig_data_size) / BLOCK_SIZE)); }
# follows: no more is on the disk than swap has in use, and the header.
follows() { [ "$(stored)" -le $(($(swapped_pages) + 1)) ] || { echo "$(stored) stored, $(swapped_pages) in use"; wrong_data; }; }
only_header() {
	[ "$(stored) $(disk_file zpages) $(miss_free)" = "1 1 0" ] ||
		{ echo "$(stored) blocks, $(disk_file zpages) zpages, $(miss_free) missed"; wrong_data; }
}
# settled: swap frees slots a batch at a time.
settled() { wait_until 10 follows; }

# --- one disk ---

ktap_test_result "swap on the disk" swap_on -p 100
is "has its priority" "$(awk -v name="$DATA" '$1 == name { print $5 }' /proc/swaps)" = 100
ktap_test_result "holds its header only" only_header
confined
freed=$(io_stat notify_free)
ktap_test_result "a process of $hog_mib MiB in $limit MiB" hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}"
ktap_print_msg "$(swapped_pages) of $pages pages are swapped out, $(counter pages) pages in the pool"
is "a third of it is swapped out" "$(swapped_pages)" -ge $((pages / 3))
is "onto the disk" "$(disk_file zpages)" -ge $((pages / 3))
ktap_test_result "and nothing else" follows
ktap_test_result "it reads what it wrote" hog_do read
is "what has been read is freed" $(($(io_stat notify_free) - freed)) -ge $((pages / 3))
ktap_test_result "it writes others" hog_do write 7
ktap_test_result "and reads them" hog_do read
ktap_test_result "the pool holds no more than swap has in use" settled

# --- while pages move ---

start_moving
ktap_test_result "writes others, while pages move" hog_do write 3
ktap_test_result "reads, while pages move" hog_do read
ktap_test_result "is put out, while pages move" hog_do out
ktap_test_result "reads, while pages move" hog_do read
stop_moving
is "pages did move" "$MOVED" -gt 100
ktap_test_result "the pool is ok" pool_is_ok

# --- in use ---

expect_errno "$DISK_SYS/reset" 1 EBUSY "reset while it is used for swap: EBUSY"
expect_errno "$CONTROL/hot_remove" 0 EBUSY "hot_remove while it is used for swap: EBUSY"
expect_errno "$DISK_SYS/disksize" 1G EBUSY "disksize while it is used for swap: EBUSY"
is "the module cannot be unloaded" "$(rmmod $MODULE 2>&1 | grep -o 'in use')" = "in use"
ktap_test_result "all is as it was" hog_do read

# --- the end of the process ---

ktap_test_result "is put out" hog_do out
is "almost all of it" "$(disk_file zpages)" -ge $((pages * 9 / 10))
ktap_test_result "the process ends" hog_stop
# Others may have been swapped out, too, but not into this group's share.
has_gone() { [ "$(disk_file zpages)" -le $((pages / 20)) ] && follows; }
ktap_test_result "what it had is freed" wait_until 20 has_gone
is "all slots" "$(miss_free)" -eq 0
is "notify_free counts each" $(($(io_stat notify_free) - freed)) -ge $((pages * 2))
ktap_test_result "swapoff" swap_off
ktap_test_result "leaves the header only" only_header
ktap_test_result "figures add up" counters_add_up
is "no I/O failed" "$(io_stat failed_reads) $(io_stat failed_writes) $(io_stat invalid_io)" = "0 0 0"

# --- swapoff under load ---

confined
swap_under_load() {
	swap_on && hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}" || return
	free_to_grow
	hog_ask write 5
	swap_off && hog_answer && hog_do read || return
	[ "$(wc -l </proc/swaps)" = 1 ]
}
ktap_test_result "swapoff while the process writes" swap_under_load
ktap_test_result "leaves the header only" only_header
again_under_load() { swap_on && hog_do out && hog_ask read && swap_off && hog_answer && hog_stop; }
ktap_test_result "swapoff while it reads" again_under_load
ktap_test_result "leaves the header only" only_header

# --- large folios ---

THP=/sys/kernel/mm/transparent_hugepage
# only_large KB: a process that asks for huge pages gets those of this size.
only_large() {
	local enabled
	for enabled in "$THP"/hugepages-*kB/enabled; do echo never >"$enabled"; done
	echo madvise >"$THP/hugepages-$1kB/enabled"
}
for enabled in "$THP"/hugepages-*kB/enabled; do
	[ ! -e "$enabled" ] || at_exit "echo $(grep -o '\[[a-z]*\]' "$enabled" | tr -d '[]') >$enabled"
done
# folios KB STAT: a counter of the folios of that size, where there is one.
folios() { cat "$THP/hugepages-$1kB/stats/$2" 2>/dev/null || echo 0; }
large_swapped() {
	confined
	HUGE=huge
	swap_on && hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}" && hog_do write 9 && hog_do out && hog_do read &&
		hog_do write 2 && hog_do out && hog_do read && hog_stop && swap_off
	set -- $?
	HUGE=''
	return "$1"
}
for kb in 64 2048; do
	if [ ! -e "$THP/hugepages-${kb}kB/stats/swpout" ]; then
		for name in "folios of $kb kB" "some go out as a whole" "some come back as a whole" "they leave the header only"; do
			ktap_test_skip "$name" "this kernel has none, or does not count them"
		done
		continue
	fi
	only_large $kb
	swpout=$(folios $kb swpout) swpin=$(folios $kb swpin)
	ktap_test_result "folios of $kb kB" large_swapped
	swpout=$(($(folios $kb swpout) - swpout)) swpin=$(($(folios $kb swpin) - swpin))
	ktap_print_msg "$swpout of $kb kB went out as a whole, $swpin came back so"
	is "some go out as a whole" "$swpout" -gt 0
	# mm has no huge page come back as a whole, nor any other once zswap was set up, and 6.12
	# does not count them.
	if [ $kb = 64 ] && [ -e $THP/hugepages-${kb}kB/stats/swpin ] && [ ! -e "$ZSWAP_DEBUGFS" ]; then
		is "some come back as a whole" "$swpin" -gt 0
	else
		ktap_test_skip "some come back as a whole" "not with this size, or on this kernel as it is"
	fi
	ktap_test_result "they leave the header only" only_header
done

# --- discard ---

# What was there before is in the way of nobody, until it is discarded.
leftovers() { write_blocks "$SCRATCH/data" 100 0 500 && swap_on && [ "$(stored)" = 501 ] && swap_off; }
ktap_test_result "swapon leaves what else is on the disk" leftovers
ktap_test_result "swapon -d" swap_on -d
ktap_test_result "discards it" only_header
discarded() {
	confined
	hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}" && hog_do read && hog_do write 1 && hog_do read && hog_stop
}
ktap_test_result "and works" discarded
ktap_test_result "the pool holds no more than swap has in use" settled
ktap_test_result "swapoff" swap_off
ktap_test_result "leaves the header only" only_header

# --- a disk that is full ---

confined
free_to_grow
full() {
	expect=$((4 << 20))
	set_disk mem_limit 4M && swap_on && hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}" && hog_do out || return
	[ "$(mm_stat mem_used_max)" -le "$expect" ] || wrong_data "$(mm_stat mem_used_max) bytes are used"
}
expect_errno "$DISK_SYS/mem_used_max" 0 0
quiet
ktap_test_result "with a limit of 4 MiB the rest is refused" full
is "and counted" "$(io_stat failed_writes)" -gt 0
ktap_test_result "the process reads all it wrote" hog_do read
ktap_test_result "and can write" hog_do write 4
ktap_test_result "be put out" hog_do out
ktap_test_result "and read" hog_do read
ktap_test_result "it ends, and so does swap" eval "hog_stop && swap_off"
loud 'rite-error on swap-device'
ktap_test_result "leaves the header only" only_header
set_disk mem_limit 0

# --- two disks ---

second=$(hot_add) small_mib=$((hog_mib / 6))
# used ID: pages swapped out to that disk.
used() { awk -v name="/dev/zbud$1" '$1 == name { print $4 / 4 }' /proc/swaps; }
by_priority() {
	confined
	use_disk "$second" && make_disk "${small_mib}M" && swap_on -p 10 && use_disk 0 && swap_on -p 5 &&
		hog_start "$SCRATCH/data" "$hog_mib" "${CONFINED[@]}" && hog_do out && hog_do read && hog_do out
}
ktap_test_result "two disks with priorities" by_priority
ktap_print_msg "$(used "$second") pages on the one with priority, $(used 0) on the other"
is "the one with priority is full" "$(used "$second")" -ge $((small_mib * 256 * 9 / 10))
is "the other has the rest" "$(used 0)" -ge $((pages / 3))
ktap_test_result "swapoff of the one that is full" swapoff "/dev/zbud$second"
is "moves all to the other" "$(used 0)" -ge $((pages / 3))
is "and leaves its header" "$(cat "/sys/block/zbud$second/zpages")" = 1
ktap_test_result "the process reads what it wrote" hog_do read
ktap_test_result "figures of both add up" eval "hog_stop && swap_off && counters_add_up"
ktap_test_result "a disk that swap has left can be removed" hot_remove "$second"

# --- over and over, under load ---

# Others look at all disks, and read from them, at any time. Somebody who has one open just
# then is in the way of its end for a moment.
looker() {
	local id
	for id in $(disks); do cat "/sys/block/zbud$id"/{mm_stat,io_stat,pages,node*/pages}; done >/dev/null 2>&1
	cat "$DEBUGFS"/pools/*/verify 2>/dev/null | grep -v '^ok$' && wrong_data
	return 0
}
reader() {
	local id
	for id in $(disks); do dd if="/dev/zbud$id" of=/dev/null bs=64K count=8 iflag=direct; done 2>/dev/null
	return 0
}
compactor() { compact_memory; sleep 0.2; }
swapper() {
	local id
	id=$(hot_add) && use_disk "$id" && make_disk 64M && mkswap "$DATA" >/dev/null && swapon -p 20 "$DATA" &&
		hog_do out && [ "$(stored)" -gt 100 ] && hog_do write 1 && swapoff "$DATA" && hog_do read && only_header || return
	wait_until 30 hot_remove "$id" 2>/dev/null
}
swapping() {
	local n
	for ((n = 0; n < rounds; n++)); do swapper || { echo "round $n"; return 1; }; done
}
confined
free_to_grow
ktap_test_result "a process that is swapped out at times" hog_start "$SCRATCH/data" 8 "${CONFINED[@]}"
use_disk 0
store "$SCRATCH/data"
start_workers looker reader compactor
ktap_test_result "disks come, are swapped to, and go, $rounds times" swapping
stop_workers
wait "${WORKERS[@]}"
workers_are_content
use_disk 0
ktap_test_result "what another disk held is right" same_data "$SCRATCH/data"

# --- slots that are freed while somebody reads them ---

# Such a block is locked, so whoever has it locked frees it.
block_reader() { dd if="$DATA" of=/dev/null bs=1M count=10 iflag=direct status=none; }
freeing() {
	local n
	for ((n = 0; n < rounds * 4; n++)); do hog_do out && hog_do drop && settled && hog_do write 1 || return; done
}
# Little more than the process needs: mm takes others of its slots each time.
small_disk() { reset_disk && make_disk 10M && swap_on; }
ktap_test_result "swap on a small disk" small_disk
start_workers block_reader
ktap_test_result "a process gives up what is swapped out, $((rounds * 4)) times" freeing
stop_workers
wait "${WORKERS[@]}"
workers_are_content
ktap_test_result "the process ends, and so does swap" eval "hog_stop && swap_off"
ktap_test_result "leaves the header only" only_header
ktap_test_result "a discard of all leaves no page" eval "drop_all && pool_is_empty"
ktap_finished
