#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""append_signature.py MODULE SIGNATURE: append a PKCS #7 message in DER to a module, as the
kernel's scripts/sign-file does: the message, struct module_signature, the magic string."""

import struct
import sys

PKEY_ID_PKCS7 = 2
MAGIC = b"~Module signature appended~\n"


def main():
    module, signature = sys.argv[1:]
    with open(signature, "rb") as file:
        message = file.read()
    # algo, hash, id_type, signer_len, key_id_len, three bytes of padding, sig_len
    trailer = struct.pack(">5B3xI", 0, 0, PKEY_ID_PKCS7, 0, 0, len(message))
    with open(module, "ab") as file:
        file.write(message + trailer + MAGIC)


main()
