#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-guest: shared
#
# The files with which a disk is tuned, as Documentation/ABI/testing/sysfs-block-zbud has
# them: what each takes, each error, and that nothing has changed after one. A limit is
# kept, and a write beyond it leaves the block as it was. Whatever a file was set to, the
# data are right.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3
load_module
scratch
real_data "$SCRATCH/data" 1
head -c 1M /dev/urandom >"$SCRATCH/random"
blocks=$(blocks_of "$SCRATCH/data")
disk_figures >"$SCRATCH/fresh"

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

long=$(printf '%065d' 1)
page=$(printf '%4095s' 1M) # the longest that sysfs hands on

# --- comp_algorithm, algorithm_params ---

all=$(algorithms)
plan=$((162 + 8 * $(wc -w <<<"$all")))
[[ " $all " != *" zstd "* ]] || plan=$((plan + 12))
[[ " $all " != *" lz4 "* ]] || plan=$((plan + 9))
ktap_set_plan $plan
is "one is chosen" "$(wc -w <<<"$(algorithm)")" = 1
is "of those that are known" "$(not_in "$all" "lz4 lzo lzo-rle zstd")" = ""
disk_refuses "$DISK_SYS/comp_algorithm" EINVAL " " none lz LZ4 "lz4 zstd" "[lz4]" "$long" "$page"
disk_refuses "$DISK_SYS/algorithm_params" EINVAL " " x level level= level=x algo=none algo= foo=1 "level=1 x" "$page"
for name in $all; do
	expect_errno "$DISK_SYS/comp_algorithm" "$name"$'\n' 0 "comp_algorithm $name"
	is "$name is the one" "$(algorithm) $(algorithms)" = "$name $all"
	make_disk 16M
	ktap_test_result "$name: stores data" store "$SCRATCH/data"
	ktap_test_result "$name: they are right" same_data "$SCRATCH/data"
	ktap_test_result "$name: stores what does not compress" write_blocks "$SCRATCH/random" 1000
	ktap_test_result "$name: it is right" same_blocks "$SCRATCH/random" 1000
	ktap_test_result "$name: figures add up" counters_add_up
	is "$name: it compresses" "$(mm_stat compr_data_size)" -le $(((blocks * 3 / 4 + 256) * BLOCK_SIZE))
	ktap_print_msg "$name: $((blocks * BLOCK_SIZE)) bytes become $(($(mm_stat compr_data_size) - 256 * BLOCK_SIZE))"
	no_size
done
if [[ " $all " == *" zstd "* ]]; then
	disk_refuses "$DISK_SYS/algorithm_params" EINVAL "algo=zstd level=23" "algo=zstd level=100000"
	for level in 1 15; do
		expect_errno "$DISK_SYS/algorithm_params" "algo=zstd level=$level" 0
		is "zstd is the one" "$(algorithm)" = zstd
		make_disk 16M
		ktap_test_result "zstd, level $level: stores data" store "$SCRATCH/data"
		ktap_test_result "zstd, level $level: they are right" same_data "$SCRATCH/data"
		sizes[level]=$(mm_stat compr_data_size)
		no_size
	done
	is "a higher level compresses better" "${sizes[15]}" -lt "${sizes[1]}"
fi
if [[ " $all " == *" lz4 "* ]]; then
	# From 2^26 on LZ4 itself would make something else of a page.
	disk_refuses "$DISK_SYS/algorithm_params" EINVAL "algo=lz4 level=65538" "algo=lz4 level=67108864"
	for level in 1 65537; do
		expect_errno "$DISK_SYS/algorithm_params" "algo=lz4 level=$level" 0
		make_disk 16M
		ktap_test_result "lz4, level $level: stores data" store "$SCRATCH/data"
		ktap_test_result "lz4, level $level: they are right" same_data "$SCRATCH/data"
		no_size
	done
fi
is "reset has chosen the first one again" "$(disk_file comp_algorithm)" = "$(sed -n 's/^comp_algorithm://p' "$SCRATCH/fresh")"

# --- mem_limit, mem_used_max ---

disk_refuses "$DISK_SYS/mem_limit" EINVAL "${NO_SIZES[@]}"
disk_refuses "$DISK_SYS/mem_used_max" EINVAL 1 x " " -1 00x
make_disk 16M
disk_refuses "$DISK_SYS/mem_limit" EINVAL x 1X -1
disk_refuses "$DISK_SYS/mem_used_max" EINVAL 1 x
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
# The mover page_cache releases pages a little later: a store at the limit waits for that.
anew() {
	local cpus=/sys/devices/virtual/workqueue/cpumask before rc=0
	before=$(cat "$cpus") && echo 1 >"$cpus" || return
	"$TOOLS/discard_and_write.py" "$DATA" "$SCRATCH/random" || rc=$?
	echo "$before" >"$cpus" && return "$rc"
}
ktap_test_result "a discard makes room for as much at once" anew
at_rest
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
no_size

# --- raw_threshold, raw_limit, large_zpages ---

is "raw_threshold is 4032" "$(disk_file raw_threshold)" = 4032
disk_refuses "$DISK_SYS/raw_threshold" EINVAL " " x -1 4097 1x "1 1" 65536
disk_refuses "$DISK_SYS/raw_threshold" ERANGE 18446744073709551616
is "there is no raw_limit" "$(disk_file raw_limit)" = max
disk_refuses "$DISK_SYS/raw_limit" EINVAL "${NO_SIZES[@]}" "max 1" maximum
make_disk 16M
disk_refuses "$DISK_SYS/raw_threshold" EINVAL x 4097
disk_refuses "$DISK_SYS/raw_limit" EINVAL x 1X "max 1"
raw() { echo "$(mm_stat huge_pages) $(disk_file large_zpages)"; }
disk_takes raw_threshold 0 0
ktap_test_result "stores data" store "$SCRATCH/data"
adds_up "each is stored as it is" "$(raw) $(disk_file pages)" = "$blocks $blocks $blocks"
ktap_test_result "and right" same_data "$SCRATCH/data"
disk_takes raw_threshold 2048 2048
ktap_test_result "stores data" store "$SCRATCH/data"
half=$(mm_stat huge_pages)
is "all that are large are stored as they are" "$(raw)" = "$half $half"
is "these are some" $((half > 0 && half < blocks)) = 1
ktap_test_result "they are right" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
disk_takes raw_threshold 4096 4096
ktap_test_result "stores data" store "$SCRATCH/data"
adds_up "as many are large" "$(disk_file large_zpages)" -eq "$half"
is "but fewer are stored as they are" "$(mm_stat huge_pages)" -lt "$half"
is "huge_pages_since counts all" "$(mm_stat huge_pages_since)" -ge $((blocks + half))
ktap_test_result "they are right" same_data "$SCRATCH/data"
disk_takes raw_threshold $'4032\n' 4032
disk_takes raw_limit 5000 8192
disk_takes raw_limit 256K 262144
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
disk_takes raw_limit 0 0
ktap_test_result "with a limit of 0" tried "$SCRATCH/random" 2100
is "there are none" "$(ended written) $(ended ENOSPC)" = "0 256"
disk_takes raw_limit max max
ktap_test_result "without a limit" tried "$SCRATCH/random" 2100
is "all can be written" "$(ended written) $(mm_stat huge_pages)" = "256 320"
ktap_test_result "figures add up" counters_add_up
no_size
ktap_finished
