#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release page_cache stock
#
# Where the memory of a pool shows in the kernel's own accounts: /proc/meminfo, free(1), the
# meminfo of each node, numa_maps. None of it counts as available, and all of it is back when
# the pool is empty. The guide has the figures in a table ("Seeing its memory").

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 free
load_module
compact_alone
# Short per-CPU lists: what is free is to be seen as free.
at_exit "echo $(cat /proc/sys/vm/percpu_pagelist_high_fraction) >/proc/sys/vm/percpu_pagelist_high_fraction"
echo 1000 >/proc/sys/vm/percpu_pagelist_high_fraction
make_disk
scratch
real_data "$SCRATCH/data" 12
times=$(pick 10 6)
ktap_set_plan 27

nodes=$(nodes)
# snapshot FILE: "NAME KIB" for each account.
snapshot() {
	local n
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	{
		awk '{ sub(":", ""); print $1, $2 }' /proc/meminfo
		for n in $nodes; do awk '{ sub(":", ""); print $1 $2 "." $3, $4 }' "$NODE_SYS/node$n/meminfo"; done
		free -k | awk 'NR == 1 { split($0, name) } $1 == "Mem:" { for (i = 2; i <= NF; i++) print "free." name[i - 1], $i }'
	} >"$1"
}
kib() { awk -v name="$2" '$1 == name { print $2 }' "$SCRATCH/$1"; }
# more NAME: how much more is there with the pool than before.
more() { echo $(($(kib full "$1") - $(kib before "$1"))); }
node_more() {
	local n sum=0
	for n in $nodes; do sum=$((sum + $(more "Node$n.$1"))); done
	echo $sum
}
# A tenth of the pool's pages is what else may come and go.
about() { ktap_test_result "$1: $2 KiB of $3" within "$2" "$3"; }
within() { [ "$1" -ge $(($2 - pool / 10)) ] && [ "$1" -le $(($2 + pool / 10)) ]; }

store_all() {
	local n
	for ((n = 0; n < times; n++)); do
		write_blocks "$SCRATCH/data" $((n * $(blocks_of "$SCRATCH/data"))) || return
	done
}
# All programs that are used have run.
ktap_test_result "stores and frees a little" eval "write_blocks '$SCRATCH/data' && drop_all && pool_is_empty"
snapshot "$SCRATCH/before"
snapshot "$SCRATCH/before"
ktap_test_result "stores $((times * 12)) MiB" store_all
at_rest
snapshot "$SCRATCH/full"
pool=$(($(counter pages) * 4))
[ "$(mover)" = page_cache ] && file=$pool || file=0
is "the pool is large enough to be seen" $pool -ge $((times * 4096))
ktap_print_msg "$(mover), a pool of $pool KiB, and what was more and less with it, in percent of that:"
for name in MemFree MemAvailable Buffers Cached Shmem 'Active(file)' 'Inactive(file)' Unevictable Mlocked \
	Mapped AnonPages Slab SReclaimable KReclaimable free.used free.free free.shared free.buff/cache free.available; do
	ktap_print_msg "$name $(($(more "$name") * 100 / pool))"
done
for name in MemFree MemUsed FilePages Shmem Unevictable; do
	ktap_print_msg "Node*.$name $(($(node_more $name) * 100 / pool))"
done

about "MemFree" "$(more MemFree)" -$pool
is "MemAvailable: nothing of the pool is available" "$(more MemAvailable)" -le $((-pool * 9 / 10))
about "MemAvailable" "$(more MemAvailable)" -$pool
about "Cached" "$(more Cached)" "$file"
about "Unevictable" "$(more Unevictable)" "$file"
about "Mlocked" "$(more Mlocked)" 0
about "Shmem" "$(more Shmem)" 0
about "on the lists of files that reclaim takes from" "$(($(more 'Active(file)') + $(more 'Inactive(file)')))" 0
about "Mapped" "$(more Mapped)" 0
about "AnonPages" "$(more AnonPages)" 0
about "KReclaimable" "$(more KReclaimable)" 0
about "free: available" "$(more free.available)" -$pool
about "free: free" "$(more free.free)" -$pool
about "free: used" "$(more free.used)" $pool
about "free: buff/cache" "$(more free.buff/cache)" "$file"
about "free: shared" "$(more free.shared)" 0
about "nodes: MemUsed" "$(node_more MemUsed)" $pool
about "nodes: FilePages" "$(node_more FilePages)" "$file"
about "nodes: Unevictable" "$(node_more Unevictable)" "$file"
each_node() {
	local n
	for n in $nodes; do
		within "$(more "Node$n.MemUsed")" $(($(counter "node$n/pages") * 4)) || { echo "node $n: $(more "Node$n.MemUsed")"; return 1; }
	done
}
ktap_test_result "nodes: each has the pages that are there" each_node

# A process that has mapped the pool has its pages in numa_maps, and nobody else.
in_numa_maps() { cat /proc/[0-9]*/numa_maps 2>/dev/null | grep -c zbud_movable; }
is "numa_maps: nobody's" "$(in_numa_maps)" = 0
if [ "$(mover)" = page_cache ]; then
	mapped() { mapper_start && mapper_do map && [ "$(in_numa_maps)" = 1 ]; }
	ktap_test_result "numa_maps: but that of a process that has mapped it" mapped
	mapper_stop
else
	ktap_test_skip "numa_maps: but that of a process that has mapped it" "there is nothing to map"
fi

ktap_test_result "all is freed" eval "drop_all && pool_is_empty"
snapshot "$SCRATCH/full"
about "MemAvailable comes back" "$(more MemAvailable)" 0
ktap_finished
