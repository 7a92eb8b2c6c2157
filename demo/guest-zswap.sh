# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The demo with zswap before the pool, on the 6.12 kernel: $pool is the name of one of
# its allocators. /dev/vdb is for swap. Sourced by demo/guest-run, never run.
#
# shellcheck disable=SC2034,SC2154 # what guest-run has set, and what it reads

swap=/dev/vdb
zswap=/sys/module/zswap/parameters
data_nodes=() # zswap does not tell the pool which node a page comes from

start_pool() {
	put $zswap/compressor lz4
	put $zswap/zpool "$pool"
	put $zswap/max_pool_percent 90
	put $zswap/shrinker_enabled N
	put $zswap/enabled Y
	[ "$(cat $zswap/zpool)" = "$pool" ] ||
		{ echo "guest-run: zswap does not take $pool" >&2; exit 1; }
	mkswap --quiet --force "$swap"
	swapon "$swap"
}

zswap_stat() { cat "/sys/kernel/debug/zswap/$1"; }

# The name that the progress has for it
described() { echo "zswap with $pool"; }

stored_figures() {
	printf 'stored=%d\n' "$(zswap_stat stored_pages)"
	printf 'pool=%d\n' $(($(zswap_stat pool_total_size) / 4096))
	printf 'refused=%d\n' "$(zswap_stat reject_compress_poor)"
	printf 'incompressible=%d\n' "$(zswap_stat reject_compress_fail)"
}

# What is to be known of the empty guest: plain, pages of each node that
# /proc/kpageflags can say nothing about.
note_empty() { mapfile -t plain < <("$program" plain-pages | sed 's/.*=//'); }

# Pool pages of a node. zbud_movable tells itself; vmstat counts zsmalloc's; those of
# others are the plain pages that were not there when the pool was empty, right to
# about one in a hundred.
pages_on() { # pages_on NODE
	case $pool in
	zbud_movable) cat "$ours/node$1/pages" ;;
	zsmalloc) zsmalloc_pages "$1" ;;
	*) echo $(($("$program" plain-pages | sed -n "s/^node$1=//p") - plain[$1])) ;;
	esac
}

# Nothing that zswap's users do not have elsewhere
move_by_system_call() { :; }
final_figures() { :; }
