# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the demos: real data, the figures that a guest has printed, and their
# table. Sourced after lib.sh, by a script that sets
#
#	columns	the runs; the lines that each has printed are in $dir/RUN.txt
#	rows	"name|template"; in the template {KEY} is what derived RUN KEY
#		prints, or else the last value of the line KEY=value
#
# shellcheck disable=SC2034,SC2154 # transcript; columns and rows

dir=$ZBM_CACHE/demo
transcript=$dir/$(date +%Y-%m-%d-%H%M%S).txt
data_dirs=(usr/bin usr/sbin usr/lib/x86_64-linux-gnu usr/libexec usr/include
	usr/lib/gcc usr/lib/python3 usr/share)
mkdir -p "$dir/guest"

# The data: files of the build root, programs, libraries and text, in an order that mixes them.
# Neither the order, by the hash of a path, nor what there is of the largest changes much with the
# packages of the root, so nor do the figures. A disk image, so that reading it leaves nothing in the
# guest's page cache. Prints its path.
make_data() { # make_data MIB
	local list=$dir/files-$1 image
	(cd / && find "${data_dirs[@]}" -type f -size +0 -printf '%p\t%s\t%T@\n') |
		LC_ALL=C sort -t $'\t' -k 1,1R --random-source=<(yes) >"$list"
	image=$dir/data-$1-$(key_of <"$list").img
	if [ ! -e "$image" ]; then
		rm -f "$dir/data-$1"-*.img
		say "demo: putting $1 MiB of the build root's files together"
		# The first head fails when the second has enough; that is expected.
		{ cut -f 1 "$list" | sed 's|^|/|' | tr '\n' '\0' | xargs -0 head -qc 4M -- || :; } 2>/dev/null |
			head -c "${1}M" >"$image.partial"
		[ "$(stat -c %s "$image.partial")" = $(($1 * 1048576)) ] ||
			die "demo: the build root has less than $1 MiB of files"
		mv "$image.partial" "$image"
	fi
	printf '%s\n' "$image"
}

disk() { # disk FILE NAME [OPTIONS]
	printf '%s' "-drive file=$1,if=none,id=$2,format=raw,cache=unsafe${3:-} -device virtio-blk-pci,drive=$2"
}

# keep_lines RUN BEGAN: standard input, the guest's lines, goes to a file, where
# figure() finds them; the progress is told as it comes, with the time since BEGAN.
keep_lines() {
	local line
	tee "$dir/$1.txt" | while IFS= read -r line; do
		[[ $line != progress=* ]] ||
			say "demo: $(mmss $((SECONDS - $2)))  $1: ${line#progress=}"
	done
}

# figure RUN KEY: the last value that the run gave, '-' if it gave none.
figure() {
	local value
	value=$(sed -n "s/^$2=//p" "$dir/$1.txt" | tail -n 1)
	printf '%s' "${value:--}"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }

cell() { # cell RUN TEMPLATE
	local text=$2 key value
	while [[ $text =~ \{([a-z0-9_]+)\} ]]; do
		key=${BASH_REMATCH[1]}
		value=$(derived "$1" "$key") || value=$(figure "$1" "$key")
		text=${text//"{$key}"/$value}
	done
	printf '%s' "$text"
}

line() { # line text|markdown CELL...
	if [ "$1" = text ]; then
		printf '%-32s' "$2"
		printf '%20s' "${@:3}"
	else
		printf '|'
		printf ' %s |' "${@:2}"
	fi
	printf '\n'
}

table() { # table text|markdown
	local row run cells
	line "$1" "what" "${columns[@]}"
	[ "$1" = text ] || line markdown --- "${columns[@]/*/---:}"
	for row in "${rows[@]}"; do
		cells=()
		for run in "${columns[@]}"; do
			cells+=("$(cell "$run" "${row#*|}")")
		done
		line "$1" "${row%%|*}" "${cells[@]}"
	done
}

# keep_transcript: all that the guests said, after what the eye has seen.
keep_transcript() {
	local run
	printf '\nEverything the guests said:\n'
	for run in "${columns[@]}"; do
		[ ! -e "$dir/$run.txt" ] || sed "s/^/$run: /" "$dir/$run.txt"
	done
}
