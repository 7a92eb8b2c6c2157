#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: page_cache stock
# zbm-guest: shared
#
# What a user without rights can read and write of the module's files is what the guide's
# table says ("What users without rights see"): each file that there is has its line, and each
# line a file. What all may read is told in whole pages. /dev/zbud_movable asks for
# CAP_SYS_RAWIO, whatever its mode.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 setpriv
GUIDE=$(dirname "$0")/../Documentation/admin-guide.rst
[ -e "$GUIDE" ] || ktap_exit_skip "the guide is not here"
load_module
make_disk 64M
scratch
real_data "$SCRATCH/data" 1
ktap_set_plan 14

# table: "PATTERN READ WRITE" for each line of the guide's table.
# shellcheck disable=SC2016 # backticks of the guide's
table() { sed -nE 's/^``(\/[^`]*)`` +(yes|no) +(yes|no)\b.*/\1 \2 \3/p' "$GUIDE"; }

# What every disk has in sysfs is the block layer's.
BLOCK_LAYER="alignment_offset badblocks capability dev discard_alignment diskseq events events_async events_poll_msecs
	ext_range hidden inflight partscan range removable ro size stat uevent"
is_block_layers() { [[ " ${BLOCK_LAYER//[$'\n\t']/ } " == *" $1 "* ]]; }
our_files() {
	local file
	find "$SYS" "$DEBUGFS" "/sys/module/$MODULE/parameters" -type f
	printf '%s\n' "$CONTROL"/hot_* "$DATA" "$DISK_SYS"/node[0-9]*/*
	[ ! -e "$DEVICE" ] || echo "$DEVICE"
	for file in "$DISK_SYS"/*; do
		[ ! -f "$file" ] || is_block_layers "${file##*/}" || echo "$file"
	done
}
# as_said_by COMMAND...: a shell run by COMMAND says "FILE READ WRITE" of each file on its
# standard input; nothing is read or written.
as_said_by() {
	# shellcheck disable=SC2016 # for the inner shell
	"$@" bash -c 'while read -r file; do
		read=no write=no
		! : <"$file" || read=yes
		! : >>"$file" || write=yes
		echo "$file $read $write"
	done' 2>/dev/null
}
# expected: the same, as the table has it; "FILE not in the table" if it has not.
expected() {
	local file pattern read write line
	while read -r file; do
		line="$file is not in the table"
		while read -r pattern read write; do
			# shellcheck disable=SC2254 # a pattern
			case $file in $pattern) line="$file $read $write"; break ;; esac
		done <"$SCRATCH/table"
		echo "$line"
	done
}
as_the_table_says() {
	as_said_by as_nobody <"$SCRATCH/files" >"$SCRATCH/is"
	expected <"$SCRATCH/files" >"$SCRATCH/expected"
	diff "$SCRATCH/expected" "$SCRATCH/is"
}
# Not every kernel has these.
may_be_absent() { [ "$1" = "$DEVICE" ] || [[ $1 == $DEBUGFS/fail_* ]]; }
each_line_has_a_file() {
	local pattern rest
	while read -r pattern rest; do
		compgen -G "$pattern" >/dev/null || may_be_absent "$pattern" || { echo "$pattern: there is none"; return 1; }
	done <"$SCRATCH/table"
}

ktap_test_result "stores data" store "$SCRATCH/data"
table >"$SCRATCH/table"
our_files | sort -u >"$SCRATCH/files"
is "the guide has a table" "$(wc -l <"$SCRATCH/table")" -gt 20
is "there are files" "$(wc -l <"$SCRATCH/files")" -gt 50
ktap_test_result "each line has a file" each_line_has_a_file
is "nobody gets into debugfs" "$(as_nobody ls /sys/kernel/debug 2>&1 | grep -c denied)" = 1
# Also where debugfs itself is open to all.
mode=$(stat -c %a /sys/kernel/debug)
at_exit "chmod $mode /sys/kernel/debug"
chmod 755 /sys/kernel/debug
ktap_test_result "nobody can read and write what the table says" as_the_table_says
chmod "$mode" /sys/kernel/debug
ktap_print_msg "$(grep -c ' yes no$' "$SCRATCH/is") of $(wc -l <"$SCRATCH/is") files can be read by all"

# --- to the page ---

exact=$(awk '$1 == "stored_bytes" { print $2 }' "$POOL/summary")
pages=$(((exact + BLOCK_SIZE - 1) / BLOCK_SIZE))
is "debugfs has the bytes" $((exact % BLOCK_SIZE != 0)) = 1
is "stored_bytes in whole pages" "$(counter stored_bytes) $(disk_file stored_bytes)" = "$((pages * BLOCK_SIZE)) $((pages * BLOCK_SIZE))"
is "and mm_stat" "$(mm_stat compr_data_size)" = $((pages * BLOCK_SIZE))

# --- the pool as a file ---

# opened COMMAND...: how open(2) ends, by a process that COMMAND runs.
opened() {
	"$@" python3 -c 'import errno, os, sys
try:
    os.open(sys.argv[1], os.O_RDONLY)
    print(0)
except OSError as error:
    print(errno.errorcode[error.errno])' "$DEVICE"
}
if [ -e "$DEVICE" ]; then
	is "root can open $DEVICE" "$(opened env)" = 0
	is "root without CAP_SYS_RAWIO cannot" "$(opened setpriv --bounding-set=-sys_rawio)" = EPERM
	is "nobody cannot, by its mode" "$(opened as_nobody)" = EACCES
	at_exit "chmod 600 $DEVICE"
	chmod 666 "$DEVICE"
	is "nor with a mode for all" "$(opened as_nobody)" = EPERM
	is "but with CAP_SYS_RAWIO" "$(opened setpriv --reuid 65534 --clear-groups --inh-caps=+sys_rawio --ambient-caps=+sys_rawio)" = 0
	chmod 600 "$DEVICE"
else
	for name in "root can open it" "root without CAP_SYS_RAWIO cannot" "nobody cannot" "nor with a mode for all" "but with CAP_SYS_RAWIO"; do
		ktap_test_skip "$name" "there is no $DEVICE with this mover"
	done
fi
ktap_finished
