#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --nodes 4
# zbm-mover: -
# zbm-test: release
#
# The command zbudctl: it shows the figures of sysfs, its map has the pages that debugfs
# has, it does what it is asked for,
# and its exit statuses and its JSON tell a script what became of it: success, pages
# that were not moved, each refusal of the kernel, no module.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_nodes 4
need_command zbudctl python3 numactl setpriv unshare
load_module
compact_alone
make_disk
need_file "$SYS/migrate"
scratch
real_data "$SCRATCH/data" "$(pick 8 4)"
ktap_set_plan 66

# ctl STATUS NAME ARGUMENT...: run it; its output is in $SCRATCH/{out,err}.
ctl() {
	local expected=$1 name=$2 rc=0
	shift 2
	zbudctl "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || rc=$?
	[ "$rc" = "$expected" ] || {
		ktap_print_msg "$(cat "$SCRATCH/out" "$SCRATCH/err")"
		[ "$1" != verify ] || wrong_data
	}
	is "$name" "$rc" = "$expected"
}
# json EXPRESSION: of what it said, as `it`.
json() { python3 -c "import json, sys; it = json.load(open('$SCRATCH/out')); print(($1))"; }
said() { cat "$SCRATCH/out"; }

ktap_test_result "stores data on node 0" on_node 0 store "$SCRATCH/data"
pages=$(counter pages)

ctl 0 "status" status
is "has a column for each node" "$(head -n 3 "$SCRATCH/out" | grep -c 'Node 0.*Node 3.*Total')" = 1
is "and the pages" "$(awk '$1 == "pages" { print $2, $NF }' "$SCRATCH/out")" = "$pages $pages"
ctl 0 "status --json" status --json
is "has what sysfs has" "$(json "it['pool']['pages'], it['pool']['zpages'], it['nodes'][0]['pages'], it['mover'], it['stats']['migrated']")" = \
	"($pages, $(counter zpages), $pages, '$(mover)', $(counter stats/migrated))"
is "and its empty and its lost ones" "$(json "it['pool']['empty_pages'], it['total']['empty_pages'], it['pool']['lost_zpages']")" = \
	"($(counter empty_pages), $(node_sum empty_pages), $(counter lost_zpages))"
timeout 60 zbudctl status --watch 0.2 2>"$SCRATCH/err" | head -n 30 >"$SCRATCH/out"
is "status --watch goes on until the reader has enough" "${PIPESTATUS[0]} $(wc -l <"$SCRATCH/out") $(wc -c <"$SCRATCH/err")" = "0 30 0"

ctl 0 "migrate 0 2" migrate 0 2
is "moves all" "$(counter node2/pages)" -eq "$pages"
is "and says how many" "$(said)" = "$pages moved, 0 not moved"
ctl 0 "migrate all 0-1 --json" migrate all 0-1 --json
is "says it in JSON, too" "$(json "it['moved'], it['not_moved']")" = "($pages, 0)"
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
# The map. A block has 512 page frames.
listed() {
	awk '$1 != "pfn" { pages[$2 " " int($1 / 512)]++ } END { for (at in pages) print at, pages[at] }' \
		"$DEBUGFS"/pools/*/pages | sort
}
mapped() {
	json "'\n'.join(f\"{n['node']} {b['block']} {b['pages']}\" for n in it['nodes'] for b in n['blocks'])" | sort
}
# on_nodes WORD: as the map prints what is there now.
on_nodes() {
	local node
	for node in 0 1 2 3; do echo "Node $node, $1: $(counter node$node/pages) pool pages"; done
}
at_rest
ctl 0 "map --json" map --json
listed >"$SCRATCH/listed"
mapped >"$SCRATCH/mapped"
cp "$SCRATCH/out" "$SCRATCH/map"
ktap_test_result "has each page in its block" same_bytes "$SCRATCH/listed" "$SCRATCH/mapped"
is "and their number" "$(json "it['pages']")" = "$pages"
is "and all memory blocks" "$(json "sum(a['end'] - a['start'] for n in it['nodes'] for a in n['memory']) << 21")" -eq \
	$(($(find "$BLOCK_SYS" -maxdepth 1 -name 'memory[0-9]*' | wc -l) * $(block_bytes)))
COLUMNS=80 ctl 0 "map" map
is "has pages in the rows of these blocks" "$(grep -c '^0x.*[-+*#]' "$SCRATCH/out")" -eq \
	"$(awk '{ print $1, int($2 / 64) }' "$SCRATCH/listed" | sort -u | wc -l)"
on_nodes before >"$SCRATCH/was"
ktap_test_result "all to node 2" eval "echo 'all 2' >$SYS/migrate"
on_nodes after >"$SCRATCH/is"
ctl 0 "map --before" map --before "$SCRATCH/map"
grep -o '^Node .* pages' "$SCRATCH/out" | sort >"$SCRATCH/said"
ktap_test_result "says what was where, and is" same_bytes "$SCRATCH/said" <(sort "$SCRATCH/was" "$SCRATCH/is")
ctl 0 "map --before --svg" map --before "$SCRATCH/map" --svg
ktap_test_result "is XML" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$SCRATCH/out"
rc=0
unshare --mount sh -c 'umount --lazy /sys/kernel/debug && exec zbudctl --json map' >"$SCRATCH/out" || rc=$?
is "map without debugfs: ENOENT" "$rc $(json "it['error']['errno']")" = "4 ENOENT"
rc=0
as_nobody zbudctl --json map >"$SCRATCH/out" || rc=$?
is "nobody's map: EACCES" "$rc $(json "it['error']['errno']")" = "4 EACCES"
ktap_test_result "all to nodes 0 and 1" eval "echo '0-3 0-1' >$SYS/migrate"
from=0 to=3
[ "$(counter node0/pages)" -gt 0 ] || from=1
put pin "0 20"
pinned=$(pinned_pages | wc -l)
ctl 3 "migrate with pages in use" migrate $from $to
is "says how many have stayed" "$(said)" = "$((pages - pinned)) moved, $pinned not moved"
put unpin all

ctl 0 "verify" verify
ctl 0 "verify --json" verify --json
adds_up "finds all well" "$(json "it['ok'], it['validator_ok']")" = "(True, True)"

ctl 0 "mems" mems
is "shows both" "$(grep -c 0-3 "$SCRATCH/out")" -ge 1
ctl 0 "mems 1-2" mems 1-2
is "sets it, and moves nothing" "$(cat "$SYS/mems") $(counter node3/pages)" = "1-2 $((pages - pinned))"
ctl 0 "mems 2 --migrate" mems 2 --migrate
is "moves all" "$(counter node2/pages) $(cat "$SYS/mems")" = "$pages 2"
is "and leaves the knob as it was" "$(cat "$SYS/memory_migrate")" = 0
ctl 0 "mems --memory-migrate on" mems --memory-migrate on
is "sets the knob" "$(cat "$SYS/memory_migrate")" = 1
ctl 0 "mems all --json" mems all --json
is "says what is in effect" "$(json "it['mems'], it['mems_effective'], it['memory_migrate']")" = "('0-3', '0-3', True)"

# Refusals.
snapshot() { cat "$SYS"/{mems,memory_migrate,pages} "$SYS"/node*/pages; pool_pages | sort; }
snapshot >"$SCRATCH/was"
while read -r status errno arguments; do
	read -ra words <<<"$arguments"
	ctl "$status" "$arguments: $errno" --json "${words[@]}"
	is "$arguments: says so" "$(json "it['error']['errno']")" = "$errno"
done <<-LIST
	4 EINVAL migrate 0 x
	4 ERANGE migrate 0 99999
	4 ENODEV migrate 0 5
	4 ENODEV mems 5
	2 None migrate 0
	2 None frob
LIST
snapshot >"$SCRATCH/is"
ktap_test_result "what was refused has changed nothing" same_bytes "$SCRATCH/was" "$SCRATCH/is"
rc=0
as_nobody zbudctl --json migrate 0 1 >"$SCRATCH/out" || rc=$?
is "nobody: EACCES" "$rc $(json "it['error']['errno']")" = "4 EACCES"
busy=0
put pin "0 20"
keep_asking '2 1' '1 2'
deadline=$((SECONDS + 60))
while [ "$SECONDS" -lt "$deadline" ]; do
	rc=0
	zbudctl --json migrate 1 2 >"$SCRATCH/out" || rc=$?
	[ "$rc" != 4 ] || [ "$(json "it['error']['errno']")" != EBUSY ] || { busy=1; break; }
done
rm "$SCRATCH/run"
wait "$ASKER"
is "a request beside another: EBUSY" $busy = 1
put unpin all
ktap_test_result "all to node 0" eval "echo 'all 0' >$SYS/migrate"
ctl 0 "status at the end" status
ktap_test_result "contents are the same" same_data "$SCRATCH/data"
ktap_test_result "figures add up" counters_add_up
ktap_test_result "the module can be unloaded" unload_module
ctl 5 "without the module" status
is "it says so" "$(grep -c '^zbudctl: .*not loaded' "$SCRATCH/err")" = 1
ktap_finished
