#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-guest: shared
#
# A disk's files in sysfs, and the making and removing of disks, as
# Documentation/ABI/testing/sysfs-block-zbud has them: what each file takes, each error, and
# that nothing has changed after one. A limit is kept, and a write beyond it leaves the
# block as it was. Whatever a file was set to, the data are right.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 setpriv blockdev
load_module
scratch
real_data "$SCRATCH/data" 1
head -c 1M /dev/urandom >"$SCRATCH/random"
blocks=$(blocks_of "$SCRATCH/data")

# figures: what the disk tells of itself, but for what its pages share with others.
figures() {
	(cd "$DISK_SYS" && grep '' size disksize initstate comp_algorithm {mm,io,debug}_stat raw_{threshold,limit} \
		large_zpages mems mems_effective pages zpages unbuddied_pages stored_bytes node*/*)
}
# refuses FILE ERRNO TEXT...: each gives ERRNO; no figure of the disk has changed.
refuses() {
	local file=$1 errno=$2 text
	figures >"$SCRATCH/was"
	for text in "${@:3}"; do expect_errno "$file" "$text" "$errno"; done
	figures >"$SCRATCH/is"
	ktap_test_result "$(basename "$file"), $errno: nothing has changed" same_bytes "$SCRATCH/was" "$SCRATCH/is"
}
# takes FILE TEXT SHOWN: a file of the disk.
takes() {
	expect_errno "$DISK_SYS/$1" "$2" 0
	is "$1 is $3 then" "$(disk_file "$1")" = "$3"
}
# anew: the disk without a size, as it was added.
anew() { reset_disk || ktap_exit_fail_msg "$DISK cannot be reset"; }
# tried FILE [AT]: how writes of its blocks end.
tried() {
	local rc=0
	python3 "$TOOLS/try_writes.py" "$DATA" "$1" "${2:-0}" >"$SCRATCH/tried" || rc=$?
	ktap_print_msg "$(cat "$SCRATCH/tried")"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# ended NAME: how many of these ended so.
ended() { grep -o "\b$1=[0-9]*" "$SCRATCH/tried" | cut -d = -f 2; }

# --- a disk that has no size yet ---

is "there is one disk" "$(disks)" = 0
figures >"$SCRATCH/fresh"
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

long=$(printf '%065d' 1)
page=$(printf '%4095s' 1M) # the longest that sysfs hands on
junk=(" " $'\n' x M -1 +1 1X 1MM "1 M x" "1M 1M" 1.5M "," $'1\xff' 18446744073709551616 16777216T)
refuses "$DISK_SYS/disksize" EINVAL 0 0K 00 "${junk[@]}"
refuses "$DISK_SYS/disksize" ENOMEM 8T 16000T
is "it is not initialised" "$(disk_file initstate)" = 0
# TEXT BYTES
while read -r text bytes; do
	takes disksize "$text" "$bytes"
	is "$text: the disk is as large" "$(blockdev --getsize64 "$DATA") $(disk_file initstate)" = "$bytes 1"
	anew
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
refuses "$DISK_SYS/disksize" EBUSY 16M 32M 4096
refuses "$DISK_SYS/comp_algorithm" EBUSY "$(algorithm)" $'lz4\n'
refuses "$DISK_SYS/algorithm_params" EBUSY level=1
refuses "$DISK_SYS/reset" EINVAL 0 x " " -1
ktap_test_result "they are as they were" same_data "$SCRATCH/data"

# --- reset ---

exec {fd}<"$DATA"
refuses "$DISK_SYS/reset" EBUSY 1
refuses "$CONTROL/hot_remove" EBUSY 0
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
figures >"$SCRATCH/is"
ktap_test_result "it is as it was when it was added" same_bytes "$SCRATCH/fresh" "$SCRATCH/is"
ktap_test_result "and nothing is left of what it held" nothing_is_stored
is "nor its pool" "$([ -d "$POOL" ] && echo pool)" = ""
expect_errno "$DISK_SYS/reset" 1 0 "reset again"
make_disk 16M
ktap_test_result "with a new size it is empty" same_blocks /dev/zero 0 0 4096
anew

# --- comp_algorithm, algorithm_params ---

all=$(algorithms)
is "one is chosen" "$(wc -w <<<"$(algorithm)")" = 1
is "of those that are known" "$(not_in "$all" "lz4 lzo lzo-rle zstd")" = ""
refuses "$DISK_SYS/comp_algorithm" EINVAL " " none lz LZ4 "lz4 zstd" "[lz4]" "$long" "$page"
refuses "$DISK_SYS/algorithm_params" EINVAL " " x level level= level=x algo=none algo= foo=1 "level=1 x" "$page"
for name in $all; do
	expect_errno "$DISK_SYS/comp_algorithm" "$name"$'\n' 0 "comp_algorithm $name"
	is "$name is the one" "$(algorithm) $(algorithms)" = "$name $all"
	make_disk 16M
	ktap_test_result "$name: stores data" store "$SCRATCH/data"
	ktap_test_result "$name: they are right" same_data "$SCRATCH/data"
	ktap_test_result "$name: stores what does not compress" write_blocks "$SCRATCH/random" 1000
	ktap_test_result "$name: it is right" same_blocks "$SCRATCH/random" 1000
	ktap_test_result "$name: figures add up" counters_add_up
	is "$name: it compresses" "$(mm_stat compr_data_size)" -lt $(((blocks * 3 / 4 + 256) * BLOCK_SIZE))
	ktap_print_msg "$name: $((blocks * BLOCK_SIZE)) bytes become $(($(mm_stat compr_data_size) - 256 * BLOCK_SIZE))"
	anew
done
if [[ " $all " == *" zstd "* ]]; then
	refuses "$DISK_SYS/algorithm_params" EINVAL "algo=zstd level=23" "algo=zstd level=100000"
	for level in 1 15; do
		expect_errno "$DISK_SYS/algorithm_params" "algo=zstd level=$level" 0
		is "zstd is the one" "$(algorithm)" = zstd
		make_disk 16M
		ktap_test_result "zstd, level $level: stores data" store "$SCRATCH/data"
		ktap_test_result "zstd, level $level: they are right" same_data "$SCRATCH/data"
		sizes[level]=$(mm_stat compr_data_size)
		anew
	done
	is "a higher level compresses better" "${sizes[15]}" -lt "${sizes[1]}"
fi
is "reset has chosen the first one again" "$(disk_file comp_algorithm)" = "$(sed -n 's/^comp_algorithm://p' "$SCRATCH/fresh")"

# --- mem_limit, mem_used_max ---

refuses "$DISK_SYS/mem_limit" EINVAL "${junk[@]}"
refuses "$DISK_SYS/mem_used_max" EINVAL 1 x " " -1 00x
make_disk 16M
refuses "$DISK_SYS/mem_limit" EINVAL x 1X -1
refuses "$DISK_SYS/mem_used_max" EINVAL 1 x
expect_errno "$DISK_SYS/mem_limit" 5000 0
is "it is rounded up" "$(mm_stat mem_limit)" = 8192
expect_errno "$DISK_SYS/mem_limit" 0 0
ktap_test_result "stores data" store "$SCRATCH/data"
at_rest
limit=$(($(mm_stat mem_used_total) + 64 * BLOCK_SIZE))
expect_errno "$DISK_SYS/mem_limit" $limit 0
ktap_test_result "what fails beyond the limit leaves what was there" tried "$SCRATCH/random" 1000
is "as much as fits was written" "$(ended written) $(ended ENOMEM)" = "64 192"
adds_up "not a page more is taken" "$(mm_stat mem_used_total) $(mm_stat mem_used_max)" = "$limit $limit"
is "failures are counted" "$(io_stat failed_writes)" -eq 192
ktap_test_result "others are as they were" same_blocks "$SCRATCH/data"
ktap_test_result "overwriting is no exception" tried "$SCRATCH/random" 0
adds_up "not a page more is taken" "$(mm_stat mem_used_max)" -eq "$limit"
too_much() { ! write_blocks "$SCRATCH/random" 2000 2>/dev/null; }
ktap_test_result "a large request fails as a whole, or in part" too_much
adds_up "not a page more is taken" "$(mm_stat mem_used_max)" -eq "$limit"
ktap_test_result "figures add up" counters_add_up
# What is filled with one value takes no memory.
ktap_test_result "zeroes can be written all the same" write_blocks /dev/zero 3000 0 100
expect_errno "$DISK_SYS/mem_limit" 4096 0 "a limit below what is used"
ktap_test_result "takes nothing away" same_blocks "$SCRATCH/random" 1000 0 64
ktap_test_result "a discard makes room" discard 0 4096
expect_errno "$DISK_SYS/mem_limit" 1M 0
at_rest
ktap_test_result "for as much as the limit allows" write_blocks "$SCRATCH/random"
is "of it" "$(mm_stat mem_used_total)" -eq $((1 << 20))
ktap_test_result "it is right" same_data "$SCRATCH/random"
expect_errno "$DISK_SYS/mem_limit" 0 0 "no limit"
ktap_test_result "twice as much can be written" write_blocks "$SCRATCH/random" 1000
used=$(mm_stat mem_used_max)
discard 1000 256
at_rest
is "mem_used_max stays" "$(mm_stat mem_used_max) $(($(mm_stat mem_used_total) < used))" = "$used 1"
expect_errno "$DISK_SYS/mem_used_max" 0 0
is "until it begins anew" "$(mm_stat mem_used_max)" -eq "$(mm_stat mem_used_total)"
anew

# --- raw_threshold, raw_limit, large_zpages ---

is "raw_threshold is 4032" "$(disk_file raw_threshold)" = 4032
refuses "$DISK_SYS/raw_threshold" EINVAL " " x -1 4097 1x "1 1" 65536
refuses "$DISK_SYS/raw_threshold" ERANGE 18446744073709551616
is "there is no raw_limit" "$(disk_file raw_limit)" = max
refuses "$DISK_SYS/raw_limit" EINVAL "${junk[@]}" "max 1" maximum
make_disk 16M
refuses "$DISK_SYS/raw_threshold" EINVAL x 4097
refuses "$DISK_SYS/raw_limit" EINVAL x 1X "max 1"
raw() { echo "$(mm_stat huge_pages) $(disk_file large_zpages)"; }
takes raw_threshold 0 0
ktap_test_result "stores data" store "$SCRATCH/data"
adds_up "each is stored as it is" "$(raw) $(disk_file pages)" = "$blocks $blocks $blocks"
ktap_test_result "and right" same_data "$SCRATCH/data"
takes raw_threshold 2048 2048
ktap_test_result "stores data" store "$SCRATCH/data"
half=$(mm_stat huge_pages)
is "all that are large are stored as they are" "$(raw)" = "$half $half"
is "these are some" $((half > 0 && half < blocks)) = 1
ktap_test_result "they are right" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
takes raw_threshold 4096 4096
ktap_test_result "stores data" store "$SCRATCH/data"
adds_up "as many are large" "$(disk_file large_zpages)" -eq "$half"
is "but fewer are stored as they are" "$(mm_stat huge_pages)" -lt "$half"
is "huge_pages_since counts all" "$(mm_stat huge_pages_since)" -ge $((blocks + half))
ktap_test_result "they are right" same_data "$SCRATCH/data"
takes raw_threshold $'4032\n' 4032
takes raw_limit 5000 8192
takes raw_limit 256K 262144
small_data "$SCRATCH/small" 256
ktap_test_result "stores small blocks" store "$SCRATCH/small"
ktap_test_result "what fails beyond the limit leaves what was there" tried "$SCRATCH/random" 0
is "as many as the limit allows were written" "$(ended written) $(ended ENOSPC)" = "64 192"
is "these are raw" "$(raw)" = "64 64"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "those that compress can be written" write_blocks "$SCRATCH/small" 1000
ktap_test_result "a raw one that is replaced by one that compresses" write_blocks "$SCRATCH/small" 0 0 1
ktap_test_result "and one that is discarded" discard 1 1
ktap_test_result "make room for others" tried "$SCRATCH/random" 2000
is "of which there are two" "$(ended written) $(mm_stat huge_pages)" = "2 64"
takes raw_limit 0 0
ktap_test_result "with a limit of 0" tried "$SCRATCH/random" 2100
is "there are none" "$(ended written) $(ended ENOSPC)" = "0 256"
takes raw_limit max max
ktap_test_result "without a limit" tried "$SCRATCH/random" 2100
is "all can be written" "$(ended written) $(mm_stat huge_pages)" = "256 320"
ktap_test_result "figures add up" counters_add_up
anew

# --- hot_add, hot_remove ---

refuses "$CONTROL/hot_remove" EINVAL " " x -1 +1 "0 0" 0x0 0,
refuses "$CONTROL/hot_remove" ENODEV 1 77 65535
id=$(hot_add)
is "hot_add makes a disk" "$(disks | tr '\n' ' ')" = "0 $id "
use_disk "$id"
figures >"$SCRATCH/is"
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
anew
expect_errno "$CONTROL/hot_remove" 0 0
is "there is no disk" "$(disks)" = ""
ktap_test_result "and nothing is stored" nothing_is_stored

over_and_over() {
	local n id
	for ((n = 0; n < $(pick 25 8); n++)); do
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
