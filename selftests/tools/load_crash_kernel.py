#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""load_crash_kernel.py KERNEL INITRAMFS PARAMETERS: the kernel that boots when this one crashes
(kexec_file_load(2))."""

import ctypes
import os
import sys

SYS_KEXEC_FILE_LOAD = 320  # arch/x86/entry/syscalls/syscall_64.tbl
KEXEC_FILE_ON_CRASH = 2  # include/uapi/linux/kexec.h

libc = ctypes.CDLL(None, use_errno=True)
kernel, initramfs = [os.open(path, os.O_RDONLY) for path in sys.argv[1:3]]
parameters = sys.argv[3].encode() + b"\0"
if libc.syscall(SYS_KEXEC_FILE_LOAD, kernel, initramfs, ctypes.c_ulong(len(parameters)), parameters, ctypes.c_ulong(KEXEC_FILE_ON_CRASH)):
    sys.exit(f"load_crash_kernel: {os.strerror(ctypes.get_errno())}")
