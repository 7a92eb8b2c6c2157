# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernels of kernels.list. Sourced after lib.sh.

kernels_list=$ZBM_TOP/scripts/host/kernels.list

# kernels: the lines of the list, with the blanks around the bars taken away.
kernels() { sed -e '/^#/d' -e 's/ *| */|/g' "$kernels_list"; }

# tested_versions [SERIES]: of all architectures and rows, each once, in order.
tested_versions() {
	kernels | cut -d'|' -f1 | sort -uV | { if [ -n "${1:-}" ]; then grep "^${1//./\\.}\." || :; else cat; fi; }
}

# tested_series: as tested_versions, up to the second number.
tested_series() { tested_versions | cut -d. -f1,2 | sort -uV; }

# row_of SERIES ARCH ZSMALLOC: the line for a kernel, of the newest version tested in that
# series; none if such a kernel was not tested.
row_of() {
	kernels | awk -F'|' -v series="$1." -v arch="$2" -v zsmalloc="$3" \
		'index($1, series) == 1 && $2 == arch && ($3 == "-" || $3 == zsmalloc)' | sort -V | tail -n 1
}

# series_of VERSION: 7.3 of 7.3.4 and of 7.3.4+deb13-amd64.
series_of() { sed -nE 's/^([0-9]+\.[0-9]+).*/\1/p' <<<"$1"; }

# version_of RELEASE: 7.3.4 of 7.3.4+deb13-amd64, 7.3.0 of 7.3-rc1.
version_of() { sed -nE -e 's/^([0-9]+\.[0-9]+\.[0-9]+).*/\1/p;t' -e 's/^([0-9]+\.[0-9]+).*/\1.0/p' <<<"$1"; }

# is_older VERSION VERSION
is_older() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
