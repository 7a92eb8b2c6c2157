# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Complaints of the kernel's that are to be expected. Sourced by lib.sh.

quiet_depth=0

# quiet: until loud, the kernel's messages go to its log only, not to the
# console: memory offline tells of each page in the way.
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

# loud [PATTERN]: the end of it. Messages that came meanwhile and were not to be expected
# are said again, so that they are not missed. To be expected are the complaints about pages that
# stay, and lines that match PATTERN.
loud() {
	local line
	quiet_depth=$((quiet_depth - 1))
	[ "$quiet_depth" = 0 ] || return 0
	echo "$quiet_level" >/proc/sys/kernel/printk
	dmesg | expected=${1:-} awk -v mark="$quiet_mark" '
		index($0, mark) { on = 1; next }
		/ (page|head|raw|flags|page_type|memcg|aops|anon flags|ksm flags): ?/ { next }
		/ page dumped because: (unmovable page|isolation failed|migration failure)$/ { next }
		/ (migrating pfn|failed to isolate pfn|Offlined Pages) / { next }
		ENVIRON["expected"] != "" && $0 ~ ENVIRON["expected"] { next }
		on { print "zbm-quiet: " $0 }
		END { if (!on) print "WARNING: what was said quietly is lost" }
	' | while IFS= read -r line; do printf '%s\n' "$line" >/dev/kmsg; done
}
