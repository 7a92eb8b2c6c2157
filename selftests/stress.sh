#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --nodes 4 --mem 1536M,slots=1,maxmem=3G --append memhp_default_state=online_movable --qemu "-object memory-backend-ram,id=dimm,size=256M -device pc-dimm,id=dimm0,memdev=dimm,node=3"
# zbm-test: release
# zbm-long: rounds debug
# zbm-parts: 3
#
# All at once, on four processors: blocks are written, read, freed and pinned, disks come, go and
# are reset, swap and zswap go on and off under processes that know their memory, pages move by
# compaction, by requests, by system calls and as memory goes offline, and are re-paired, and the
# nodes where they may be change (tools/stress.py). In rounds, with the module loaded anew for each.
# Every byte read is one that was written there, the validator is never unhappy, and at the end of
# each round the figures add up. ZBM_SEED=N make test T=stress makes the choices of a run again.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 2
need_command python3 timeout numactl
need_swap
load_module
need_file /proc/sys/vm/compact_memory
unload_module
# The node that loses memory: one where little from the boot is.
for victim in 3 2 1; do ! find_removable $victim online_movable || break; done
[ ${#REMOVABLE[@]} -gt 0 ] || ktap_print_msg "no memory can go offline"
at_exit "bring_back $victim"
scratch
seed=${ZBM_SEED:-${ZBM_PART:-1}} rounds=2 seconds=$(pick 15 200)
! is_long || { rounds=5 seconds=110; }
ktap_set_plan $((rounds * 9))
ktap_print_msg "seed $seed"
for node in $(nodes); do [ "$node" = "$victim" ] || steady+=("$node"); done

compactor() { compact_memory; sleep 0.2; }
OFFLINED=$SCRATCH/offlined
offliner() { offline_each 15; }
all_at_once() {
	local rc=0
	python3 "$TOOLS/stress.py" "$seed.$1" "$seconds" "$(nodes)" "${steady[*]}" >"$SCRATCH/said" 2>&1 || rc=$?
	[ "$rc" = 0 ] || cat "$SCRATCH/said"
	[ "$rc" != 2 ] || wrong_data
	return "$rc"
}
# unloads N: with what the disk holds in every second round.
unloads() {
	[ $(($1 % 2)) = 0 ] || { drop_all && pool_is_empty; } || return
	wait_until 60 unload_module
}

for ((round = 1; round <= rounds; round++)); do
	ktap_test_result "round $round: loads" modprobe_module
	quiet
	: >"$OFFLINED"
	start_workers compactor offliner
	ktap_test_result "round $round: all at once" all_at_once "$round" ||
		ktap_exit_fail_msg "the others are gone"
	stop_workers
	wait "${WORKERS[@]}"
	loud '(zbud[0-9]+: detected capacity change|Adding [0-9]+k swap on /dev/zbud|set_capacity_and_notify: |Buffer I/O error on dev zbud|I/O error, dev zbud|rite-error on swap-device)'
	bring_back "$victim"
	workers_are_content
	ktap_print_msg "$(tr '\n' ' ' <"$SCRATCH/said")"
	ktap_print_msg "$(counter stats/migrated) pages moved, $(counter stats/user_moved) of them by hand, $(node_sum moved_out) between nodes;" \
		"$(counter stats/repaired) re-paired, $(counter stats/migrate_busy) busy; $(wc -l <"$OFFLINED") times offline"
	is "round $round: pages moved between nodes" "$(node_sum moved_out)" -gt 0
	ktap_test_result "round $round: comes to rest" at_rest
	adds_up "round $round: no pin is left" "$(pins)" -eq 0
	ktap_test_result "round $round: figures add up" counters_add_up
	ktap_test_result "round $round: unloads" unloads "$round"
done
ktap_finished
