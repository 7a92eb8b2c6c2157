#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --env ZBM_INIT=/lib/systemd/systemd
# zbm-mover: -
# zbm-test: stock
#
# The unit zbud-swap@.service where it belongs: installed and enabled as in Debian, before
# systemd boots as process 1, with udev and all. Swap is there once swap.target is reached;
# a stop, a restart and the shutdown work with pages in it, whatever systemd itself does
# about swap that it sees. An instance with a wrong setting fails and leaves nothing behind.
# The test itself is no unit's process: the shutdown ends when it has seen enough.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command zbudctl systemctl journalctl
need_swap
# A kernel without them cannot run most units of Debian's.
need_file /proc/self/ns/{ipc,net,pid,user,uts}
SOURCE=$(dirname "$0")/../tools/systemd
[ -e "$SOURCE/zbud-swap@.service" ] || ktap_exit_skip "the unit is not beside the tests"
[ -n "${ZBM_INIT:-}" ] || ktap_exit_skip "it is not for this test to boot the machine"
[ -x "$ZBM_INIT" ] || ktap_exit_skip "there is no $ZBM_INIT"
# Loaded by the unit, but unloaded as ever when the test ends.
load_module
unload_module
scratch
real_data "$SCRATCH/data" 4
hog_mib=16
ktap_set_plan 41

NAME=zbm-selftest WRONG=zbm-wrong
UNIT=zbud-swap@$NAME WRONG_UNIT=zbud-swap@$WRONG
settings() { printf '%s\n' "${@:2}" >"/etc/zbud_movable/$1.conf"; }
# As by make zbudctl-install
install_unit() {
	install -D -m 0755 "$(command -v zbudctl)" /usr/local/bin/zbudctl &&
		install -D -m 0644 "$SOURCE/zbud-swap@.service" -t /usr/local/lib/systemd/system &&
		mkdir -p /etc/zbud_movable
}
# The last unit of a shutdown, which is started when all others have been stopped, holds it up.
hold_shutdown() {
	local dir=/etc/systemd/system/systemd-poweroff.service.d
	mkdir -p $dir && printf '%s\n' '[Service]' Type=oneshot \
		"ExecStart=/bin/sh -c 'touch $SCRATCH/down && exec sleep infinity'" >$dir/zbm.conf
}
# prio: of the swap areas on our disks; state, result: of a unit.
prio() { awk '$1 ~ "^/dev/zbud" { print $5 }' /proc/swaps; }
state() { systemctl is-active "$1" 2>/dev/null; }
result() { systemctl show -p Result --value "$1"; }
# since UNIT: when it became active.
since() { systemctl show -p ActiveEnterTimestampMonotonic --value "$1"; }
# sized: the disks that have a size. The one without, which the module makes when it is loaded,
# goes to the unit that is first; a unit that is not adds one.
sized() { local disk; for disk in $(disks); do [ "$(cat "/sys/block/zbud$disk/initstate")" = 0 ] || echo "$disk"; done; }
# left_behind: what there is of the units' in the system: nothing.
left_behind() { echo "$(prio) $(sized) $(echo /run/zbud-swap-*)"; }
NOTHING='  /run/zbud-swap-*'
# swapped_out: the process is, onto the disk that there is.
swapped_out() { use_disk "$(sized)" && hog_do out && [ "$(swapped_pages)" -ge $((hog_mib * 250)) ]; }

# --- boot ---

ktap_test_result "unit and command are installed" install_unit
settings $NAME SIZE=64M ALGORITHM=zstd MEM_LIMIT=32M PRIORITY=42
settings $WRONG SIZE=64M ALGORITHM=none
ktap_test_result "the unit is enabled, and one with a wrong setting" systemctl enable $UNIT $WRONG_UNIT
hold_shutdown
# It is no first boot, which takes longer.
touch /etc/.updated /var/.updated
touch /run/zbm/init
booted() { [[ $(systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; }
ktap_test_result "systemd boots" wait_until 240 booted
is "as process 1" "$(cat /proc/1/comm)" = systemd
is "it has brought the unit up" "$(state $UNIT)" = active
is "before swap.target" "$(since $UNIT)" -lt "$(since swap.target)"
ktap_test_result "the module is loaded" module_loaded
is "there is swap, with the priority asked for" "$(prio)" = 42
use_disk "$(sized)"
is "its size" "$(disk_file disksize)" = $((64 << 20))
is "its algorithm" "$(algorithm)" = zstd
is "its limit" "$(mm_stat mem_limit)" = $((32 << 20))
ktap_test_result "zbudctl lists it" eval "zbudctl disk list | grep '^$DATA .*\[SWAP\]\$'"
is "systemd knows the swap" "$(state "dev-$DISK.swap")" = active

# --- what is wrong ---

is "the unit with the wrong setting has failed" "$(state $WRONG_UNIT) $(result $WRONG_UNIT)" = "failed exit-code"
says() { journalctl -b -o cat -u "$1" | grep -e "$2"; }
ktap_test_result "and says which it is" says $WRONG_UNIT "comp_algorithm: EINVAL"
is "it has left nothing behind" "$(sized) $(echo /run/zbud-swap-*)" = "${DISK#zbud} /run/zbud-swap-$NAME"
rm "/etc/zbud_movable/$WRONG.conf"
is "without settings it fails, too" "$(systemctl start $WRONG_UNIT >"$SCRATCH/said" 2>&1; echo $?)" = 1
systemctl status --no-pager $WRONG_UNIT >"$SCRATCH/said"
ktap_test_result "and says what is missing" grep -e "AssertPathExists=/etc/zbud_movable/$WRONG.conf" "$SCRATCH/said"
is "the other goes on" "$(state $UNIT) $(prio)" = "active 42"

# --- stop and start ---

ktap_test_result "a process" hog_start "$SCRATCH/data" $hog_mib
ktap_test_result "is swapped out" swapped_out
ktap_test_result "a stop succeeds" systemctl stop $UNIT
is "the unit is inactive" "$(state $UNIT) $(result $UNIT)" = "inactive success"
is "there is no swap, and no disk" "$(left_behind)" = "$NOTHING"
ktap_test_result "a start succeeds" systemctl start $UNIT
is "there is swap" "$(prio)" = 42
ktap_test_result "the process is swapped out" swapped_out
# As at shutdown, when systemd ends the swap that it sees beside stopping the unit.
stop_both() { systemctl --no-block stop "dev-$DISK.swap" && systemctl stop "$UNIT"; }
ktap_test_result "a stop succeeds while systemd ends the swap" stop_both
is "the unit is inactive" "$(state $UNIT) $(result $UNIT)" = "inactive success"
is "there is no swap, and no disk" "$(left_behind)" = "$NOTHING"
ktap_test_result "a start succeeds" systemctl start $UNIT
ktap_test_result "the process is swapped out" swapped_out
settings $NAME SIZE=48M PRIORITY=7
ktap_test_result "a restart succeeds" systemctl restart $UNIT
is "there is swap by the new settings" "$(prio) $(cat "/sys/block/zbud$(sized)/disksize")" = "7 $((48 << 20))"
ktap_test_result "the process reads what it wrote" hog_do read
ktap_test_result "is swapped out" swapped_out

# --- shutdown ---

shut_down() { systemctl --no-block poweroff && wait_until 120 [ -e "$SCRATCH/down" ]; }
ktap_test_result "the system shuts down" shut_down
is "the unit is inactive" "$(state $UNIT) $(result $UNIT)" = "inactive success"
is "there is no swap, and no disk" "$(left_behind)" = "$NOTHING"
ktap_test_result "the process reads what it wrote" eval "hog_do read && hog_stop"
ktap_test_result "the module can be unloaded" unload_module
ktap_finished
