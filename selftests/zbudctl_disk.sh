#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# zbm-mover: -
# zbm-test: release
#
# zbudctl and the disks: what `disk add` is asked for, the disk is; what fails leaves
# nothing behind; several at once, and beside someone who does not ask, get a disk each,
# with the algorithm that each has asked for. `disk list` says what sysfs says.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command zbudctl python3 mkswap swapon swapoff mkfs.ext4
load_module
BLOCK=/sys/block
need_file $BLOCK/zbud0/mems
scratch
real_data "$SCRATCH/data" "$(pick 16 8)"
ktap_set_plan 75

# ctl STATUS NAME ARGUMENT...: run it; its output is in $SCRATCH/{out,err}.
ctl() {
	local expected=$1 name=$2 rc=0
	shift 2
	zbudctl "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || rc=$?
	[ "$rc" = "$expected" ] || ktap_print_msg "$(cat "$SCRATCH/out" "$SCRATCH/err")"
	is "$name" "$rc" = "$expected"
}
# json EXPRESSION: of what it said, as `it`.
json() { python3 -c "import json, sys; it = json.load(open('$SCRATCH/out')); print(($1))"; }
said() { cat "$SCRATCH/out"; }
disks() { (cd $BLOCK && echo zbud*); }
# figures FILE...: of the first disk, as a list.
figures() { (cd $BLOCK/zbud0 && cat "$@") | paste -sd , | sed 's/,/, /g'; }
# chosen DISK: its algorithm.
chosen() { grep -o '\[.*\]' "$BLOCK/$1/comp_algorithm" | tr -d '[]'; }

# One disk, as asked for.
is "there is one disk, without a size" "$(disks) $(cat $BLOCK/zbud0/initstate)" = "zbud0 0"
ctl 0 "disk list" disk list
is "has nothing to show" "$(said)" = ""
ctl 0 "disk add takes it" disk add 64M --algorithm zstd --level 5 --mems 1 --mem-limit 48M
is "and says so" "$(said)" = /dev/zbud0
is "its size" "$(cat $BLOCK/zbud0/disksize) $(cat $BLOCK/zbud0/initstate)" = "$((64 << 20)) 1"
is "its algorithm" "$(chosen zbud0)" = zstd
is "its nodes" "$(cat $BLOCK/zbud0/mems)" = 1
is "its limit" "$(awk '{ print $4 }' $BLOCK/zbud0/mm_stat)" = "$((48 << 20))"
ktap_test_result "it can be written" dd if="$SCRATCH/data" of=/dev/zbud0 bs=1M oflag=direct status=none
ktap_test_result "and read" same_bytes -n "$(stat -c %s "$SCRATCH/data")" "$SCRATCH/data" /dev/zbud0

ctl 0 "disk list" disk list --bytes --noheadings -o NAME,ALGORITHM,DISKSIZE,DATA,COMPR,TOTAL
read -r data compr total _ <$BLOCK/zbud0/mm_stat
is "says what mm_stat does" "$(said | tr -s ' ')" = "/dev/zbud0 zstd $((64 << 20)) $data $compr $total"
ctl 0 "disk list --json" disk list --json
is "says it in JSON, too" "$(json "[it['zbuddevices'][0][key] for key in ('data', 'pages', 'zpages', 'large', 'empty', 'lost', 'mems', 'mountpoint')]")" = \
	"[$data, $(figures pages zpages large_zpages empty_pages lost_zpages), '1', None]"
is "and where the pages are" "$(json "sum(node['pages'] for node in it['zbuddevices'][0]['nodes'])")" = "$(cat $BLOCK/zbud0/pages)"

# Swap.
ctl 0 "disk add --swap adds one" disk add 8M --swap --priority 7 --discard --device-file "$SCRATCH/device"
is "and says so" "$(said) $(cat "$SCRATCH/device")" = "/dev/zbud1 /dev/zbud1"
is "it is swapped to" "$(awk '$1 == "/dev/zbud1" { print $5 }' /proc/swaps)" = 7
ctl 0 "disk list" disk list zbud1
is "knows it" "$(said | grep -c '/dev/zbud1 .*\[SWAP\]$')" = 1
ctl 4 "disk remove of swap" disk remove --json zbud1
is "EBUSY" "$(json "it['error']['errno']")" = EBUSY
ctl 4 "disk reset of swap" disk reset --json zbud1
is "EBUSY" "$(json "it['error']['errno']")" = EBUSY
ctl 0 "disk remove --swapoff" disk remove --swapoff --device-file "$SCRATCH/device"
is "removes it" "$(said), $(disks), $(grep -c zbud /proc/swaps)" = "removed /dev/zbud1, zbud0, 0"

# A file system.
ctl 0 "disk add once more" disk add 32M
ktap_test_result "with a file system" eval "mkfs.ext4 -q /dev/zbud1 && mkdir '$SCRATCH/a b' && mount /dev/zbud1 '$SCRATCH/a b'"
ctl 0 "disk list --json" disk list --json -o mountpoint zbud1
is "knows where it is" "$(json "it['zbuddevices'][0]['mountpoint']")" = "$(realpath "$SCRATCH")/a b"
ctl 4 "disk remove of a mounted one" disk remove zbud1
is "EBUSY" "$(grep -c 'EBUSY (it is open, mounted' "$SCRATCH/err")" = 1
ktap_test_result "unmounted" umount "$SCRATCH/a b"
ctl 0 "it can be removed" disk remove zbud1

# What fails leaves nothing behind: a disk that was there is reset, one that was not removed.
ctl 0 "disk reset" disk reset zbud0
is "makes it as it was" "$(cat $BLOCK/zbud0/initstate) $(cat $BLOCK/zbud0/mems)" = "0 $(cat "$SYS/mems")"
mkdir "$SCRATCH/bin"
printf '#!/bin/sh\nexit 1\n' >"$SCRATCH/bin/swapon"
chmod +x "$SCRATCH/bin/swapon"
algorithm=$(chosen zbud0)
for state in 0 1; do
	while read -r errno arguments; do
		read -ra words <<<"$arguments"
		PATH=$SCRATCH/bin:$PATH ctl 4 "disk add $arguments" disk add --json "${words[@]}"
		is "$errno, and nothing is left" "$(json "it['error']['errno']"), $(disks), $(cat $BLOCK/zbud0/initstate), $(chosen zbud0)" = \
			"$errno, zbud0, $state, $algorithm"
	done <<-LIST
		EINVAL 8M --algorithm none
		EINVAL 8M --algorithm zstd --level 999
		ERANGE 8M --algorithm zstd --mems 99999
		ENODEV 8M --mems 9
		None 8M --algorithm zstd --swap
	LIST
	[ $state = 1 ] || ctl 0 "now without a disk to take" disk add 8M
done
rc=0
as_nobody zbudctl --json disk reset zbud0 >"$SCRATCH/out" || rc=$?
is "nobody: EACCES" "$rc $(json "it['error']['errno']")" = "4 EACCES"
ctl 0 "disk reset" disk reset zbud0

# add_several: some at once; each says which disk it has got, and with what.
add_several() {
	local algorithm n=0 pids=()
	rm -f "$SCRATCH"/add.*
	for algorithm in zstd lz4 lzo lzo-rle zstd lz4 zstd lzo-rle; do
		zbudctl disk add 4M --algorithm $algorithm >"$SCRATCH/add.$n.$algorithm" 2>"$SCRATCH/err.$n" &
		pids+=($!)
		n=$((n + 1))
	done
	wait "${pids[@]}" || :
}
# wrong_ones: the disks that have another algorithm than the one asked for.
wrong_ones() {
	local file disk
	for file in "$SCRATCH"/add.*; do
		disk=$(cat "$file")
		[ -z "$disk" ] || [ "$(chosen "${disk#/dev/}")" = "${file##*.}" ] || echo "$disk"
	done
}
# remove_all: each disk but the first.
remove_all() {
	local disk
	for disk in "$BLOCK"/zbud[1-9]*; do zbudctl disk remove "${disk##*/}" >/dev/null || return; done
	zbudctl disk reset zbud0 >/dev/null
}
for round in 1 2 3; do
	add_several
	is "round $round: each of several has a disk" "$(sort -u "$SCRATCH"/add.* | wc -l)" = 8
	is "its own algorithm" "$(wrong_ones)" = ""
	ktap_test_result "they can be removed" remove_all
done

# Someone gives each disk a size, and asks nobody.
touch "$SCRATCH/run"
while [ -e "$SCRATCH/run" ]; do
	for disk in "$BLOCK"/zbud[0-9]*; do echo 4M >"$disk/disksize" || :; done
done 2>/dev/null &
rival=$!
add_several
rm "$SCRATCH/run"
wait $rival
cat "$SCRATCH"/err.* >"$SCRATCH/err"
is "beside a rival: EBUSY, or a disk" "$(grep -vc 'EBUSY (others take' "$SCRATCH/err")" = 0
is "no disk was given to two" "$(cat "$SCRATCH"/add.* | sort | uniq -d)" = ""
is "its own algorithm" "$(wrong_ones)" = ""
ktap_test_result "they can be removed" remove_all

ktap_test_result "the module can be unloaded" unload_module
ctl 5 "disk list without the module" disk list
ktap_finished
