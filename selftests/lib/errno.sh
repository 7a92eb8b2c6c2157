# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Writing to knobs, and which errno comes back. Sourced by lib.sh.

# write_errno FILE VALUE: write VALUE by one write(2) and print the name of the
# errno that came back, or 0. dd is used as it says which error it met and
# never splits or buffers.
write_errno() {
	local message
	if message=$(printf '%s' "$2" |
		dd of="$1" bs=1M iflag=fullblock conv=nocreat,notrunc status=none 2>&1); then
		echo 0
		return
	fi
	case $message in
	*': Operation not permitted') echo EPERM ;;
	*': No such file or directory') echo ENOENT ;;
	*': Interrupted system call') echo EINTR ;;
	*': Input/output error') echo EIO ;;
	*': No such device or address') echo ENXIO ;;
	*': Argument list too long') echo E2BIG ;;
	*': Resource temporarily unavailable') echo EAGAIN ;;
	*': Cannot allocate memory') echo ENOMEM ;;
	*': Permission denied') echo EACCES ;;
	*': Bad address') echo EFAULT ;;
	*': Device or resource busy') echo EBUSY ;;
	*': File exists') echo EEXIST ;;
	*': No such device') echo ENODEV ;;
	*': Invalid argument') echo EINVAL ;;
	*': File too large') echo EFBIG ;;
	*': No space left on device') echo ENOSPC ;;
	*': Read-only file system') echo EROFS ;;
	*': Numerical result out of range') echo ERANGE ;;
	*': Function not implemented') echo ENOSYS ;;
	*': Value too large for defined data type') echo EOVERFLOW ;;
	*': Operation not supported') echo EOPNOTSUPP ;;
	*) echo "unknown: $message" ;;
	esac
}

# expect_errno FILE VALUE ERRNO [NAME]: one test; ERRNO 0 means success.
expect_errno() {
	local name got shown
	printf -v shown '%q' "$2"
	[ ${#shown} -le 40 ] || shown="${shown:0:30}... (${#2} bytes)"
	name=${4:-"write $shown to $(basename "$1"): $3"}
	got=$(write_errno "$1" "$2")
	if [ "$got" = "$3" ]; then ktap_test_pass "$name"; else ktap_test_fail "$name" "got $got"; fi
}
