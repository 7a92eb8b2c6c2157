# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the own pool tells of itself: its pages, its figures, its validator. Sourced by lib.sh.

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
	[ "$said" = ok ] || wrong_data "verify: $said"
}

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
	wait_until 60 nothing_counted || { cat "$POOL/summary"; wrong_data || return; }
	counters_add_up
}
