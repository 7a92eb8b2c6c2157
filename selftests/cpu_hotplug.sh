#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-long: rounds debug
#
# Processors go and come back, one by one and all but the first at once, while a process is
# swapped to one disk, another disk is written and read, and pages move. A disk compresses in
# streams, one for each processor that there may ever be: a request may begin on a processor
# that is gone when it ends. All data are right, no request fails, and a disk that was made
# while all but one processor were away serves the others when they are back.

. "$(dirname "$0")/lib.sh"
ktap_print_header

CPU_SYS=/sys/devices/system/cpu
need_root
need_swap
need_command taskset
need_file $CPU_SYS/cpu1/online
cpus=()
for cpu in "$CPU_SYS"/cpu[1-9]*; do
	[ "$(cat "$cpu/online")" != 1 ] || cpus+=("${cpu##*/cpu}")
done
[ ${#cpus[@]} -ge 3 ] || ktap_exit_skip "needs three processors that can go"
load_module
scratch
real_data "$SCRATCH/data" 2
hog_mib=$(pick 16 8)
seconds=$(pick 15 60)
! is_long || seconds=300
ktap_set_plan $((23 + 2 * (${#cpus[@]} + 1)))

turn() { echo "$1" >"$CPU_SYS/cpu$2/online"; }
turn_all() { local cpu; for cpu in "${cpus[@]}"; do turn "$1" "$cpu" || return; done; }
online() { cat $CPU_SYS/online; }
all_back() { local cpu; for cpu in "${cpus[@]}"; do [ "$(cat "$CPU_SYS/cpu$cpu/online")" = 1 ] || turn 1 "$cpu"; done; }
at_exit all_back
all=$(online)

# --- a disk made while only one processor is there ---

ktap_test_result "all but the first go" turn_all 0
is "there is one" "$(online)" = 0
make_disk 64M
ktap_test_result "a disk that is made now stores" store "$SCRATCH/data"
ktap_test_result "the others are back" turn_all 1
is "all of them" "$(online)" = "$all"
on_cpu() {
	# shellcheck disable=SC2034 # see data.sh
	local cpu=$1 PLACE=(taskset -c "$1")
	"${@:2}"
}
for cpu in 0 "${cpus[@]}"; do
	ktap_test_result "processor $cpu reads" on_cpu "$cpu" same_blocks "$SCRATCH/data"
	ktap_test_result "and writes anew" on_cpu "$cpu" store "$SCRATCH/data"
done
ktap_test_result "what the last has written is right" same_data "$SCRATCH/data"

# --- while all is in use ---

second=$(hot_add)
use_disk "$second"
make_disk 128M
ktap_test_result "swap on another" swap_on
ktap_test_result "a process" hog_start "$SCRATCH/data" "$hog_mib"
ktap_test_result "is put out" hog_do out
is "most of it" "$(swapped_pages)" -ge $((hog_mib * 200))
hotplugger() {
	local cpu
	for cpu in "${cpus[@]}"; do turn 0 "$cpu" && turn 1 "$cpu" || return; done
	turn_all 0 && [ "$(online)" = 0 ] && sleep 0.2 && turn_all 1 && [ "$(online)" = "$all" ]
}
compactor() { compact_memory; sleep 0.2; }
writer() { use_disk 0; write_blocks "$SCRATCH/data" $((RANDOM % 64 * 16)) && drop_all && write_blocks "$SCRATCH/data" && same_blocks "$SCRATCH/data"; }
checker() { sleep 0.5; cat "$DEBUGFS"/pools/*/verify | grep -v '^ok$' && wrong_data; return 0; }
swapping() {
	local end=$((SECONDS + seconds)) n=0
	# As long as it takes for a few, on a machine that is busy
	while [ "$SECONDS" -lt "$end" ] || [ "$n" -lt 3 ]; do
		hog_do write 1 && hog_do out && hog_do read || return
		n=$((n + 1))
	done
	ROUNDS=$n
}
moved=$(counter stats/migrated) ROUNDS=0
quiet
start_workers hotplugger compactor writer checker
ktap_test_result "the process is swapped out and in while processors go and come" swapping
stop_workers
wait "${WORKERS[@]}"
loud 'smpboot: |x86: Booting SMP|Booting Node|is now offline|IRQ.*affinity|irq_migrate|kvm-clock'
workers_are_content
moved=$(($(counter stats/migrated) - moved))
ktap_print_msg "$ROUNDS times out and in, $moved moves"
is "pages did move" "$moved" -gt 100
is "all processors are back" "$(online)" = "$all"

# --- afterwards ---

ktap_test_result "the process ends, and so does swap" eval "hog_stop && swap_off"
is "no I/O failed" "$(io_stat failed_reads) $(io_stat failed_writes)" = "0 0"
is "only the header of the swap area is left" "$(disk_file zpages)" = 1
use_disk 0
is "nor on the other disk" "$(io_stat failed_reads) $(io_stat failed_writes)" = "0 0"
ktap_test_result "what it holds is right" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_finished
