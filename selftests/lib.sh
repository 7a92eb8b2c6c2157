# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the selftests share: KTAP output, the module, the knobs and counters, and
# the parts of the mm that move pages. Sourced, never run. A test looks like
#
#	. "$(dirname "$0")/lib.sh"
#	need_root
#	plan 3
#	load_module
#	check "there is a pages counter" counter pages
#	expect_errno "$SYS/migrate" "0 0 0" EINVAL
#	unload_module && ok "unloads" || not_ok "unloads"
#	finish
#
# A test's header may say how it is to be run by scripts/test:
#	# zbm-vm: ARGS		arguments for scripts/vm/boot (quoted as in a shell)
#	# zbm-mover: NAME	it is about that mover, and sees to having it; -: any will do
#	# zbm-debug: both	under the debug kernel, too, with each mover; in a long
#				run these are the only ones there
#
# Exit status, as in kselftest: 0 pass, 1 fail, 4 skip.

set -u -o pipefail
export LC_ALL=C

MODULE=zbud_movable
SYS=/sys/kernel/$MODULE
DEBUGFS=/sys/kernel/debug/$MODULE
NODE_SYS=/sys/devices/system/node
BLOCK_SYS=/sys/devices/system/memory
# Shared by the tests, not all of which use each.
export MODULE SYS DEBUGFS NODE_SYS BLOCK_SYS

ktap_planned='' ktap_seen=0 ktap_failed=0 ktap_skipped=0 ktap_over='' ktap_cleanup=()
ktap_output=$(mktemp)

# --- results ---

plan() {
	ktap_planned=$1
	printf 'KTAP version 1\n1..%d\n' "$1"
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

ok() {
	ktap_seen=$((ktap_seen + 1))
	printf 'ok %d %s\n' "$ktap_seen" "$1"
}

# not_ok NAME [WHY...]
not_ok() {
	local name=$1
	shift
	[ $# = 0 ] || note "$name: $*"
	ktap_seen=$((ktap_seen + 1)) ktap_failed=$((ktap_failed + 1))
	printf 'not ok %d %s\n' "$ktap_seen" "$name"
}

# skip NAME WHY: this one test cannot be run here.
skip() {
	ktap_seen=$((ktap_seen + 1)) ktap_skipped=$((ktap_skipped + 1))
	printf 'ok %d %s # SKIP %s\n' "$ktap_seen" "$1" "$2"
}

# skip_all WHY: nothing of this file can be run here; before plan.
skip_all() {
	printf 'KTAP version 1\n1..0 # SKIP %s\n' "$*"
	ktap_over=1
	exit 4
}

# bail WHY: no use in going on.
bail() {
	printf 'Bail out! %s\n' "$*"
	ktap_over=1
	exit 1
}

# check NAME COMMAND...: ok if COMMAND succeeds; its output is shown if not.
check() {
	local name=$1 rc=0
	shift
	# Not in a subshell: COMMAND may be a function that uses at_exit.
	"$@" >"$ktap_output" 2>&1 || rc=$?
	if [ "$rc" = 0 ]; then
		ok "$name"
	else
		sed 's/^/# /' "$ktap_output"
		not_ok "$name" "'$*' gave exit status $rc"
	fi
	return "$rc"
}

# is NAME ACTUAL OP EXPECTED: compare numbers (-eq, -lt, ...) or strings (=, !=).
is() {
	if test "$2" "$3" "$4" 2>/dev/null; then
		ok "$1"
	else
		not_ok "$1" "expected '$2' $3 '$4'"
	fi
}

# finish: the end of every test.
finish() {
	ktap_over=1
	[ "$ktap_seen" = "$ktap_planned" ] || {
		note "planned $ktap_planned tests but ran $ktap_seen"
		exit 1
	}
	[ "$ktap_failed" = 0 ] || exit 1
	[ "$ktap_skipped" -lt "$ktap_seen" ] || exit 4
	exit 0
}

# at_exit COMMAND: run COMMAND (one string) when the test ends, last one first.
at_exit() { ktap_cleanup=("$1" "${ktap_cleanup[@]}"); }

ktap_exit() {
	local rc=$? c
	trap - EXIT
	for c in "${ktap_cleanup[@]}"; do eval "$c"; done
	rm -f "$ktap_output"
	if [ -z "$ktap_over" ]; then
		printf 'Bail out! the test ended before its finish (exit status %d)\n' "$rc"
		rc=1
	fi
	exit "$rc"
}
trap ktap_exit EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# --- surroundings ---

need_root() { [ "$(id -u)" = 0 ] || skip_all "must be root"; }

# need_command NAME...
need_command() {
	local c
	for c; do command -v "$c" >/dev/null || skip_all "the command $c is missing"; done
}

# need_file PATH...: of the kernel, that is: a feature it may lack.
need_file() {
	local f
	for f; do [ -e "$f" ] || skip_all "this kernel has no $f"; done
}

# need_nodes N: at least N nodes with memory.
need_nodes() { [ "$(nodes | wc -w)" -ge "$1" ] || skip_all "needs $1 NUMA nodes with memory"; }

# Tests take smaller sizes where everything is many times slower.
is_debug_kernel() {
	[ -e /sys/kernel/debug/kmemleak ] || grep -qs '\bkasan_report$' /proc/kallsyms
}

# pick RELEASE DEBUG: the size for the kernel at hand.
pick() { if is_debug_kernel; then echo "$2"; else echo "$1"; fi; }

is_long() { [ -n "${ZBM_LONG:-}" ]; }

# mark TEXT: a line in the kernel's log, to tell what was going on.
mark() { printf '%s: %s\n' "$(basename "$0")" "$*" >/dev/kmsg; }

# wait_until SECONDS COMMAND...: poll COMMAND until it succeeds.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# as_nobody COMMAND...: without any right.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"; }

# --- the module ---

module_loaded() { grep -q "^$MODULE " /proc/modules; }

# modprobe_module [PARAM=VALUE...]: load it, with the mover of $ZBM_MOVER if set.
modprobe_module() { modprobe "$MODULE" ${ZBM_MOVER:+"mover=$ZBM_MOVER"} "$@"; }

# load_module [PARAM=VALUE...]: end the test if it cannot be loaded; unloaded
# again when the test ends.
load_module() {
	local message
	if module_loaded; then unload_module || bail "$MODULE is in use"; fi
	message=$(modprobe_module "$@" 2>&1) || {
		modinfo "$MODULE" >/dev/null 2>&1 || skip_all "there is no module $MODULE"
		bail "modprobe $MODULE: $message"
	}
	at_exit '! module_loaded || unload_module'
}

unload_module() { modprobe -r "$MODULE"; }

# mover: which one is at work: movable_ops or mapping.
mover() { cat "$SYS/mover"; }

# counter NAME: the number in the module's sysfs file NAME (as in stats/migrated).
counter() { cat "$SYS/$1"; }

# --- writing to knobs ---

# write_errno FILE VALUE: write VALUE by one write(2) and print the name of the
# errno that came back, or 0. dd is used as it says which error it met and
# never splits or buffers.
write_errno() {
	local message
	if message=$(printf '%s' "$2" |
		dd of="$1" bs=1M iflag=fullblock conv=nocreat,notrunc status=none 2>&1); then
		echo 0
		return
	fi
	case $message in
	*': Operation not permitted') echo EPERM ;;
	*': No such file or directory') echo ENOENT ;;
	*': Interrupted system call') echo EINTR ;;
	*': Input/output error') echo EIO ;;
	*': No such device or address') echo ENXIO ;;
	*': Argument list too long') echo E2BIG ;;
	*': Resource temporarily unavailable') echo EAGAIN ;;
	*': Cannot allocate memory') echo ENOMEM ;;
	*': Permission denied') echo EACCES ;;
	*': Bad address') echo EFAULT ;;
	*': Device or resource busy') echo EBUSY ;;
	*': File exists') echo EEXIST ;;
	*': No such device') echo ENODEV ;;
	*': Invalid argument') echo EINVAL ;;
	*': File too large') echo EFBIG ;;
	*': No space left on device') echo ENOSPC ;;
	*': Read-only file system') echo EROFS ;;
	*': Numerical result out of range') echo ERANGE ;;
	*': Function not implemented') echo ENOSYS ;;
	*': Value too large for defined data type') echo EOVERFLOW ;;
	*': Operation not supported') echo EOPNOTSUPP ;;
	*) echo "unknown: $message" ;;
	esac
}

# expect_errno FILE VALUE ERRNO [NAME]: one test; ERRNO 0 means success.
expect_errno() {
	local name got shown
	printf -v shown '%q' "$2"
	[ ${#shown} -le 40 ] || shown="${shown:0:30}... (${#2} bytes)"
	name=${4:-"write $shown to $(basename "$1"): $3"}
	got=$(write_errno "$1" "$2")
	if [ "$got" = "$3" ]; then ok "$name"; else not_ok "$name" "got $got"; fi
}

# --- memory ---

# vmstat NAME: a counter of /proc/vmstat, as in pgmigrate_success.
vmstat() { awk -v n="$1" '$1 == n { print $2; f = 1 } END { exit !f }' /proc/vmstat; }

# nodes: the numbers of the nodes with memory.
nodes() {
	local list part n
	read -r list <"$NODE_SYS/has_memory"
	for part in ${list//,/ }; do
		for ((n = ${part%-*}; n <= ${part#*-}; n++)); do printf '%d ' "$n"; done
	done
}

# node_free_kb N
node_free_kb() { awk '/MemFree:/ { print $4 }' "$NODE_SYS/node$1/meminfo"; }

# occupy_node N KB: leave node N KB free memory, by a process that has the rest, until
# vacate_node. Short of the watermarks: who fills a node to the brim is killed for it.
occupy_node() {
	local said
	said=$(mktemp)
	python3 "$(dirname "$0")/occupy.py" "$1" "$2" >"$said" &
	OCCUPIER=$!
	at_exit vacate_node
	occupied() { grep -q full "$said" || ! kill -0 "$OCCUPIER" 2>/dev/null; }
	wait_until 300 occupied
	grep -q full "$said"
	set -- $?
	rm "$said"
	return "$1"
}

vacate_node() {
	[ -n "${OCCUPIER:-}" ] || return 0
	kill "$OCCUPIER"
	wait "$OCCUPIER" 2>/dev/null
	OCCUPIER=''
}

# node_blocks N: the memory blocks of node N (numbers, ascending).
node_blocks() {
	local b
	for b in "$NODE_SYS/node$1"/memory[0-9]*; do
		[ ! -e "$b" ] || echo "${b##*/memory}"
	done | sort -n
}

# block_bytes: the size of a memory block.
block_bytes() { echo $((16#$(cat "$BLOCK_SYS/block_size_bytes"))); }

# block_of_pfn PFN: the memory block that holds page frame PFN.
block_of_pfn() { echo $(($1 * $(getconf PAGESIZE) / $(block_bytes))); }

block_state() { cat "$BLOCK_SYS/memory$1/state"; }

# offline_block BLOCK: brought back when the test ends. Asks again if something is
# just in use there, as anybody would.
offline_block() {
	local deadline=$((SECONDS + 120))
	until ask_offline "$1" 120 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 1
	done
	at_exit "online_block $1"
}

# online_block BLOCK [online|online_movable|online_kernel]
online_block() {
	[ "$(block_state "$1")" != offline ] || echo "${2:-online}" >"$BLOCK_SYS/memory$1/state"
}

# hotplug_lock COMMAND...: COMMAND, where CONFIG_DEBUG_VM would have it under
# a lock: the host's compaction holds memory offline off no more than it holds
# compaction off, and meets struct pages that are no zone's any more (poisoned,
# VM_BUG_ON(!zone_spans_pfn) in set_pfnblock_flags_mask, bad_range). Elsewhere the
# two race, as on any machine.
hotplug_lock() {
	if is_debug_kernel; then flock /run/zbm-hotplug "$@"; else "$@"; fi
}

# compact_memory [NODE]: compact one node, or all.
compact_memory() {
	local knob=/proc/sys/vm/compact_memory
	[ $# = 0 ] || knob=$NODE_SYS/node$1/compact
	# shellcheck disable=SC2016 # for the inner shell
	hotplug_lock bash -c 'echo 1 >"$1"' - "$knob"
}

# compact_alone: until the test ends nobody else compacts.
compact_alone() {
	local knob
	for knob in /proc/sys/vm/compaction_proactiveness /sys/kernel/mm/transparent_hugepage/khugepaged/defrag; do
		[ -e "$knob" ] || continue
		at_exit "echo $(cat "$knob") >$knob"
		echo 0 >"$knob"
	done
}

# soft_offline PFN: with another try if somebody looks at the page just then.
soft_offline() {
	local try
	for try in 1 2 3; do
		echo $(($1 * $(getconf PAGESIZE))) >"$BLOCK_SYS/soft_offline_page" && return
		[ "$try" = 3 ] || sleep 1
	done
	return 1
}

# cma_take AREA PAGES: allocates them in pieces of 1024, as far as they can be had;
# each is asked for again if something there is just in use. Says how many it got.
cma_take() {
	local try got=0 left
	for ((left = $2; left >= 1024; left -= 1024)); do
		for try in 1 2 3 4 5; do
			! echo 1024 2>/dev/null >"$1/alloc" || { got=$((got + 1024)); break; }
			[ "$try" = 5 ] || sleep 0.5
		done
	done
	echo "$got"
}
# For a test's inner shells.
export -f soft_offline cma_take

# ask_offline BLOCK SECONDS: the kernel tries for ever: it gets a limit, and may have
# done it when that is over. The block does not come back by itself.
ask_offline() {
	# shellcheck disable=SC2016 # for the inner shell
	hotplug_lock timeout "$2" bash -c 'echo offline >"$1"' - "$BLOCK_SYS/memory$1/state"
	[ "$(block_state "$1")" = offline ]
}

# --- the module's own pool ---

DATA=$DEBUGFS/data
POOL=$DEBUGFS/pools/data
ZSWAP=/sys/module/zswap/parameters
ZSWAP_DEBUGFS=/sys/kernel/debug/zswap
export DATA POOL ZSWAP ZSWAP_DEBUGFS

# scratch: make $SCRATCH, a directory in memory that goes when the test ends.
scratch() {
	SCRATCH=$(mktemp -d /dev/shm/zbm.XXXXXX)
	at_exit "rm -rf $SCRATCH"
}

# on_node N COMMAND...: with its processors and its memory.
on_node() { numactl --cpunodebind="$1" --membind="$1" "${@:2}"; }

# real_data FILE MIB: fill FILE with what programs are made of; before plan.
real_data() {
	local dir left=$(($2 << 20))
	: >"$1"
	for dir in /usr/bin /usr/lib; do
		# Nobody minds that head has enough.
		find "$dir" -xdev -type f -size +100k -print0 | sort -z |
			xargs -0 cat 2>/dev/null | head -c "$left" >>"$1"
		left=$((($2 << 20) - $(stat -c %s "$1")))
		[ "$left" -gt 0 ] || return 0
	done
	skip_all "there are no $2 MiB of programs here"
}

# store FILE: FILE, and nothing else, into the pool.
store() { dd if="$1" of="$DATA" bs=1M status=none; }

# store_scattered FILE [NODE]: the same, strewn over the memory of all nodes, or of that
# one: between each two pieces there is memory that is free in the end. What compaction
# is made for.
store_scattered() {
	local free place=(numactl --interleave=all)
	free=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
	[ -z "${2:-}" ] || free=$(node_free_kb "$2") place=(on_node "$2")
	"${place[@]}" python3 - "$1" "$DATA" "$SCRATCH/ballast" "$free" <<-'PYTHON' || return
		import os, sys
		piece = 64 << 10
		with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb", 0) as pool, \
		        open(sys.argv[3], "wb") as ballast:
		    pieces = os.fstat(source.fileno()).st_size // piece + 1
		    step = int(int(sys.argv[4]) * 1024 * 0.5 / pieces)
		    for n in range(pieces):
		        pool.write(source.read(piece))
		        os.posix_fallocate(ballast.fileno(), n * step, step)
	PYTHON
	rm "$SCRATCH/ballast"
}

# put FILE TEXT: by one write(2) to a file of the module in debugfs.
put() { printf '%s' "$2" >"$DEBUGFS/$1"; }

# same_data FILE: the pool holds FILE, and nothing else.
same_data() { cmp "$1" "$DATA"; }

# punched FILE N: FILE as free_every N leaves it: block N-1, 2N-1, ... zeroes.
punched() {
	python3 - "$1" "$2" <<-'PYTHON'
		import sys
		n = int(sys.argv[2])
		with open(sys.argv[1], "r+b") as file:
		    end = file.seek(0, 2)
		    for block in range(n - 1, (end + 4095) // 4096, n):
		        file.seek(block * 4096)
		        file.write(bytes(min(4096, end - block * 4096)))
	PYTHON
}

# pool_pages [N]: PFN and node of each page of the own pool [on node N].
pool_pages() {
	awk -v nid="${1:-}" 'NR > 1 && (nid == "" || $2 == nid) { print $1, $2 }' "$POOL/pages"
}

# pool_pfns [N]: the page frames, for comm(1).
pool_pfns() { pool_pages "$@" | cut -d ' ' -f 1 | sort; }

# pool_pages_in PFN COUNT: how many pages of the own pool are among those COUNT page frames.
pool_pages_in() {
	pool_pages | awk -v base="$1" -v n="$2" '$1 >= base && $1 < base + n' | wc -l
}

# pinned_pages: the page frames of the own pool's pages that have pins.
pinned_pages() { awk 'NR > 1 && $5 > 0 { print $1 }' "$POOL/pages" | sort; }

# pins: how many there are in the own pool.
pins() { awk 'NR > 1 { s += $5 } END { print s + 0 }' "$POOL/pages"; }

# pool_blocks: the memory blocks with pages of the own pool, ascending.
pool_blocks() {
	local per_block=$(($(block_bytes) / $(getconf PAGESIZE)))
	pool_pages | awk -v n="$per_block" '{ print int($1 / n) }' | sort -nu
}

pool_is_ok() {
	local said
	said=$(cat "$POOL/verify") || return
	[ "$said" = ok ] || { echo "verify: $said"; return 1; }
}

node_sum() { cat "$SYS"/node*/"$1" | awk '{ s += $1 } END { print s + 0 }'; }

# counters_add_up: the validator is content, and all figures of the own pool,
# which is the only one, agree. The pool must be at rest.
counters_add_up() {
	pool_is_ok && awk -v pages_per_block="$(($(block_bytes) / $(getconf PAGESIZE)))" \
		-v node_sys="$NODE_SYS" '
	function fail(what) { print what; failed = 1 }
	function same(what, a, b) { if (a + 0 != b + 0) fail(what ": " a + 0 " and " b + 0) }
	FILENAME ~ /\/data\/pages$/ {
		if (FNR == 1) next
		pages++
		bytes += $3 + $4
		zpages += ($3 > 0) + ($4 > 0)
		unbuddied += ($3 > 0) != ($4 > 0)
		on["pages", $2]++
		on["zpages", $2] += ($3 > 0) + ($4 > 0)
		on["unbuddied_pages", $2] += ($3 > 0) != ($4 > 0)
		if ($6 != "Buddied" && $6 != "Unbuddied") fail("not at rest: " $0)
		if ($1 in seen) fail("listed twice: " $0)
		seen[$1]
		block[int($1 / pages_per_block) " " $2]
		next
	}
	FILENAME ~ /\/data\/summary$/ {
		if ($1 ~ /^node/) { told["pages"] += $3; told["zpages"] += $5; told["unbuddied"] += $7 }
		else told["all " $1] = $2
		next
	}
	{ name = FILENAME; sub(".*/", "", name) }
	FILENAME ~ /\/node[0-9]*\// {
		node[name] += $1
		match(FILENAME, /\/node[0-9]*\//)
		nid = substr(FILENAME, RSTART + 5, RLENGTH - 6)
		if (name !~ /^moved/) same(name " of node " nid ": in pages, counter", on[name, nid], $1)
		next
	}
	{ counter[name] = $1 }
	END {
		same("pages: in pages, counter", pages, counter["pages"])
		same("pages: in pages, sum of nodes", pages, node["pages"])
		same("pages: in pages, in summary", pages, told["all pages"])
		same("pages: in pages, sum in summary", pages, told["pages"])
		same("zpages: in pages, counter", zpages, counter["zpages"])
		same("zpages: in pages, sum of nodes", zpages, node["zpages"])
		same("zpages: in pages, sum in summary", zpages, told["zpages"])
		same("bytes: in pages, counter", bytes, counter["stored_bytes"])
		same("bytes: in pages, in summary", bytes, told["all stored_bytes"])
		same("unbuddied: in pages, counter", unbuddied, counter["unbuddied_pages"])
		same("unbuddied: in pages, sum of nodes", unbuddied, node["unbuddied_pages"])
		same("unbuddied: in pages, sum in summary", unbuddied, told["unbuddied"])
		same("moved: in, out", node["moved_in"], node["moved_out"])
		if (pages > zpages) fail("more pages than zpages: " pages " and " zpages)
		if (node["moved_in"] + 0 > counter["migrated"] + 0) fail("moved more than migrated")
		# What the pool says of the nodes of its pages is what the kernel says.
		for (b in block) {
			split(b, at)
			if (system("test -e " node_sys "/node" at[2] "/memory" at[1])) fail("block on another node: " b)
		}
		exit failed
	}' "$POOL/pages" "$POOL/summary" "$SYS"/{pages,zpages,stored_bytes,unbuddied_pages} \
		"$SYS/stats/migrated" "$SYS"/node*/{pages,zpages,unbuddied_pages,moved_in,moved_out}
}

# at_rest: no page of the own pool is moving, and none is left for the worker to give
# back, which with the mover mapping are all that lost their last zpage.
at_rest() {
	resting() { ! awk '{ print $6 }' "$POOL/pages" | grep -qE 'Empty|Moving'; }
	wait_until 60 resting
}

# pool_is_empty: no page, no zpage, though the worker may take a moment.
pool_is_empty() {
	nothing_counted() { [ "$(cat "$SYS/pages" "$SYS/zpages")" = $'0\n0' ]; }
	wait_until 60 nothing_counted || { cat "$POOL/summary"; return 1; }
	counters_add_up
}

# --- expected complaints ---

quiet_depth=0

# quiet: until loud, the kernel's messages go to its log only, not to the
# console: whoever takes memory offline is told of each page in the way.
quiet() {
	quiet_depth=$((quiet_depth + 1))
	[ "$quiet_depth" = 1 ] || return 0
	# shellcheck disable=SC2016 # for then
	[ -n "${quiet_mark:-}" ] || at_exit '[ $quiet_depth = 0 ] || { quiet_depth=1; loud; }'
	quiet_mark="zbm-quiet $$ $SECONDS $RANDOM$RANDOM"
	quiet_level=$(cut -f 1 /proc/sys/kernel/printk)
	echo on >/proc/sys/kernel/printk_devkmsg
	printf '%s\n' "$quiet_mark" >/dev/kmsg
	echo 1 >/proc/sys/kernel/printk
}

# loud: the end of it. What was said meanwhile and was not to be expected is
# said again, so that it is not missed.
loud() {
	local line
	quiet_depth=$((quiet_depth - 1))
	[ "$quiet_depth" = 0 ] || return 0
	echo "$quiet_level" >/proc/sys/kernel/printk
	dmesg | awk -v mark="$quiet_mark" '
		index($0, mark) { on = 1; next }
		/ (page|head|raw|flags|page_type|memcg|aops|anon flags|ksm flags): ?/ { next }
		/ page dumped because: (unmovable page|isolation failed|migration failure)$/ { next }
		/ (migrating pfn|failed to isolate pfn|Offlined Pages) / { next }
		on { print "zbm-quiet: " $0 }
		END { if (!on) print "WARNING: what was said quietly is lost" }
	' | while IFS= read -r line; do printf '%s\n' "$line" >/dev/kmsg; done
}

# try_offline BLOCK [SECONDS]: as offline_block, for a block that may refuse,
# and without a word. It does not come back by itself: say bring_back NODE first.
try_offline() {
	local rc=0
	quiet
	ask_offline "$1" "${2:-10}" || rc=$?
	loud
	return "$rc"
}

# not_in A B: the words of A that are none of B's.
not_in() {
	local word
	for word in $1; do [[ " $2 " == *" $word "* ]] || echo "$word"; done
}

# bring_back NODE: all its memory online again, now, of the kind that
# find_removable made it, unless ONLINE_AS says otherwise.
bring_back() {
	local block
	for block in $(node_blocks "$1"); do online_block "$block" "${ONLINE_AS:-online}"; done
}

# find_removable NODE [online|online_movable|online_kernel]: set REMOVABLE to
# those of its blocks that go offline as things are, as they do where no kernel
# memory from the boot is, and bring them online again, of the kind given.
find_removable() {
	local block
	REMOVABLE=()
	for block in $(node_blocks "$1"); do
		[ "$(block_state "$block")" = online ] || continue
		! try_offline "$block" 15 2>/dev/null || REMOVABLE+=("$block")
	done
	ONLINE_AS=${2:-online}
	for block in "${REMOVABLE[@]}"; do online_block "$block" "$ONLINE_AS" || return; done
	[ ${#REMOVABLE[@]} -gt 0 ]
}

# keep_on: whether what runs in the background is to go on.
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
	local n=0
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
			ok "$name is content"
			note "$name: $result times"
		else
			not_ok "$name is content" "${result:-never ended once}: $(head -n 3 "$SCRATCH/$name.said")"
		fi
	done
}

# --- hot-plugged memory ---

# find_dimm: DIMM, the ACPI device of memory that can be ejected.
find_dimm() {
	local device
	for device in /sys/bus/acpi/devices/PNP0C80:*; do
		# One for each slot; that with a DIMM in it is present.
		if [ -e "$device/eject" ] && [ "$(cat "$device/status")" = 15 ]; then
			DIMM=$device
			export DIMM # for the test
			return
		fi
	done
	return 1
}

# --- the pool as a mapping ---

DEVICE=/dev/$MODULE
export DEVICE

# mapper_start: a process that has /dev/zbud_movable open (see mapper.py), for
# mapper_do; MAPPER_PID.
mapper_start() {
	coproc MAPPER { exec python3 "$(dirname "$0")/mapper.py"; }
	exec {mapper_out}<&"${MAPPER[0]}" {mapper_in}>&"${MAPPER[1]}"
	mapper_answer
}

mapper_answer() {
	local answer=''
	read -r answer <&"$mapper_out" || answer="the mapper is gone"
	[[ $answer == ok* ]] || { echo "mapper: $answer"; return 1; }
	ANSWER=${answer#ok}
	ANSWER=${ANSWER# }
}

# mapper_do COMMAND...: sets ANSWER.
mapper_do() { echo "$*" >&"$mapper_in" && mapper_answer; }

mapper_stop() {
	echo quit >&"$mapper_in"
	wait "$MAPPER_PID"
	exec {mapper_in}>&- {mapper_out}<&-
}

# --- zswap ---

# need_zswap: with a swap device that is not in the way: before plan.
need_zswap() {
	need_command python3 mkswap swapon
	need_file $ZSWAP/zpool
	[ -b /dev/zram0 ] || modprobe zram 2>/dev/null || skip_all "there is no zram to swap to"
	[ "$(wc -l </proc/swaps)" = 1 ] || skip_all "there is swap already"
}

# zswap_start ZPOOL MIB: MIB of swap behind a zswap that uses ZPOOL; ended by
# zswap_stop, or when the test ends.
zswap_start() {
	local parameter value
	ZSWAP_BEFORE=()
	for parameter in enabled zpool compressor max_pool_percent shrinker_enabled; do
		ZSWAP_BEFORE+=("$(cat "$ZSWAP/$parameter")")
	done
	at_exit zswap_stop
	echo 1 >/sys/block/zram0/reset
	echo "${2}M" >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null || return
	for value in "compressor lz4" "zpool $1" "max_pool_percent 90" "shrinker_enabled N" "enabled Y"; do
		echo "${value#* }" >"$ZSWAP/${value% *}" || return
	done
	[ "$(cat $ZSWAP/zpool)" = "$1" ] && swapon /dev/zram0
}

zswap_stop() {
	local parameter i=0
	! grep -q ^/dev/zram0 /proc/swaps || swapoff /dev/zram0 || return
	for parameter in enabled zpool compressor max_pool_percent shrinker_enabled; do
		# The one before may be this module, or unknown by now.
		echo "${ZSWAP_BEFORE[i]}" >"$ZSWAP/$parameter" 2>/dev/null
		i=$((i + 1))
	done
	echo 1 >/sys/block/zram0/reset
}

# zswap_reread: what is swapped out is read, all of it, whosever it is, and nothing is
# left in the swap cache.
zswap_reread() { swapoff /dev/zram0 && swapon /dev/zram0; }

zswap_stat() { cat "$ZSWAP_DEBUGFS/$1"; }

# hog_start FILE MIB [COMMAND...]: a process (see hog.py) with MIB of memory,
# run by COMMAND if given; it has filled its memory when this returns.
hog_start() {
	coproc HOG { exec "${@:3}" python3 "$(dirname "$0")/hog.py" "$1" "$2"; }
	exec {hog_out}<&"${HOG[0]}" {hog_in}>&"${HOG[1]}"
	hog_answer
}

hog_answer() {
	local answer=''
	read -r answer <&"$hog_out" || answer="the hog is gone"
	[[ $answer == ok\ * ]] || { echo "hog: $answer"; return 1; }
}

# hog_do out|read|write N
hog_do() { echo "$*" >&"$hog_in" && hog_answer; }

hog_stop() {
	echo quit >&"$hog_in"
	wait "$HOG_PID"
	exec {hog_in}>&- {hog_out}<&-
}
