# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# The programs and files that building takes on a host, each with Debian's package.
# Sourced after kernel.sh and rustc.sh.

# FILE-OR-COMMAND:PACKAGE. For the module:
tools=(make:make depmod:kmod)
# To install it, and zbudctl:
install_tools=(rsync:rsync cargo:cargo rst2man:python3-docutils)
# For the Rust metadata of a kernel whose headers lack them:
metadata_tools=(flex:flex bison:bison bc:bc perl:perl xz:xz-utils pahole:pahole
	/usr/include/gelf.h:libelf-dev /usr/include/openssl/opensslv.h:libssl-dev)

# compilers: of C, as the kernel's configuration names them.
compilers() {
	local gcc
	if [ -n "$(option CC_IS_CLANG)" ]; then
		printf '%s\n' clang:clang ld.lld:lld
	else
		gcc=$(option CC_VERSION_TEXT | cut -d' ' -f1)
		printf '%s\n' "${gcc:-gcc}:${gcc##*-gnu-}"
	fi
}

is_there() {
	case $1 in
	/*) [ -s "$1" ] ;;
	*) [ -x "$(type -P "$1")" ] ;;
	esac
}

# missing_tools TOOL...: "TOOL" and "PACKAGE" of each that is not there, a line each.
missing_tools() {
	local tool
	for tool; do
		is_there "${tool%:*}" || printf '%s %s\n' "${tool%:*}" "${tool#*:}"
	done
}

# core_source: where rustc's own source of the crate core has to be.
core_source() {
	local sysroot
	sysroot=$("$RUSTC" --print sysroot 2>/dev/null) || sysroot=/usr
	printf '%s\n' "$sysroot/lib/rustlib/src/rust/library/core/src/lib.rs"
}
