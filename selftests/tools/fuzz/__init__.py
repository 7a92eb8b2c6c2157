# SPDX-License-Identifier: GPL-2.0
"""Random inputs for all files of the module, and what the documents say of each. Parts of
../fuzz_inputs.py."""
