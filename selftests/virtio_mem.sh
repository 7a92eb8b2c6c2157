#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --mem 1G,slots=1,maxmem=2G --append memhp_default_state=online_movable --qemu "-numa node,nodeid=2 -object memory-backend-ram,id=vmem0,size=512M -device virtio-mem-pci,id=vm0,memdev=vmem0,node=2,requested-size=256M -chardev socket,id=mon,path=%t/monitor,server=on,wait=off -mon chardev=mon,mode=control -chardev socket,id=port,path=%t/monitor -device virtserialport,chardev=port,name=monitor"
# zbm-test: stock
#
# Memory that the hypervisor asks back: all memory of node 2 is a virtio-mem device's, which
# takes and gives it by pieces of a few MiB as its host wishes (alloc_contig_range(), then
# whole memory blocks offline and away). The pool is placed there by `mems`, and its pages
# are under data and under swap in use when the device shrinks. The host's wish is the
# test's own: a port of the guest leads to the monitor of its qemu.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command numactl python3
need_swap
find_port() {
	local port
	for port in /sys/class/virtio-ports/*; do
		[ "$(cat "$port/name" 2>/dev/null)" != monitor ] || { MONITOR=/dev/${port##*/}; return; }
	done
	return 1
}
find_port || ktap_exit_skip "no port leads to a monitor"
modprobe virtio_mem 2>/dev/null || ktap_exit_skip "this kernel has no virtio_mem"
exec {monitor}<>"$MONITOR"

# ask COMMAND [ARGUMENTS]: what the monitor returns; it also tells of events, which nobody
# has asked for.
ask() {
	local line
	printf '{"execute": "%s", "arguments": {%s}}\n' "$1" "${2:-}" >&"$monitor"
	while read -r -t 10 line <&"$monitor"; do
		case $line in
		'{"return": '*) line=${line#'{"return": '}; echo "${line%\}*}"; return ;;
		'{"error": '*) echo "$line"; return 1 ;;
		esac
	done
	echo "no answer"
	return 1
}
# resize MIB: what the device is asked to have. It goes about it by itself.
resize() { ask qom-set "\"path\": \"vm0\", \"property\": \"requested-size\", \"value\": $(($1 << 20))"; }
# plugged: MiB that it has.
plugged() { echo $(($(ask qom-get '"path": "vm0", "property": "size"') >> 20)); }
has() { [ "$(plugged)" = "$1" ]; }
# node_mib: MiB of node 2, which is gone when it has none.
node_mib() { if [ -d "$NODE_SYS/node2" ]; then awk '/MemTotal:/ { print $4 / 1024 }' "$NODE_SYS/node2/meminfo"; else echo 0; fi; }

# shrink MIB [COMMAND]: until it has no more than that, with COMMAND over and over meanwhile.
# What is just in use the driver leaves, and tries again in 50 s, or when it is asked again.
asked=0
shrink() {
	local round
	resize "$1" >/dev/null && for ((round = 0; round < 300; round++)); do
		! has "$1" || break
		[ $((round % 100)) != 99 ] || { resize $(($1 + 2)) && resize "$1" && asked=$((asked + 1)); }
		if [ -n "${2:-}" ]; then eval "$2" || break; else sleep 0.1; fi
	done
	# Memory blocks that have nothing left go after the device has told.
	wait_until 10 node_has "$1" || { echo "the device has $(plugged) MiB, the node $(node_mib)"; return 1; }
}
node_has() { has "$1" && [ "$(node_mib)" = "$1" ] && { [ "$1" != 0 ] || [ -z "$(node_blocks 2)" ]; }; }
grow() { resize "$1" && wait_until 20 node_has "$1"; }

ask qmp_capabilities >/dev/null || ktap_exit_skip "the monitor does not answer"
at_exit "resize 256 >/dev/null"
wait_until 20 has 256 || ktap_exit_skip "the device has not got its memory"
load_module
make_disk 256M
need_file "$SYS/mems"
scratch
real_data "$SCRATCH/data" 12
hog_mib=8
ktap_set_plan 37

on_node_2() { at_rest && [ "$(counter node2/pages)" = "$(counter pages)" ]; }
mems() { echo "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")"; }
# First page frame of the node's memory, of which there is none but the device's, and page
# frames of a MiB.
base=$(($(node_blocks 2 | head -n 1) * $(block_bytes) / $(getconf PAGESIZE)))
mib=$(((1 << 20) / $(getconf PAGESIZE)))
# in_mib FROM TO: pages of the pool there.
in_mib() { pool_pages_in $((base + $1 * mib)) $((($2 - $1) * mib)); }

# --- data ---

is "node 2 has the device's memory only" "$(node_mib) $(cat "$NODE_SYS/node2/cpulist")" = "256 "
ktap_test_result "mems 2" eval "echo 2 >$SYS/mems"
# What comes after this file is in higher memory, which the device gives back first.
ktap_test_result "a file takes the lower half" \
	numactl --membind=2 dd if=/dev/zero of="$SCRATCH/ballast" bs=1M count=150 status=none
ktap_test_result "stores data" store "$SCRATCH/data"
rm "$SCRATCH/ballast"
ktap_test_result "all of it is on node 2" on_node_2
pages=$(counter pages)
high=$(in_mib 64 256)
is "in the device's memory" "$(in_mib 0 256)" -eq "$pages"
ktap_print_msg "$pages pages, $high of them beyond 64 MiB"
is "most of it where it shrinks first" "$high" -ge $((pages / 2))
moved=$(counter stats/migrated)
ktap_test_result "device and node shrink to a quarter" shrink 64
is "no page is in what it gave back" "$(in_mib 64 256)" -eq 0
is "those have moved" $(($(counter stats/migrated) - moved)) -ge "$high"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "device and node shrink to nothing" shrink 0
at_rest
is "no page is there" "$(counter node2/pages) $(in_mib 0 512)" = "0 0"
is "all are elsewhere" $(($(counter node0/pages) + $(counter node1/pages))) -eq "$pages"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
is "mems stays, the others count" "$(mems)" = "2 0-1"

# --- swap ---

ktap_test_result "the device grows" grow 256
is "mems counts again" "$(mems)" = "2 2"
ktap_test_result "what there is can be moved there" eval "echo 'all 2' >$SYS/migrate"
ktap_test_result "all of it is there" on_node_2
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
drop_all
# A page stays on the node that it is swapped out from, where that has room.
ktap_test_result "mems all" eval "echo all >$SYS/mems"
ktap_test_result "swap on the disk" swap_on -p 5
swap_out() { hog_start "$SCRATCH/data" "$hog_mib" numactl --preferred=2 && hog_do out; }
ktap_test_result "a process with memory on node 2 is swapped out" swap_out
hog_pages=$((hog_mib * mib))
almost() { [ "$(counter node2/zpages)" -ge $((hog_pages * 95 / 100)) ] || { echo "$(counter node2/zpages) of $hog_pages"; return 1; }; }
ktap_test_result "a zpage for each page is on that node" almost
# The process reads all its memory, and is swapped out again, to where there is room.
rounds=0
read_and_out() { hog_do read && hog_do out && rounds=$((rounds + 1)); }
ktap_test_result "device and node shrink to nothing under swap" shrink 0 read_and_out
is "no page is there" "$(counter node2/pages)" -eq 0
ktap_test_result "the process reads what it wrote" hog_do read
ktap_test_result "the device grows" grow 256
ktap_test_result "the process is swapped out" hog_do out
ktap_test_result "there are pages on node 2 again" eval "read_and_out && [ \$(counter node2/pages) -gt 0 ]"
ktap_print_msg "read, and swapped out, $rounds times meanwhile"
ktap_test_result "the process reads what it wrote" hog_do read
is "no write to the disk has failed" "$(dmesg | grep -c 'Write-error on swap-device')" -eq 0
ktap_test_result "figures add up" counters_add_up
ktap_print_msg "the device was asked again $asked times"
ktap_test_result "the process ends, and swap" eval "hog_stop && swap_off"
ktap_finished
