# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The selftests' library: lib/ has one file for each subject, lib/ktap.sh that of results;
# tools/ has programs. Sourced, never run. A test looks like
#
#	. "$(dirname "$0")/lib.sh"
#	ktap_print_header
#	need_root
#	load_module
#	make_disk
#	ktap_set_plan 3
#	ktap_test_result "there is a pages counter" counter pages
#	expect_errno "$SYS/migrate" "0 0 0" EINVAL
#	ktap_test_result "unloads" unload_module
#	ktap_finished
#
# A test's header says where and how scripts/test runs it: see scripts/runner/plan.py.
#
# Exit status, as in kselftest: 0 pass, 1 fail, 4 skip.

set -u -o pipefail
export LC_ALL=C

MODULE=zbud_movable
SYS=/sys/kernel/$MODULE
DEBUGFS=/sys/kernel/debug/$MODULE
DEVICE=/dev/$MODULE
NODE_SYS=/sys/devices/system/node
BLOCK_SYS=/sys/devices/system/memory
ZSWAP=/sys/module/zswap/parameters
ZSWAP_DEBUGFS=/sys/kernel/debug/zswap
TOOLS=$(dirname "${BASH_SOURCE[0]}")/tools
# Shared by the tests, not all of which use each.
export MODULE SYS DEBUGFS DEVICE NODE_SYS BLOCK_SYS ZSWAP ZSWAP_DEBUGFS TOOLS

. "$(dirname "${BASH_SOURCE[0]}")/lib/ktap.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/needs.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/commands.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/module.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/errno.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/nodes.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/blocks.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/memory.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/broken.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/faults.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/disk.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/data.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/pools.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/quiet.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/workers.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/mapper.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/trace.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/swap.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib/zswap.sh"
