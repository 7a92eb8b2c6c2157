# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernel that a host has, or is to have: the running one, or that of KVER in the
# environment. Sourced after lib.sh and kernels.sh.

release=${KVER:-$(uname -r)}
# shellcheck disable=SC2034 # for those that source this
version=$(version_of "$release") series=$(series_of "$release")
# What distributions call the headers, and modules_install the build directory
headers=/lib/modules/$release/build

# config_file: the configuration of the kernel, wherever there is one.
config_file() {
	local f
	for f in "$headers/.config" "/boot/config-$release" "/lib/modules/$release/config"; do
		if [ -r "$f" ]; then printf '%s\n' "$f"; return; fi
	done
	[ "$release" != "$(uname -r)" ] || [ ! -r /proc/config.gz ] || printf '%s\n' /proc/config.gz
}

config=$(config_file)

# option NAME: the value of CONFIG_NAME, without quotes; nothing if it is off.
option() {
	case $config in
	'') ;;
	*.gz) zcat "$config" ;;
	*) cat "$config" ;;
	esac | sed -nE "s/^CONFIG_$1=\"?([^\"]*)\"?\$/\\1/p"
}

# has_headers: whether a module can be built at all.
has_headers() { [ -e "$headers/Makefile" ] && [ -e "$headers/Module.symvers" ] && [ -e "$headers/.config" ]; }

# has_metadata DIR: whether Rust modules can be built in DIR.
has_metadata() { [ -e "$1/rust/libcore.rmeta" ] && [ -e "$1/rust/libkernel.rmeta" ]; }

# headers_package: "NAME VERSION" of the Debian package that the headers are from.
headers_package() {
	local name
	type -P dpkg-query >/dev/null || return 0
	name=$(dpkg-query -S "$(realpath "$headers")/Makefile" 2>/dev/null | sed -n 's/: .*//p;q') || :
	[ -z "$name" ] || dpkg-query -W -f '${binary:Package} ${Version}\n' "$name"
}
