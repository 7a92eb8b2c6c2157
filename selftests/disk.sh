#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-long: built
# zbm-guest: shared
#
# The size of a disk, its end by reset, the making and removing of disks, and who may read or
# write which file, as Documentation/ABI/testing/sysfs-block-zbud has it: what each
# file takes, each error, and that nothing has changed after one. disk_knobs.sh has the
# files with which a disk is tuned.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 setpriv blockdev
load_module
scratch
real_data "$SCRATCH/data" 1
head -c 1M /dev/urandom >"$SCRATCH/random"
blocks=$(blocks_of "$SCRATCH/data")
ktap_set_plan 146

# --- a disk that has no size yet ---

is "there is one disk" "$(disks)" = 0
disk_figures >"$SCRATCH/fresh"
is "it has no size" "$(disk_file disksize) $(disk_file initstate) $(blockdev --getsize64 "$DATA")" = "0 0 0"
is "it holds nothing" "$(cat "$DISK_SYS"/{pages,zpages,unbuddied_pages,stored_bytes,large_zpages} "$DISK_SYS"/node*/* | sort -u)" = 0
is "mm_stat has nine figures" "$(disk_file mm_stat | wc -w) $(disk_file mm_stat | tr -s ' ' '\n' | grep . | sort -u)" = "9 0"
is "io_stat has four" "$(disk_file io_stat | wc -w) $(disk_file io_stat | tr -s ' ' '\n' | grep . | sort -u)" = "4 0"
is "debug_stat is of version 1" "$(disk_file debug_stat | tr -s ' \n' ' ' | sed 's/ $//;s/^ //')" = "version: 1 0 0"
is "nothing can be read" "$(dd if="$DATA" bs=4K count=1 status=none | wc -c)" = 0
is "nor written" "$(write_errno "$DATA" x)" = ENOSPC
is "it has no pool" "$([ -d "$POOL" ] && echo pool)" = ""
is "blocks have 4096 bytes" "$(cat "$DISK_SYS"/queue/{logical_block_size,physical_block_size,discard_granularity,rotational} | tr '\n' ' ')" = "4096 4096 4096 0 "

modes() {
	local want file
	while read -r want file; do
		for file in $file; do
			[ "$(stat -c '%a %U' "$file")" = "$want root" ] || { echo "$file: $(stat -c '%a %U' "$file")"; return 1; }
		done
	done <<-LIST
		400 $CONTROL/hot_add
		200 $CONTROL/hot_remove
		644 $DISK_SYS/disksize $DISK_SYS/comp_algorithm $DISK_SYS/mems
		644 $DISK_SYS/raw_threshold $DISK_SYS/raw_limit
		200 $DISK_SYS/reset $DISK_SYS/algorithm_params $DISK_SYS/mem_limit $DISK_SYS/mem_used_max
		444 $DISK_SYS/initstate $DISK_SYS/mm_stat $DISK_SYS/io_stat $DISK_SYS/debug_stat
		444 $DISK_SYS/large_zpages $DISK_SYS/mems_effective
		444 $DISK_SYS/pages $DISK_SYS/zpages $DISK_SYS/unbuddied_pages $DISK_SYS/stored_bytes
		444 $(echo "$DISK_SYS"/node*/*)
	LIST
}
ktap_test_result "modes are as documented" modes
# KNOBS: what can be written.
KNOBS="disksize reset comp_algorithm algorithm_params mem_limit mem_used_max raw_threshold raw_limit mems"
denied() { [[ $(as_nobody "$@" <<<1 2>&1 >/dev/null) == *'Permission denied' ]]; }
nobody_is_refused() {
	local file
	for file in $KNOBS; do
		denied tee "$DISK_SYS/$file" || { echo "$file can be written"; return 1; }
	done
	denied tee "$CONTROL/hot_remove" && denied cat "$CONTROL/hot_add" && denied head -c 1 "$DATA" || return
	as_nobody cat "$DISK_SYS"/{disksize,mm_stat,io_stat,mems,pages} >/dev/null
}
ktap_test_result "nobody can write anything, nor add or remove disks" nobody_is_refused
root_is_refused() {
	local file
	for file in initstate mm_stat io_stat debug_stat large_zpages mems_effective pages node0/pages; do
		case $(write_errno "$DISK_SYS/$file" 1) in
		EINVAL | EIO | EACCES | EPERM) ;;
		*) echo "$file: $(write_errno "$DISK_SYS/$file" 1)"; return 1 ;;
		esac
	done
	for file in reset algorithm_params mem_limit mem_used_max; do
		! cat "$DISK_SYS/$file" 2>/dev/null || { echo "could read $file"; return 1; }
	done
}
ktap_test_result "root cannot write figures nor read triggers" root_is_refused

# --- disksize ---

disk_refuses "$DISK_SYS/disksize" EINVAL 0 0K 00 "${NO_SIZES[@]}"
disk_refuses "$DISK_SYS/disksize" ENOMEM 8T 16000T
is "it is not initialised" "$(disk_file initstate)" = 0
# TEXT BYTES
while read -r text bytes; do
	disk_takes disksize "$text" "$bytes"
	is "$text: the disk is as large" "$(blockdev --getsize64 "$DATA") $(disk_file initstate)" = "$bytes 1"
	no_size
done <<-LIST
	1 4096
	4095 4096
	4096 4096
	4097 8192
	1K 4096
	5K 8192
	16M 16777216
	1G 1073741824
LIST
expect_errno "$DISK_SYS/disksize" $'16M\n' 0 "a newline"
is "it has a pool now" "$(cat "$POOL/verify")" = ok
ktap_test_result "it holds data" store "$SCRATCH/data"
disk_refuses "$DISK_SYS/disksize" EBUSY 16M 32M 4096
disk_refuses "$DISK_SYS/comp_algorithm" EBUSY "$(algorithm)" $'lz4\n'
disk_refuses "$DISK_SYS/algorithm_params" EBUSY level=1
disk_refuses "$DISK_SYS/reset" EINVAL 0 x " " -1
ktap_test_result "they are as they were" same_data "$SCRATCH/data"

# --- reset ---

exec {fd}<"$DATA"
disk_refuses "$DISK_SYS/reset" EBUSY 1
disk_refuses "$CONTROL/hot_remove" EBUSY 0
exec {fd}<&-
ktap_test_result "all that was open is as it was" same_data "$SCRATCH/data"
# While it is written by somebody who has it open all the time.
keep_writing() { while keep_on; do write_blocks "$SCRATCH/data" || return; done; }
at_exit "rm -f $SCRATCH/run; wait"
touch "$SCRATCH/run"
keep_writing 3<"$DATA" &
writer=$!
answers=$(for _ in $(seq 30); do write_errno "$DISK_SYS/reset" 1; write_errno "$CONTROL/hot_remove" 0; done | sort -u)
rm "$SCRATCH/run"
ktap_test_result "somebody writes" wait $writer
is "all the time both are refused" "$answers" = EBUSY
ktap_test_result "what was written is right" same_data "$SCRATCH/data"
expect_errno "$DISK_SYS/mem_limit" 8M 0
expect_errno "$DISK_SYS/raw_threshold" 3000 0
expect_errno "$DISK_SYS/raw_limit" 4M 0
ktap_test_result "stores what does not compress" write_blocks "$SCRATCH/random" 1000
expect_errno "$DISK_SYS/reset" 1 0
disk_figures >"$SCRATCH/is"
ktap_test_result "it is as it was when it was added" same_bytes "$SCRATCH/fresh" "$SCRATCH/is"
ktap_test_result "and nothing is left of what it held" nothing_is_stored
is "nor its pool" "$([ -d "$POOL" ] && echo pool)" = ""
expect_errno "$DISK_SYS/reset" 1 0 "reset again"
make_disk 32M
ktap_test_result "it holds much" dd if=/dev/urandom of="$DATA" bs=1M count=32 iflag=fullblock oflag=direct status=none
said=$(python3 "$TOOLS/open_while.py" "$DATA" "$DISK_SYS/reset" 1) || said="$said failed"
ktap_print_msg "while it is reset: $said"
is "nobody opens it while it is reset" "${said#refused=}" -gt 0
make_disk 16M
ktap_test_result "with a new size it is empty" same_blocks /dev/zero 0 0 4096
ktap_test_result "a discard" discard 7 100
is "is counted as zram does, each block" "$(disk_file io_stat | tr -s ' ')" = " 0 0 0 100"
no_size

# --- hot_add, hot_remove ---

disk_refuses "$CONTROL/hot_remove" EINVAL " " x -1 +1 "0 0" 0x0 0,
disk_refuses "$CONTROL/hot_remove" ENODEV 1 77 65535
id=$(hot_add)
is "hot_add makes a disk" "$(disks | tr '\n' ' ')" = "0 $id "
use_disk "$id"
disk_figures >"$SCRATCH/is"
ktap_test_result "it is as the first one was" same_bytes "$SCRATCH/fresh" "$SCRATCH/is"
make_disk 16M
ktap_test_result "it holds data" store "$SCRATCH/data"
exec {fd}<"$DATA"
expect_errno "$CONTROL/hot_remove" "$id" EBUSY "hot_remove while it is open: EBUSY"
exec {fd}<&-
ktap_test_result "and still does" same_data "$SCRATCH/data"
use_disk 0
make_disk 16M
ktap_test_result "the other one holds others" store "$SCRATCH/random"
is "both count" "$(counter zpages) $(disk_file zpages) $(cat /sys/block/zbud"$id"/zpages)" = "$((blocks + 256)) 256 $blocks"
ktap_test_result "figures add up" counters_add_up
expect_errno "$CONTROL/hot_remove" "$id"$'\n' 0
is "there is the first one only" "$(disks)" = 0
is "nothing is left of the other" "$(ls -d /dev/zbud"$id" "$DEBUGFS/disks/zbud$id" "$DEBUGFS/pools/zbud$id" 2>/dev/null)" = ""
is "with all that it held" "$(counter zpages)" -eq 256
ktap_test_result "what the first one holds is right" same_data "$SCRATCH/random"
expect_errno "$CONTROL/hot_remove" "$id" ENODEV
no_size
expect_errno "$CONTROL/hot_remove" 0 0
is "there is no disk" "$(disks)" = ""
ktap_test_result "and nothing is stored" nothing_is_stored

rounds=$(pick 10 5)
over_and_over() {
	local n id
	for ((n = 0; n < rounds; n++)); do
		echo "round $n"
		id=$(hot_add) && use_disk "$id" && set_disk disksize 16M && store "$SCRATCH/data" &&
			same_data "$SCRATCH/data" && hot_remove "$id" || return
	done
	nothing_is_stored
}
ktap_test_result "disks come and go, with what they hold" over_and_over
many() {
	local n ids=()
	for ((n = 0; n < 12; n++)); do ids+=("$(hot_add)") || return; done
	[ "$(disks | wc -l)" = 12 ] || return
	for n in "${ids[@]}"; do
		use_disk "$n" && set_disk disksize 4M && write_blocks "$SCRATCH/data" 0 $((n * 8 % 128)) 100 || return
	done
	for n in "${ids[@]}"; do use_disk "$n" && same_blocks "$SCRATCH/data" 0 $((n * 8 % 128)) 100 || return; done
	counters_add_up || return
	for n in "${ids[@]}"; do hot_remove "$n" || return; done
	nothing_is_stored
}
ktap_test_result "a dozen at a time, each with data of its own" many
ktap_test_result "the module can be unloaded" unload_module

# --- num_devices ---

for n in 0 1 3; do
	ktap_test_result "num_devices=$n" modprobe_module "num_devices=$n"
	is "so many disks" "$(disks | tr '\n' ' ')" = "$(seq -s ' ' 0 $((n - 1)) | sed 's/$/ /;s/^ $//')"
	ktap_test_result "unloads" unload_module
done
for n in 65537 4294967296 x -1; do
	is "num_devices=$n" "$(modprobe_module "num_devices=$n" 2>&1 | grep -o 'Invalid argument\|Numerical result out of range' | sed 's/Num.*/Invalid argument/')" = "Invalid argument"
done
is "nothing is left of these" "$(module_loaded || ls -d "$CONTROL" "$SYS" 2>/dev/null)" = ""
ktap_finished
