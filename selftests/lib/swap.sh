# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Swap on a disk, and a process whose memory is swapped out. Sourced by lib.sh.

# need_swap: no other is there, and none that goes past the disk: before the plan.
need_swap() {
	need_command python3 mkswap swapon
	need_file /proc/swaps
	[ "$(wc -l </proc/swaps)" = 1 ] || ktap_exit_skip "there is swap already"
	# Not without need: also an N sets zswap up, and then no large folio comes back as a whole.
	[ ! -e "$ZSWAP/enabled" ] || [ "$(cat "$ZSWAP/enabled")" = N ] || {
		at_exit "echo Y >$ZSWAP/enabled"
		echo N >"$ZSWAP/enabled"
	}
}

# swap_on [OPTION...]: swap on the disk, until swap_off, or the end of the test.
swap_on() {
	at_exit "use_disk ${DISK#zbud} && swap_off"
	mkswap "$DATA" >/dev/null && swapon "$@" "$DATA"
}

swap_off() { ! swap_is_on || swapoff "$DATA"; }

swap_is_on() { grep -q "^$DATA " /proc/swaps; }

# swapped_pages: how many slots of the disk are in use.
swapped_pages() { awk -v name="$DATA" '$1 == name { print $4 / 4 }' /proc/swaps; }

# hog_start FILE MIB [COMMAND...]: a process (see hog.py) with MIB of memory,
# run by COMMAND if given; it has filled its memory when this returns. HUGE=huge: of huge pages.
hog_start() {
	coproc HOG { exec "${@:3}" python3 "$TOOLS/hog.py" "$1" "$2" "${HUGE:-}"; }
	exec {hog_out}<&"${HOG[0]}" {hog_in}>&"${HOG[1]}"
	hog_answer
}

hog_answer() {
	local answer=''
	read -r answer <&"$hog_out" || answer="the hog is gone"
	[[ $answer != "wrong data"* ]] || wrong_data
	[[ $answer == ok\ * ]] || { echo "hog: $answer"; return 1; }
}

# hog_ask REQUEST...: without waiting for the answer.
hog_ask() {
	if [ -z "${HOG_PID:-}" ] || ! kill -0 "$HOG_PID" 2>/dev/null; then
		echo "the hog is gone"
		return 1
	fi
	echo "$*" >&"$hog_in"
}

# hog_do out|drop|read|write N
hog_do() { hog_ask "$@" && hog_answer; }

hog_stop() {
	echo quit >&"$hog_in"
	wait "$HOG_PID"
	exec {hog_in}>&- {hog_out}<&-
}
