# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Background processes. Sourced by lib.sh.

# keep_on: whether background processes are to go on.
keep_on() { [ -e "$SCRATCH/run" ]; }

# keep_compacting NODE: over and over, as long as keep_on.
keep_compacting() { while keep_on; do compact_memory "$1"; done; }

# offline_each SECONDS: the blocks of find_removable, away and back; a line in
# OFFLINED, a file, for each that went.
offline_each() {
	local block
	for block in "${REMOVABLE[@]}"; do
		! ask_offline "$block" "$1" 2>/dev/null || echo "$block" >>"${OFFLINED:-/dev/null}"
		online_block "$block" "$ONLINE_AS" || return
	done
	[ ${#REMOVABLE[@]} -gt 0 ] || sleep 1
}

# keep_offlining: offline_each as long as keep_on.
keep_offlining() { while keep_on; do offline_each 3; done; }

# keep_asking REQUEST...: one after the other of `migrate`, as long as keep_on, in the
# background: ASKER.
keep_asking() {
	local request
	touch "$SCRATCH/run"
	while keep_on; do
		for request; do echo "$request" >"$SYS/migrate"; done
	done 2>/dev/null &
	ASKER=$!
	export ASKER # for the test
}

# start_moving: pages move, by compaction and by requests, until stop_moving, in the background,
# but for pauses: whoever uses the pool is to get on, too.
start_moving() {
	touch "$SCRATCH/run"
	MOVED=$(counter stats/migrated)
	while keep_on; do compact_memory; sleep 0.2; done &
	MOVING=($!)
	[ "$(nodes | wc -w)" -lt 2 ] || {
		while keep_on; do echo '0 1' >"$SYS/migrate"; sleep 0.1; echo '1 0' >"$SYS/migrate"; done 2>/dev/null &
		MOVING+=($!)
	}
	at_exit "rm -f $SCRATCH/run; wait"
}

# stop_moving: MOVED says how many pages have moved meanwhile.
stop_moving() {
	rm "$SCRATCH/run"
	wait "${MOVING[@]}"
	MOVED=$(($(counter stats/migrated) - MOVED))
	ktap_print_msg "$MOVED moves"
}

# start_workers FUNCTION...: each is run in the background, over and over, until it
# fails or stop_workers is called. More processes to wait for may be added to WORKERS.
start_workers() {
	local name
	WORKER_NAMES=("$@") WORKERS=()
	touch "$SCRATCH/run"
	at_exit "rm -f $SCRATCH/run; wait"
	for name; do worker "$name" & WORKERS+=($!); done
}

# How often is in the file NAME.result, what it said last in NAME.said.
worker() {
	# Several write to it at a time: each has a mark of its own.
	# shellcheck disable=SC2034 # for wrong_data
	local n=0 ktap_wrong_data=$SCRATCH/$1.wrong-data
	while keep_on; do
		"$1" >"$SCRATCH/$1.said" 2>&1 || { echo failed >"$SCRATCH/$1.result"; return; }
		n=$((n + 1))
	done
	echo $n >"$SCRATCH/$1.result"
}

stop_workers() { rm "$SCRATCH/run"; }

# workers_are_content: a test for each, to be called when all have ended: each was run
# once at least, and never failed.
workers_are_content() {
	local name result
	for name in "${WORKER_NAMES[@]}"; do
		result=$(cat "$SCRATCH/$name.result" 2>/dev/null)
		if [[ $result =~ ^[1-9] ]]; then
			ktap_test_pass "$name is content"
			ktap_print_msg "$name: $result times"
		else
			[ ! -e "$SCRATCH/$name.wrong-data" ] || wrong_data
			ktap_test_fail "$name is content" "${result:-never ended once}: $(head -n 3 "$SCRATCH/$name.said")"
		fi
	done
}
