# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What DKMS's builds leave in the cache, and what of it has no use any more. Sourced after
# lib.sh; under the lock "dkms".

# forget DIR: one entry, with its logs and its lock.
forget() { rm -rf "$1" "$1".{log,config.log,lock,deb,partial}; }

# drop_unused [RELEASE KDIR]: the entries of kernels that have gone, those of the kernel RELEASE
# but for KDIR, which is what its modules are built in now, and sources that no entry needs.
drop_unused() {
	local dir kernel sources=()
	for dir in "$ZBM_CACHE"/host-kernel-*/; do
		dir=${dir%/}
		kernel=$(cat "$dir/include/config/kernel.release" 2>/dev/null) || :
		if [ -z "$kernel" ] || [ ! -e "/lib/modules/$kernel/build" ] ||
			{ [ "$kernel" = "${1:-}" ] && [ "$dir" != "$2" ]; }; then
			forget "$dir"
		else
			sources+=("$(realpath "$dir/source")")
		fi
	done
	for dir in "$ZBM_CACHE"/host-source-*/; do
		dir=${dir%/}
		[[ " ${sources[*]} " == *" $dir "* ]] || forget "$dir"
	done
}
