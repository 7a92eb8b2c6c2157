# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of zbudctl(8) for bash. Its place is /usr/share/bash-completion/completions/zbudctl.

# _zbudctl_disks: those that there are.
_zbudctl_disks() {
	local dir
	for dir in "${ZBUDCTL_SYSFS:-/sys}"/block/zbud[0-9]*; do
		[ ! -e "$dir" ] || printf '/dev/%s\n' "${dir##*/}"
	done
}

# _zbudctl_nodes: "all", and each node.
_zbudctl_nodes() {
	local dir node
	echo all
	for dir in "${ZBUDCTL_SYSFS:-/sys}"/devices/system/node/node[0-9]*; do
		node=${dir##*/node}
		[ ! -e "$dir" ] || echo "$node"
	done
}

# _zbudctl_columns LIST: the columns that may stand last in such a list, with the others
# before them.
_zbudctl_columns() {
	local before='' column
	[[ $1 != *,* ]] || before=${1%,*},
	[[ $1 != +* || -n $before ]] || before=+
	for column in NAME DISKSIZE DATA COMPR ALGORITHM ZERO-PAGES TOTAL MEM-LIMIT MEM-USED \
		MIGRATED MOUNTPOINT MEMS PAGES ZPAGES DENSITY NODES HUGE SAME LARGE EMPTY LOST; do
		printf '%s\n' "$before$column"
	done
}

# _zbudctl_words PREFIX WORD...: offer the words that begin with it.
_zbudctl_words() {
	local prefix=$1 word
	shift
	COMPREPLY=()
	for word; do
		[[ $word != "$prefix"* ]] || COMPREPLY+=("$word")
	done
}

_zbudctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() commands=() options positional='' i
	# bash takes --option=value apart.
	if [ "$cur" = = ]; then
		cur=''
	elif [ "$prev" = = ] && [ "$COMP_CWORD" -ge 2 ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	# The commands so far: one, or "disk" and one.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*)
			commands+=("${COMP_WORDS[i]}")
			[ "${commands[0]}" = disk ] && [ ${#commands[@]} -lt 2 ] || break
			;;
		esac
	done

	case $prev in
	--memory-migrate) _zbudctl_words "$cur" on off; return ;;
	--algorithm) _zbudctl_words "$cur" lz4 lzo lzo-rle zstd; return ;;
	--mems)
		mapfile -t words < <(_zbudctl_nodes)
		_zbudctl_words "$cur" "${words[@]}"
		return
		;;
	--device-file | --before) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	-o | --output)
		mapfile -t words < <(_zbudctl_columns "$cur")
		_zbudctl_words "$cur" "${words[@]}"
		return
		;;
	--level | --mem-limit | --priority) return ;;
	esac

	options='--json --help'
	case "${commands[*]}" in
	'')
		options+=' --version'
		positional='status migrate mems map verify hold disk completions help'
		;;
	status) options+=' --watch' ;;
	migrate) positional=$(_zbudctl_nodes) ;;
	mems)
		options+=' --migrate --memory-migrate'
		positional=$(_zbudctl_nodes)
		;;
	map) options+=' --before --svg' ;;
	hold) options+=' --touch' ;;
	disk) positional='add list remove reset' ;;
	'disk add')
		options+=' --algorithm --level --mems --mem-limit --swap --priority --discard --device-file'
		positional='50% 1G 2G 4G'
		;;
	'disk list')
		options+=' --bytes --noheadings --output --output-all --raw'
		positional=$(_zbudctl_disks)
		;;
	'disk remove')
		options+=' --swapoff --device-file'
		positional=$(_zbudctl_disks)
		;;
	'disk reset') positional=$(_zbudctl_disks) ;;
	completions) positional='bash zsh fish' ;;
	esac
	if [[ $cur == -* ]]; then
		read -ra words <<<"$options"
	else
		mapfile -t words < <(printf '%s\n' "$positional" | tr ' ' '\n')
	fi
	_zbudctl_words "$cur" "${words[@]}"
}

complete -F _zbudctl zbudctl
