# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Memory that breaks: the kernel is told so of page frames that are sound. Sourced by lib.sh.

HARD_OFFLINE=$BLOCK_SYS/hard_offline_page
UNPOISON=/sys/kernel/debug/hwpoison/unpoison-pfn
export HARD_OFFLINE UNPOISON

# need_breaking: what the functions below take.
need_breaking() {
	need_file "$HARD_OFFLINE" /proc/kpageflags
	modprobe -q hwpoison-inject || ktap_exit_skip "there is no module hwpoison-inject"
	need_file "$UNPOISON"
}

# break_frame PFN: prints the errno that the kernel gives.
break_frame() { write_errno "$HARD_OFFLINE" $(($1 * $(getconf PAGESIZE))); }

# mend_frame PFN: as if it had never been broken; prints the errno.
mend_frame() { write_errno "$UNPOISON" "$1"; }

# broken_kb: how much memory the kernel counts as broken.
broken_kb() { awk '/^HardwareCorrupted:/ { print $2 }' /proc/meminfo; }

# frame_flags PFN BIT...: these bits of /proc/kpageflags, 10 for BUDDY (free), 19 for HWPOISON.
frame_flags() {
	local flags bit
	flags=$(od -An -t u8 -j $(($1 * 8)) -N 8 /proc/kpageflags)
	for bit in "${@:2}"; do echo -n $((flags >> bit & 1)); done
}

# page_with COUNT [N]: the page frame of a page of the pool with that many zpages [on node N].
page_with() {
	awk -v count="$1" -v nid="${2:-}" '
		NR > 1 && (nid == "" || $2 == nid) && ($3 > 0) + ($4 > 0) == count && $5 == 0 { print $1; exit }
	' "$POOL/pages"
}

# broken_frames: all page frames that are marked as broken.
broken_frames() {
	od -An -v -t x8 -w8 /proc/kpageflags | awk '{ if (substr($1, 12, 1) ~ /[89a-f]/) print NR - 1 }'
}

# mend_all: all of these; prints those that the kernel refuses.
mend_all() {
	local frame errno rc=0
	for frame in $(broken_frames); do
		errno=$(mend_frame "$frame")
		[ "$errno" = 0 ] || { echo "$frame: $errno"; rc=1; }
	done
	return "$rc"
}

# unreadable FILE: the blocks of FILE that the disk does not give back; the others are right.
unreadable() { python3 "$TOOLS/unreadable.py" "$DATA" "$1" || wrong_data; }

# gone PFN: the frame is not the pool's.
frame_is_gone() { [ "$(pool_pages_in "$1" 1)" = 0 ]; }
