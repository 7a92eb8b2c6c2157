#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-mover: page_cache
# zbm-test: page_cache stock
# zbm-guest: shared
#
# The parameter mover: each choice gives what it says or is refused with its
# errno, and then nothing is left; auto takes movable_ops where they are granted.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
load_module
ktap_set_plan 16
unload_module

# load_says [MOVER]: the errno's name that loading it gives, 0 for success.
load_says() {
	local said
	if said=$(modprobe "$MODULE" ${1:+"mover=$1"} 2>&1); then echo 0; return; fi
	case $said in
	*'Invalid argument'*) echo EINVAL ;;
	*'Device or resource busy'*) echo EBUSY ;;
	*) echo "$said" ;;
	esac
}
absent() { ! module_loaded && [ ! -e "$SYS" ] && [ ! -e "$DEBUGFS" ] && [ ! -e "$DEVICE" ]; }
last_words() { dmesg | grep "$MODULE: mover: " | tail -n 1 | sed 's/.*mover: //'; }

for wrong in nonsense '' page_cach page_cache,movable_ops; do
	is "mover='$wrong'" "$(modprobe "$MODULE" "mover=$wrong" 2>&1 | grep -o 'Invalid argument')" = "Invalid argument"
done
ktap_test_result "nothing is left of these" absent

is "mover=page_cache" "$(load_says page_cache)" = 0
is "sysfs says so" "$(mover)" = page_cache
is "there is a device" "$(stat -c %F "$DEVICE")" = "character special file"
ktap_test_result "unloads" unload_module
ktap_test_result "nothing is left of it" absent

granted=$(load_says movable_ops)
case $granted in
0)
	is "mover=movable_ops: sysfs says so" "$(mover)" = movable_ops
	is "there is no device" "$(stat -c %F "$DEVICE" 2>/dev/null)" = ''
	unload_module
	expected=movable_ops
	;;
*)
	is "mover=movable_ops is refused" "$granted" = EBUSY
	ktap_test_result "nothing is left of it" absent
	expected=page_cache
	;;
esac
is "without a word" "$(load_says)" = 0
is "it takes what is granted" "$(mover)" = "$expected"
is "and the kernel's log says so" "$(last_words)" = "$expected"
is "the parameter is read-only" "$(stat -c %a /sys/module/$MODULE/parameters/mover)" = 444
ktap_finished
