# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# zswap. Sourced by lib.sh.

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
