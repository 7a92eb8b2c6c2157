# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Ways to run a command. Sourced by lib.sh.

# wait_until SECONDS COMMAND...: poll COMMAND until it succeeds.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# as_nobody COMMAND...: without any right.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"; }

# on_node N COMMAND...: with its processors and its memory; of a function of the library,
# what it runs to read or write the disk.
on_node() {
	local place=(numactl --cpunodebind="$1" --membind="$1")
	if declare -F "$2" >/dev/null; then
		# shellcheck disable=SC2034 # see data.sh
		local PLACE=("${place[@]}")
		"${@:2}"
	else
		"${place[@]}" "${@:2}"
	fi
}

# mark TEXT: a line in the kernel's log, to tell what was going on.
mark() { printf '%s: %s\n' "$(basename "$0")" "$*" >/dev/kmsg; }
