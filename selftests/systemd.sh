#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# zbm-mover: -
# zbm-test: release
#
# The unit zbud-swap@.service under a real systemd: a manager of its own beside whatever
# is process 1, which it need not be. A start loads the module and brings swap up, with the
# settings of its file and its own for the rest; a stop takes it down. Where the settings
# are wrong, the start fails and leaves nothing behind.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command zbudctl systemctl mkswap swapon swapoff
MANAGER=/lib/systemd/systemd UNITS=$(dirname "$0")/../tools/systemd
[ -x $MANAGER ] || ktap_exit_skip "there is no $MANAGER"
[ -e "$UNITS/zbud-swap@.service" ] || ktap_exit_skip "the unit is not beside the tests"
# Loaded by the unit, but unloaded as ever when the test ends.
load_module
unload_module
scratch
ktap_set_plan 17

NAME=zbm-selftest
UNIT=zbud-swap@$NAME
SETTINGS=/etc/zbud_movable/$NAME.conf
export XDG_RUNTIME_DIR=$SCRATCH/run XDG_CONFIG_HOME=$SCRATCH/config
own=$XDG_CONFIG_HOME/systemd/user
mkdir -p "$XDG_RUNTIME_DIR" "$own/zbud-swap@.service.d" "${SETTINGS%/*}"
# Without it systemctl thinks that there is no systemd.
mkdir -p /run/systemd/system
cp "$UNITS/zbud-swap@.service" /lib/systemd/system/modprobe@.service "$own"
printf '[Unit]\nDefaultDependencies=no\n' >"$own/zbm.target"
printf '[Service]\nExecSearchPath=%s:/usr/sbin:/usr/bin\n' "$(dirname "$(command -v zbudctl)")" \
	>"$own/zbud-swap@.service.d/path.conf"

ctl() { systemctl --user "$@"; }
settings() { printf '%s\n' "$@" >"$SETTINGS"; }
at_exit "rm -f $SETTINGS"
$MANAGER --user --unit=zbm.target >"$SCRATCH/log" 2>&1 &
at_exit "ctl exit; wait $!"
for ((i = 0; i < 300; i++)); do
	! ctl is-active --quiet zbm.target 2>/dev/null || break
	sleep 0.2
done
is "there is a manager" "$(ctl is-active zbm.target 2>&1)" = active

# prio, disks, result: of the swap area, of the module, of the unit.
prio() { awk '$1 ~ "^/dev/zbud" { print $5 }' /proc/swaps; }
disks() { local disk; for disk in /sys/block/zbud[0-9]*; do [ ! -e "$disk" ] || echo "${disk##*/}"; done; }
result() { ctl show -p Result --value $UNIT; }

settings SIZE=32M ALGORITHM=zstd MEM_LIMIT=16M
ktap_test_result "a start succeeds" ctl start $UNIT
ktap_test_result "the module is loaded" module_loaded
is "there is swap, with the unit's priority" "$(prio)" = 100
disk=$(disks)
is "its size" "$(cat "/sys/block/$disk/disksize")" = "$((32 << 20))"
is "its algorithm" "$(grep -o '\[.*\]' "/sys/block/$disk/comp_algorithm")" = '[zstd]'
is "its limit" "$(awk '{ print $4 }' "/sys/block/$disk/mm_stat")" = "$((16 << 20))"
is "the unit knows its device" "$(cat "$XDG_RUNTIME_DIR/zbud-swap-$NAME/device")" = "/dev/$disk"
ktap_test_result "a second start does nothing" ctl start $UNIT
is "there is one disk" "$(disks)" = "$disk"
ktap_test_result "a stop succeeds" ctl stop $UNIT
is "there is no swap, and no disk" "$(prio)$(disks)" = ""

settings SIZE=32M ALGORITHM=none
is "a wrong setting: the start fails" "$(ctl start $UNIT >"$SCRATCH/said" 2>&1; echo $?) $(result)" = "1 exit-code"
is "and leaves nothing" "$(prio)$(disks)" = ""
rm "$SETTINGS"
is "without settings it fails, too" "$(ctl start $UNIT >"$SCRATCH/said" 2>&1; echo $?)" = 1

settings SIZE=1% PRIORITY=3
ctl reset-failed
ktap_test_result "with other settings it succeeds" ctl start $UNIT
is "with the priority asked for" "$(prio)" = 3
ctl stop $UNIT
ktap_finished
