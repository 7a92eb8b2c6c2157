#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
# zbm-long: rounds
#
# A file system on the disk: files are what they were when they were copied, after it was
# unmounted and mounted again, while pool pages move; what is deleted and trimmed is freed in
# the pool; fsck finds nothing wrong. Then four processes write, trim and verify
# (fio) on the bare disk in random order, each with many requests at a time, while pages
# move.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 fio mkfs.ext4 e2fsck fstrim
grep -qw ext4 /proc/filesystems || modprobe ext4 2>/dev/null || ktap_exit_skip "this kernel has no ext4"
load_module
make_disk "$(pick 192 96)M"
scratch
real_data "$SCRATCH/data" "$(pick 8 2)"
MOUNT=$SCRATCH/mount
mkdir "$MOUNT"
at_exit "! mountpoint -q $MOUNT || umount $MOUNT"
fio_mib=$(pick 8 2)
! is_long || fio_mib=$((fio_mib * 4))
ktap_set_plan 30

# tree DIRECTORY: files of all sizes, a large one, links.
tree() {
	local lib n
	lib=$(python3 -c 'import os; print(os.path.dirname(os.__file__))')
	mkdir "$1" "$1/links" && cp -r "$lib/encodings" "$lib/json" "$1" && cp "$SCRATCH/data" "$1/large" || return
	for ((n = 0; n < 40; n++)); do
		ln -s "../json/decoder.py" "$1/links/$n" && head -c $((n * 997)) /dev/urandom >"$1/random$n" || return
	done
	truncate -s 3M "$1/sparse"
	printf end >>"$1/sparse"
}
tree "$SCRATCH/tree" || ktap_exit_fail_msg "there are no files to copy"
mount_it() { mount -t ext4 -o discard "$DATA" "$MOUNT"; }
same_tree() { diff -r --no-dereference "$SCRATCH/tree" "$1" || wrong_data; }
clean() { e2fsck -fn "$DATA" || wrong_data; }

# --- a file system ---

ktap_test_result "mkfs" mkfs.ext4 -q -F "$DATA"
ktap_test_result "is clean" clean
ktap_test_result "mounts" mount_it
expect_errno "$DISK_SYS/reset" 1 EBUSY "reset while it is mounted: EBUSY"
expect_errno "$CONTROL/hot_remove" 0 EBUSY "hot_remove while it is mounted: EBUSY"
is "the module cannot be unloaded" "$(rmmod $MODULE 2>&1 | grep -o 'in use')" = "in use"
start_moving
ktap_test_result "copies a tree, while pages move" cp -a "$SCRATCH/tree" "$MOUNT/one"
ktap_test_result "and again" cp -a "$SCRATCH/tree" "$MOUNT/two"
ktap_test_result "unmounts" umount "$MOUNT"
ktap_test_result "is clean" clean
ktap_test_result "mounts again" mount_it
ktap_test_result "the files are what they were" same_tree "$MOUNT/one"
stop_moving
is "pages did move" "$MOVED" -gt 100
stored=$(disk_file zpages)
deleted() { rm -r "$MOUNT/one" && sync && fstrim "$MOUNT"; }
ktap_test_result "deletes one, and trims" deleted
ktap_print_msg "$stored zpages, then $(disk_file zpages)"
is "what it had is freed" "$(disk_file zpages)" -lt $((stored - $(blocks_of "$SCRATCH/data")))
ktap_test_result "copies it again" cp -a "$SCRATCH/tree" "$MOUNT/one"
ktap_test_result "unmounts" umount "$MOUNT"
ktap_test_result "is clean" clean
ktap_test_result "mounts again" mount_it
ktap_test_result "one is what it was" same_tree "$MOUNT/one"
ktap_test_result "two is what it was" same_tree "$MOUNT/two"
ktap_test_result "unmounts" umount "$MOUNT"
counted() { blockdev --flushbufs "$DATA" && at_rest && counters_add_up; }
ktap_test_result "figures add up" counted
ktap_test_result "a discard of all leaves no page" eval "drop_all && pool_is_empty"

# --- fio ---

# Data that compress to about half, in requests of 1 to 16 blocks. Each process reads a batch now
# and then, and all in the end. Beyond their blocks others are written and discarded.
verified() {
	local rc=0
	fio --name=verified --filename="$DATA" --direct=1 --ioengine=libaio --iodepth=16 --numjobs=4 \
		--size="${fio_mib}M" --offset_increment="${fio_mib}M" --rw=randwrite --bssplit=4k/50:16k/30:64k/20 \
		--blockalign=4k --buffer_compress_percentage=50 --refill_buffers \
		--verify=crc32c --verify_fatal=1 --verify_backlog=64 --do_verify=1 \
		--randseed="$1" --group_reporting --output="$SCRATCH/fio" || rc=$?
	[ "$rc" = 0 ] || { cat "$SCRATCH/fio"; wrong_data; }
}
beyond=$((fio_mib * 4 * 256))
discarder() {
	local at=$((beyond + RANDOM % 100))
	write_blocks "$SCRATCH/data" "$at" 0 300 && discard $((at + 100)) 100 && same_blocks "$SCRATCH/data" "$at" 0 100 &&
		same_blocks /dev/zero $((at + 100)) 0 100 && same_blocks "$SCRATCH/data" $((at + 200)) 200 100
}
start_moving
start_workers discarder
ktap_test_result "four processes verify what they write, while pages move" verified 1
ktap_test_result "and once again, over what is there" verified 2
stop_moving
wait "${WORKERS[@]}"
workers_are_content
is "pages did move" "$MOVED" -gt 100
ktap_test_result "figures add up" eval "at_rest && counters_add_up"
ktap_test_result "a discard of all leaves no page" eval "drop_all && pool_is_empty"
ktap_finished
