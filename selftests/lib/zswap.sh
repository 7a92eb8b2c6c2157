# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# zswap, and a process whose memory is swapped out into it. Sourced by lib.sh.

# need_zswap: with a swap device that is not in the way: before the plan.
need_zswap() {
	need_command python3 mkswap swapon
	need_file "$ZSWAP/zpool"
	[ -b /dev/zram0 ] || modprobe zram 2>/dev/null || ktap_exit_skip "there is no zram to swap to"
	[ "$(wc -l </proc/swaps)" = 1 ] || ktap_exit_skip "there is swap already"
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
	[ "$(cat "$ZSWAP/zpool")" = "$1" ] && swapon /dev/zram0
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

# zswap_reread: all pages that are swapped out are read, whosever they are, and nothing is
# left in the swap cache.
zswap_reread() { swapoff /dev/zram0 && swapon /dev/zram0; }

zswap_stat() { cat "$ZSWAP_DEBUGFS/$1"; }

# hog_start FILE MIB [COMMAND...]: a process (see hog.py) with MIB of memory,
# run by COMMAND if given; it has filled its memory when this returns.
hog_start() {
	coproc HOG { exec "${@:3}" python3 "$TOOLS/hog.py" "$1" "$2"; }
	exec {hog_out}<&"${HOG[0]}" {hog_in}>&"${HOG[1]}"
	hog_answer
}

hog_answer() {
	local answer=''
	read -r answer <&"$hog_out" || answer="the hog is gone"
	[[ $answer != "wrong data"* ]] || wrong_data
	[[ $answer == ok\ * ]] || { echo "hog: $answer"; return 1; }
}

# hog_do out|read|write N
hog_do() { echo "$*" >&"$hog_in" && hog_answer; }

hog_stop() {
	echo quit >&"$hog_in"
	wait "$HOG_PID"
	exec {hog_in}>&- {hog_out}<&-
}
