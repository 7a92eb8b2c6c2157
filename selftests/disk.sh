#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache
# zbm-guest: shared
#
# The pool as a disk: real data come back with each algorithm; a file system is sound;
# swap on it; what is freed or discarded leaves no page; limits hold; what is in use, and
# what is no valid input, is refused.

# The paths of the disk have no blanks.
# shellcheck disable=SC2086

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 blkdiscard mkfs.ext4 mkswap
load_module
need_file /sys/block/zbud0/disksize
disk=/sys/block/zbud0
dev=/dev/zbud0
control=/sys/class/zbud-control
scratch
real_data "$SCRATCH/data" 16
mapfile -t algorithms < <(tr -d '[]' <$disk/comp_algorithm | tr ' ' '\n')
at_exit "swapoff $dev 2>/dev/null; umount $dev 2>/dev/null; echo 1 >$disk/reset"

set_up() { echo "$1" >$disk/comp_algorithm && echo 64M >$disk/disksize; }
reset() { echo 1 >$disk/reset; }
fill() { dd if="$SCRATCH/data" of=$dev bs=1M oflag=direct conv=notrunc status=none; }
same() { same_bytes "$SCRATCH/data" <(dd if=$dev bs=1M count=16 iflag=direct status=none); }
valid() { [ "$(cat "$DEBUGFS/pools/zbud0/verify")" = ok ] || wrong_data; }
stat_of() { awk -v n="$1" '{ print $n }' $disk/mm_stat; }
no_pages() { wait_until 60 eval "[ \"\$(cat $disk/pages $disk/zpages)\" = \$'0\n0' ]"; }
refused() { ! bash -c "$1" 2>/dev/null; }
mounted() {
	mkfs.ext4 -q $dev && mkdir -p "$SCRATCH/mnt" && mount $dev "$SCRATCH/mnt" || return
	cp "$SCRATCH/data" "$SCRATCH/mnt/" && refused "echo 1 >$disk/reset" || return
	sync && echo 1 >/proc/sys/vm/drop_caches
	same_bytes "$SCRATCH/data" "$SCRATCH/mnt/data" && umount $dev && fsck.ext4 -fn $dev >/dev/null 2>&1
}
# A page more than the limit allows is refused, and what was there is there.
limited() {
	echo 0 >$disk/mem_used_max && echo 1M >$disk/mem_limit && ! fill 2>/dev/null || return
	[ "$(stat_of 5)" -le 1048576 ] && echo 0 >$disk/mem_limit && blkdiscard $dev && no_pages
}
# Anonymous memory that is swapped out, checked when it comes back, and gone afterwards.
swapped() {
	mkswap -q $dev >/dev/null && swapon -p 100 $dev || return
	python3 - "$SCRATCH/data" <<-'PYTHON' || wrong_data || return
		import mmap, sys
		data = open(sys.argv[1], "rb").read()
		memory = mmap.mmap(-1, len(data), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
		memory[:] = data
		memory.madvise(21)  # MADV_PAGEOUT
		with open("/sys/block/zbud0/zpages") as zpages:
		    stored = int(zpages.read())
		sys.exit(memory[:] != data or stored < len(data) // 4096 // 2)
	PYTHON
	refused "echo 1 >$disk/reset" && refused "echo 0 >$control/hot_remove" || return
	swapoff $dev && [ "$(awk '{ print $2 }' $disk/debug_stat | tail -n 1)" = 0 ] || return
	# What is left is the header.
	wait_until 60 eval "[ \$(cat $disk/zpages) -le 1 ]"
}
hot() {
	local id
	id=$(cat $control/hot_add) && [ -b "/dev/zbud$id" ] && echo "$id" >$control/hot_remove &&
		[ ! -e "/sys/block/zbud$id" ]
}

ktap_set_plan $((5 * ${#algorithms[@]} + 18))
for algorithm in "${algorithms[@]}"; do
	ktap_test_result "$algorithm: it gets a size" set_up "$algorithm"
	ktap_test_result "$algorithm: data are stored" fill
	ktap_test_result "$algorithm: and come back" same
	ktap_test_result "$algorithm: the validator is content" valid
	ktap_test_result "$algorithm: reset" reset
done
is "it has no size then" "$(cat $disk/disksize $disk/initstate)" = $'0\n0'
ktap_test_result "set up again" set_up "${algorithms[0]}"
ktap_test_result "a size cannot be changed" refused "echo 1M >$disk/disksize"
ktap_test_result "nor the algorithm" refused "echo ${algorithms[0]} >$disk/comp_algorithm"
ktap_test_result "data are stored" fill
is "fewer pages than zpages" "$(cat $disk/pages)" -lt "$(cat $disk/zpages)"
ktap_test_result "discarded blocks take no page" eval "blkdiscard $dev && no_pages"
ktap_test_result "and read as zeroes" eval "cmp -n 16777216 /dev/zero $dev"
dd if=/dev/zero of=$dev bs=1M count=1 oflag=direct status=none
is "same-filled pages take none" "$(stat_of 6) $(cat $disk/pages)" = "256 0"
dd if=/dev/urandom of=$dev bs=1M count=1 oflag=direct status=none
is "what does not shrink is stored as it is" "$(stat_of 8)" -eq 256
ktap_test_result "all is discarded" eval "blkdiscard $dev && no_pages"
ktap_test_result "a limit holds" limited
ktap_test_result "a file system" mounted
ktap_test_result "all is discarded again" eval "blkdiscard $dev && no_pages"
ktap_test_result "swap" swapped
ktap_test_result "disks come and go" hot
ktap_test_result "no such disk" refused "echo 4711 >$control/hot_remove"
ktap_test_result "bad input" eval "refused 'echo x >$disk/disksize' && refused 'echo 0 >$disk/reset' && refused 'echo 5000 >$disk/raw_threshold'"
ktap_finished
