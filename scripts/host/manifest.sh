# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What `make install` has installed below DESTDIR: files, and the directories that were not
# there before. `make uninstall` removes just these. Sourced after lib.sh; DESTDIR and PREFIX
# are in the environment.

DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr/local}
manifest=$PREFIX/lib/zbud_movable/installed

# record KIND PATH: d, a directory, or f, a file. The manifest is a file of its own.
record() {
	grep -sqxF "$1 $2" "$DESTDIR$manifest" || printf '%s %s\n' "$1" "$2" >>"$DESTDIR$manifest"
}

# Those that were missing, the outermost first
make_directories() {
	local path=$1 made=()
	while [ ! -d "$DESTDIR$path" ]; do
		made=("$path" "${made[@]}")
		path=${path%/*}
	done
	mkdir -p "$DESTDIR$1"
	directories+=("${made[@]}")
}

# place MODE FILE PATH: install FILE as PATH, below DESTDIR.
place() {
	local directories=() made
	make_directories "${manifest%/*}"
	make_directories "${3%/*}"
	for made in "${directories[@]}"; do record d "$made"; done
	install -m "$1" "$2" "$DESTDIR$3"
	record f "$3"
}

# recorded KIND: the paths, the newest first.
recorded() { sed -n "s/^$1 //p" "$DESTDIR$manifest" | tac; }
