#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-vm: --append lockdown=integrity
# zbm-mover: -
# zbm-test: stock
#
# A kernel that has been locked down since it booted, as with Secure Boot: it loads no module
# that is not signed, or with a key that it does not know. That is said in its log and by
# modprobe, and nothing is left of the attempt. (Once the module is loaded: lockdown.sh.)

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command openssl python3 zbudctl
SECURITY=/sys/kernel/security
[ -d $SECURITY ] || ktap_exit_skip "this kernel has no security modules"
mountpoint -q $SECURITY || mount -t securityfs none $SECURITY || ktap_exit_skip "securityfs cannot be mounted"
need_file $SECURITY/lockdown
! grep -qF '[none]' $SECURITY/lockdown || ktap_exit_skip "the kernel is not locked down"
FILE=$(modinfo -n "$MODULE" 2>/dev/null) || ktap_exit_skip "there is no module $MODULE"
[ -z "$(modinfo -F sig_id "$FILE")" ] || ktap_exit_skip "the module is signed"
! module_loaded || ktap_exit_skip "the module is loaded"
scratch
ktap_set_plan 13

# sign FILE: with a key of our own, as the kernel's scripts/sign-file does.
sign() {
	openssl req -new -x509 -newkey rsa:2048 -nodes -subj "/CN=selftest" -days 1 \
		-keyout "$SCRATCH/key" -out "$SCRATCH/cert" &&
		openssl cms -sign -binary -noattr -nosmimecap -nocerts -md sha256 -outform DER \
			-inkey "$SCRATCH/key" -signer "$SCRATCH/cert" -in "$1" -out "$SCRATCH/signature" &&
		python3 "$TOOLS/append_signature.py" "$1" "$SCRATCH/signature"
}
# refused FILE: what insmod says, and what the kernel's log says meanwhile, without its times.
refused() {
	local token="zbm-lockdown $RANDOM$RANDOM"
	printf '%s\n' "$token" >/dev/kmsg
	insmod "$1" 2>&1 | grep -o 'Operation not permitted'
	dmesg | sed -n "/$token/,\$p" | sed '1d; s/^\[[^]]*\] //'
}
absent() { ! module_loaded && [ ! -e "$SYS" ] && [ ! -e "$DEBUGFS" ] && [ ! -e "$DEVICE" ]; }
LINE="Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7"

# The rest of the guest's modules are the kernel's own, and signed.
taint=$(cat /proc/sys/kernel/tainted)
is "a module of the kernel's can be loaded" "$(modprobe zram 2>&1)" = ""
said=$(modprobe "$MODULE" 2>&1)
is "modprobe fails" $? -ne 0
is "with EPERM" "$(grep -c 'Operation not permitted' <<<"$said")" = 1
is "without a signature: EPERM, and a line in the log" "$(refused "$FILE")" = $'Operation not permitted\n'"$LINE"
ktap_test_result "nothing is there" absent
is "no disk either" "$(disks)$(ls -d $CONTROL /dev/zbud* 2>/dev/null)" = ""

cp "$FILE" "$SCRATCH/signed.ko"
ktap_test_result "it can be signed" sign "$SCRATCH/signed.ko"
is "with a key of one's own" "$(modinfo -F signer "$SCRATCH/signed.ko")" = selftest
is "that the kernel does not know: the same" "$(refused "$SCRATCH/signed.ko")" = $'Operation not permitted\n'"$LINE"
ktap_test_result "nothing is there" absent
rc=0
zbudctl disk add 64M >"$SCRATCH/out" 2>&1 || rc=$?
is "zbudctl: the module is not loaded" "$rc" = 5
is "and says so" "$(grep -c 'not loaded' "$SCRATCH/out")" = 1
is "the kernel is not tainted" "$(cat /proc/sys/kernel/tainted)" = "$taint"
ktap_finished
