# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by all scripts: where the checkout and the cache are, how a cached result is
# keyed and locked, and how a long step shows its progress. Sourced, never run.

set -euo pipefail

# An ordinary user of Debian has no sbin in PATH, where chroot and others are.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

ZBM_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
ZBM_CACHE=${ZBM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zbud-movable}
export ZBM_TOP ZBM_CACHE
mkdir -p "$ZBM_CACHE"

say() { printf '%s\n' "zbud_movable: $*" >&2; }
die() { say "error: $*"; exit 1; }

# need PACKAGE COMMAND...: one clear line when something is missing, before it is used.
need() {
	local package=$1 command
	shift
	for command; do
		[ -x "$(type -P "$command")" ] ||
			die "$command not found: install the package $package (see the first lines of README.md)"
	done
}

# key_of: the first 16 hex digits of the SHA-256 of standard input.
key_of() { sha256sum | cut -c1-16; }

# lock NAME: hold an exclusive lock until this process exits, so that two runs
# at once never build the same thing; says so while it waits.
lock() {
	exec {ZBM_LOCK_FD}>"$ZBM_CACHE/$1.lock"
	if ! flock -n "$ZBM_LOCK_FD"; then
		say "$1: another run is at work on it, waiting for it to finish"
		flock "$ZBM_LOCK_FD"
	fi
}

mmss() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# with_progress WHAT LOG SECONDS STEPS COMMAND...: run COMMAND with its output
# in LOG and tell every few seconds how far it is. SECONDS is the expected time
# on two cores, STEPS the expected number of log lines (0: not known).
with_progress() {
	local what=$1 log=$2 expected=$3 steps=$4 start=$SECONDS pid rc=0 every=20
	local now done_lines last=0
	shift 4
	[ -t 2 ] && every=1
	say "$what: expected time about $(mmss "$expected") on two cores (log: $log)"
	# Descriptors of the locks must not leak into long-lived children.
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	# shellcheck disable=SC2064
	trap "kill -TERM $pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		now=$((SECONDS - start))
		[ $((now - last)) -ge "$every" ] || continue
		last=$now
		done_lines=$(wc -l <"$log")
		if [ "$steps" -gt 0 ]; then
			printf '%s' "zbud_movable: $what: $(mmss $now), $((done_lines * 100 / steps))%" >&2
		else
			printf '%s' "zbud_movable: $what: $(mmss $now)" >&2
		fi
		if [ -t 2 ]; then printf '   \r' >&2; else printf '\n' >&2; fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM
	if [ "$rc" -ne 0 ]; then
		tail -n 25 "$log" >&2
		die "$what failed (exit status $rc); the whole log is in $log"
	fi
	say "$what: done in $(mmss $((SECONDS - start)))"
}
