# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Disks: one of them at a time is the test's, what it is made of, and its figures. Sourced
# by lib.sh.

CONTROL=/sys/class/zbud-control
export CONTROL

# use_disk ID: from here on, all that takes "the disk" takes /dev/zbud<ID>.
use_disk() {
	DISK=zbud$1
	DATA=/dev/$DISK
	DISK_SYS=/sys/block/$DISK
	POOL=$DEBUGFS/pools/$DISK
	TRIGGERS=$DEBUGFS/disks/$DISK
	export DISK DATA DISK_SYS POOL TRIGGERS
}
use_disk 0

# make_disk [SIZE]: give the disk its size, by default one that is enough for any test;
# end the test if it cannot be had.
make_disk() {
	set_disk disksize "${1:-1G}" || ktap_exit_fail_msg "$DISK cannot be given a size"
	udev_is_done
}

# udev_is_done: on a machine where it runs, it opens a disk that is new or has another size.
udev_is_done() { [ ! -S /run/udev/control ] || udevadm settle; }

# set_disk FILE VALUE: by one write(2) to a file of the disk in sysfs.
set_disk() { printf '%s' "$2" >"$DISK_SYS/$1"; }

# disk_file FILE: what it says.
disk_file() { cat "$DISK_SYS/$1"; }

reset_disk() { udev_is_done && set_disk reset 1; }

# hot_add: makes a disk and prints its number.
hot_add() { cat "$CONTROL/hot_add" && udev_is_done; }

# hot_remove ID
hot_remove() { udev_is_done && printf '%s' "$1" >"$CONTROL/hot_remove"; }

# disks: the numbers of all there are, ascending.
disks() {
	local disk
	for disk in /sys/block/zbud[0-9]*; do [ ! -e "$disk" ] || echo "${disk##*/zbud}"; done | sort -n
}

# Names of the columns of the files that have several, in their order.
declare -A DISK_COLUMNS=(
	[mm_stat]="orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages pages_compacted huge_pages huge_pages_since"
	[io_stat]="failed_reads failed_writes invalid_io notify_free"
)

# column FILE NAME: one of the figures in a file of the disk's.
column() {
	local names values n
	read -ra names <<<"${DISK_COLUMNS[$1]}"
	read -ra values <"$DISK_SYS/$1"
	for n in "${!names[@]}"; do
		[ "${names[n]}" != "$2" ] || { echo "${values[n]:-}"; return; }
	done
	return 1
}

mm_stat() { column mm_stat "$1"; }
io_stat() { column io_stat "$1"; }

# miss_free: how many slots that swap has freed are still stored.
miss_free() { awk 'NR == 2 { print $2 }' "$DISK_SYS/debug_stat"; }

# algorithms: those that the disk can compress with.
algorithms() { disk_file comp_algorithm | tr -d '[]'; }

# algorithm: the one that it does compress with.
algorithm() { disk_file comp_algorithm | grep -o '\[[^]]*\]' | tr -d '[]'; }

# disk_figures: what the disk tells of itself, but for what its pages share with others.
disk_figures() {
	(cd "$DISK_SYS" && grep '' size disksize initstate comp_algorithm {mm,io,debug}_stat raw_{threshold,limit} \
		large_zpages mems mems_effective pages zpages unbuddied_pages stored_bytes node*/*)
}

# disk_refuses FILE ERRNO TEXT...: each gives ERRNO; no figure of the disk has changed.
disk_refuses() {
	local file=$1 errno=$2 text
	disk_figures >"$SCRATCH/was"
	for text in "${@:3}"; do expect_errno "$file" "$text" "$errno"; done
	disk_figures >"$SCRATCH/is"
	ktap_test_result "$(basename "$file"), $errno: nothing has changed" same_bytes "$SCRATCH/was" "$SCRATCH/is"
}

# disk_takes FILE TEXT SHOWN: a file of the disk.
disk_takes() {
	expect_errno "$DISK_SYS/$1" "$2" 0
	is "$1 is $3 then" "$(disk_file "$1")" = "$3"
}

# no_size: the disk without a size, as it was added.
no_size() { reset_disk || ktap_exit_fail_msg "$DISK cannot be reset"; }

# Texts that are no size.
NO_SIZES=(" " $'\n' x M -1 +1 1X 1MM "1 M x" "1M 1M" 1.5M "," $'1\xff' 18446744073709551616 16777216T)
export NO_SIZES
