#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-mover: -
# zbm-test: release
# zbm-guest: shared
#
# A wrong value written to a knob or a trigger, or a wrong request to the disk, is refused
# with the errno that is meant for it, and nothing has changed: after each
# refusal the list of pages, the figures and every byte of the contents are as
# before. Modes are as documented, and hold for users that are not root.
# The same knobs then work, so that refusing everything would not pass. disk.sh does the same
# for the disk's own files in sysfs.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 setpriv
load_module
make_disk 64M
compact_alone
scratch
real_data "$SCRATCH/data" 1
# 256 blocks and a hole of 4: 250 to 253; 10 to 12 are pinned.
ktap_set_plan 196

prepare() {
	store "$SCRATCH/data" && put free_every 251 && put pin "10 3"
}
snapshot() {
	at_rest
	cat "$POOL/pages" "$POOL/summary" "$SYS"/{pages,zpages,stored_bytes,unbuddied_pages} "$SYS"/node*/* \
		"$SYS"/{mems,mems_effective,memory_migrate} "$SYS"/stats/{user_moved,not_moved}
	cat "$DISK_SYS"/{mm_stat,mems,mems_effective}
	read_blocks 0 300 | cksum
}
ktap_test_result "a pool with a hole and pins" prepare
snapshot >"$SCRATCH/was"
is "has 255 blocks, and 3 pins" "$(counter zpages) $(pins)" = "255 3"

unchanged() { snapshot >"$SCRATCH/is" && same_bytes "$SCRATCH/was" "$SCRATCH/is"; }

# refuses FILE ERRNO TEXT...: each TEXT gives ERRNO and changes nothing.
refuses() {
	local file=$1 errno=$2 text
	shift 2
	for text; do
		expect_errno "$file" "$text" "$errno"
	done
	ktap_test_result "$(basename "$file"), $errno: nothing has changed" unchanged
}

long=$(printf '%065d' 1)
space64=$(printf '%-64s' 3)
max=18446744073709551615 over=18446744073709551616
# One more block than there are.
beyond=$(((64 << 20) / BLOCK_SIZE))

for knob in pin unpin; do
	refuses "$TRIGGERS/$knob" EINVAL " " $'\n' x -1 +1 0x1 1.5 "1 x" "1 2 3" "1,2" "1 0" "all 1" \
		"$long" $'1\xff' "1 -1"
	refuses "$TRIGGERS/$knob" ERANGE "$over" "1 $over" "1 $max" "$max" "$beyond" "0 $((beyond + 1))"
done
refuses "$TRIGGERS/pin" EINVAL all
refuses "$TRIGGERS/pin" ENOENT 250 "249 2" 256 $((beyond - 1)) "0 $beyond"
refuses "$TRIGGERS/unpin" EINVAL 9 "9 2" "10 4" 0 250 256 "$((beyond - 1))"
refuses "$TRIGGERS/free_every" EINVAL " " x -1 0 "1 1" 1x "$long"
refuses "$TRIGGERS/free_every" ERANGE "$over"
refuses "$TRIGGERS/free_every" EBUSY 1 11

# --- nodes ---

# 5 is one that this kernel could have, but has not.
need_not_have() { [[ " $(nodes)" != *" $1 "* ]] || ktap_exit_fail_msg "there is a node $1"; }
need_not_have 5
page=$(printf '%4096s' '0 0') # the longest that sysfs hands on
refuses "$SYS/migrate" EINVAL " " $'\n' 0 "0 0 0" "0 x" "x 0" "-1 0" "0 +1" "0 1-0" "0 0x1" "0 ," \
	", 0" "all" "0 all 0" "0 all:" "0 0-1:2" "0 allx" $'0\xff 0' $'0 0\x010' "$page" "$page $page"
refuses "$SYS/migrate" ERANGE "0 99999" "99999 0" "0 0-99999" "0 $max" "0 $over" "$over 0" "0 0,$over"
refuses "$SYS/migrate" ENODEV "0 5" "5 0" "5 5" "0 0,5" "0-5 0"
refuses "$SYS/mems" EINVAL " " x "0 0" , "1-0" -1 "all 0" "$page"
refuses "$SYS/mems" ERANGE 99999 "0-99999" "$over"
refuses "$SYS/mems" ENODEV 5 0,5
refuses "$SYS/compact" EINVAL " " 0 2 x -1 01 "1 1" "1 x" "$over" "$page"
refuses "$SYS/memory_migrate" EINVAL " " 2 x -1 y "0 0" 01 "$over" "$page"

# --- positions on the disk ---

# at REQUEST...: how each ends, by direct I/O: "OPERATION POSITION LENGTH RESULT".
at_all() {
	python3 - "$DATA" "$@" <<-'PYTHON'
		import errno, mmap, os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
		buffer = memoryview(mmap.mmap(-1, 1 << 16))
		for request in sys.argv[2:]:
		    what, position, length = request.split()[:3]
		    position, length = int(position), int(length)
		    try:
		        if what == "write":
		            print(os.pwritev(fd, [buffer[:length]], position))
		        elif what == "read":
		            print(os.preadv(fd, [buffer[:length]], position))
		        else:
		            print(os.lseek(fd, position, length))
		    except OSError as error:
		        print(errno.errorcode[error.errno])
	PYTHON
}
end=$((64 << 20))
requests=(
	"write $end 4096 ENOSPC"
	"write $((end * 2)) 4096 ENOSPC"
	"write -4096 4096 EINVAL"
	"write 0 0 0"
	"write 512 4096 EINVAL"
	"write 4096 512 EINVAL"
	"write 4096 4608 EINVAL"
	"read 512 4096 EINVAL"
	"read 4096 512 EINVAL"
	"read $end 4096 0"
	"read $((end * 2)) 4096 0"
	"read -4096 4096 EINVAL"
	"seek $((end + 1)) 0 EINVAL"
	"seek -1 0 EINVAL"
	"seek 0 7 EINVAL"
	"seek 0 2 $end"
)
mapfile -t results < <(at_all "${requests[@]}")
for n in "${!requests[@]}"; do
	is "disk: ${requests[n]}" "${results[n]}" = "${requests[n]##* }"
done
ktap_test_result "disk: nothing has changed" unchanged

# --- buffers that are not there ---

# How a write or read of a bad address ends, by system call, by FILE, which, FLAG, and length.
bad_buffer() {
	python3 - "$@" <<-'PYTHON'
		import ctypes, errno, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		write = sys.argv[2] == "write"
		fd = os.open(sys.argv[1], (os.O_WRONLY if write else os.O_RDONLY) | getattr(os, sys.argv[3], 0))
		call = libc.write if write else libc.read
		result = call(fd, ctypes.c_void_p(4096), ctypes.c_size_t(int(sys.argv[4])))
		print(errno.errorcode[ctypes.get_errno()] if result < 0 else result)
	PYTHON
}
for knob in pin unpin free_every; do
	is "$knob: write from a bad address: EFAULT" "$(bad_buffer "$TRIGGERS/$knob" write plain 16)" = EFAULT
done
is "disk: write from a bad address: EFAULT" "$(bad_buffer "$DATA" write O_DIRECT 4096)" = EFAULT
is "disk: read to a bad address: EFAULT" "$(bad_buffer "$DATA" read O_DIRECT 4096)" = EFAULT
ktap_test_result "bad addresses: nothing has changed" unchanged

# --- modes ---

modes() {
	local want file
	while read -r want file; do
		for file in $file; do
			[ "$(stat -c %a "$file")" = "$want" ] || { echo "$file: $(stat -c %a "$file")"; return 1; }
		done
	done <<-LIST
		200 $TRIGGERS/pin $TRIGGERS/unpin $TRIGGERS/free_every
		400 $POOL/summary $POOL/pages $POOL/verify
		444 $SYS/pages $SYS/zpages $SYS/stored_bytes $SYS/unbuddied_pages
		444 $(echo "$SYS"/node*/* "$SYS"/stats/*) $SYS/mover $SYS/mems_effective
		644 $SYS/mems $SYS/memory_migrate
		200 $SYS/migrate $SYS/compact
		400 $SYS/verify
	LIST
}
ktap_test_result "modes are as documented" modes

# Modes hold for users that are not root, also where debugfs itself is open.
mode=$(stat -c %a /sys/kernel/debug)
at_exit "chmod $mode /sys/kernel/debug"
chmod 755 /sys/kernel/debug
nobody_is_refused() {
	local file
	for file in "$DATA" "$TRIGGERS"/{pin,unpin,free_every} "$POOL"/* "$SYS"/pages "$SYS"/stats/* \
		"$SYS"/{migrate,mems,memory_migrate,compact}; do
		! as_nobody tee "$file" <<<1 >/dev/null 2>&1 ||
			{ echo "could write $file"; return 1; }
	done
	for file in "$DATA" "$TRIGGERS"/{pin,unpin,free_every} "$POOL"/{summary,pages,verify} "$SYS"/{migrate,compact,verify}; do
		! as_nobody cat "$file" >/dev/null 2>&1 || { echo "could read $file"; return 1; }
	done
	for file in "$SYS"/{pages,zpages,mems,mems_effective,memory_migrate} "$SYS"/stats/*; do
		as_nobody cat "$file" >/dev/null || { echo "could not read $file"; return 1; }
	done
}
ktap_test_result "nobody can write anything, nor read what is root's" nobody_is_refused
chmod "$mode" /sys/kernel/debug
ktap_test_result "nobody: nothing has changed" unchanged

# Root gets past modes: a file that is read-only has no write operation.
read_only() {
	local file
	for file in "$POOL"/{summary,pages,verify} "$SYS"/{pages,mems_effective,verify} "$SYS"/stats/migrated "$SYS"/node0/pages; do
		case $(write_errno "$file" 1) in
		EINVAL | EIO | EACCES | EPERM) ;;
		*) echo "$file: $(write_errno "$file" 1)"; return 1 ;;
		esac
	done
	for file in "$TRIGGERS"/{pin,unpin,free_every} "$SYS/migrate"; do
		! cat "$file" 2>/dev/null || { echo "could read $file"; return 1; }
	done
}
ktap_test_result "root cannot write counters nor read triggers" read_only
ktap_test_result "read-only: nothing has changed" unchanged

# --- and what is right works ---

expect_errno "$SYS/migrate" $' 0\t0\n' 0 "migrate with blanks"
expect_errno "$SYS/migrate" "0,0-0:1/1 all" 0
expect_errno "$SYS/mems" $'0\n' 0
is "mems says so" "$(cat "$SYS/mems") $(cat "$SYS/mems_effective")" = "0 0"
expect_errno "$SYS/mems" all 0
expect_errno "$SYS/memory_migrate" 1 0
is "memory_migrate says so" "$(cat "$SYS/memory_migrate")" = 1
expect_errno "$SYS/memory_migrate" 0 0
expect_errno "$TRIGGERS/pin" $'10 3\n' 0 "pin with a newline"
expect_errno "$TRIGGERS/unpin" "  10   3  " 0 "unpin with many blanks"
expect_errno "$TRIGGERS/pin" "$space64" 0 "pin with 64 characters"
expect_errno "$TRIGGERS/unpin" all 0
expect_errno "$TRIGGERS/unpin" all 0 "unpin all when there is none"
expect_errno "$TRIGGERS/free_every" "$max" 0
expect_errno "$TRIGGERS/free_every" 2 0
expect_errno "$TRIGGERS/free_every" 1 0
expect_errno "$TRIGGERS/free_every" 1 0 "free_every when there is nothing"
ktap_test_result "the pool is empty" pool_is_empty
ktap_finished
