# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Which rustc a kernel wants, and which there is. A name in the kernel's Rust code is
# mangled with rustc's version, to the letter: no other will do. Sourced after kernel.sh.

RUSTC=${RUSTC:-rustc} BINDGEN=${BINDGEN:-bindgen}

# rustc_of_metadata DIR: what has made the metadata there; its name comes first in the file.
rustc_of_metadata() {
	head -c 256 "$1/rust/libcore.rmeta" | tr -c '[:print:]' '\n' | grep -o 'rustc [0-9].*' | head -n 1
}

# rustc_wanted: by the metadata, which count, or by the configuration.
rustc_wanted() {
	local made=''
	! has_metadata "$headers" || made=$(rustc_of_metadata "$headers") || :
	printf '%s\n' "${made:-$(option RUSTC_VERSION_TEXT)}"
}

# rustc_here: nothing if there is none.
rustc_here() { "$RUSTC" --version 2>/dev/null || :; }
