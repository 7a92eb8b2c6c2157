# SPDX-License-Identifier: GPL-2.0
"""What disks and pools are used by, each in a process of its own: see tasks.py."""
