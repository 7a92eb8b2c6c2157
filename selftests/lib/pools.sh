# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The pool of the disk, as it tells of itself: its pages, its figures, its validator.
# Sourced by lib.sh.

# pool_pages [N]: PFN and node of each page of the pool [on node N].
pool_pages() {
	awk -v nid="${1:-}" 'NR > 1 && (nid == "" || $2 == nid) { print $1, $2 }' "$POOL/pages"
}

# pool_pfns [N]: the page frames, for comm(1).
pool_pfns() { pool_pages "$@" | cut -d ' ' -f 1 | sort; }

# pool_pages_in PFN COUNT: how many pages of the pool are among those COUNT page frames.
pool_pages_in() {
	pool_pages | awk -v base="$1" -v n="$2" '$1 >= base && $1 < base + n' | wc -l
}

# pinned_pages: the page frames of the pool's pages that have pins.
pinned_pages() { awk 'NR > 1 && $5 > 0 { print $1 }' "$POOL/pages" | sort; }

# pins: how many there are in the pool.
pins() { awk 'NR > 1 { s += $5 } END { print s + 0 }' "$POOL/pages"; }

# pool_blocks: the memory blocks with pages of the pool, ascending.
pool_blocks() {
	local per_block=$(($(block_bytes) / $(getconf PAGESIZE)))
	pool_pages | awk -v n="$per_block" '{ print int($1 / n) }' | sort -nu
}

pool_is_ok() {
	local said
	said=$(cat "$POOL/verify") || return
	[ "$said" = ok ] || wrong_data "verify: $said"
}

# counters_add_up: the validator is content, and all figures of all pools agree. They must
# be at rest.
counters_add_up() { pool_is_ok && { python3 -IS "$TOOLS/add_up.py" || wrong_data; }; }

# at_rest: no page of the pool is moving, and none without zpages is left, which the worker
# releases when nothing was stored for half a second.
at_rest() {
	resting() { awk '$6 ~ /^(Empty|Joining|Leaving|Lost|Moving|Vacated)$/ { exit 1 }' "$POOL/pages"; }
	wait_until 60 resting
}

nothing_counted() { [ "$(cat "$SYS/pages" "$SYS/zpages")" = $'0\n0' ]; }

# pool_is_empty: no page, no zpage, though the worker may take a moment.
pool_is_empty() {
	wait_until 60 nothing_counted || { cat "$POOL/summary"; wrong_data || return; }
	counters_add_up
}

# nothing_is_stored: by any disk, nor by zswap, be there pools or not.
nothing_is_stored() {
	local said
	nothing_counted || { cat "$SYS/pages" "$SYS/zpages"; wrong_data || return; }
	said=$(cat "$SYS/verify") || return
	[ "$said" = ok ] || wrong_data "verify: $said"
}
