# SPDX-License-Identifier: GPL-2.0
"""Rust's types as drgn sees them: names have their path, as in C++."""

import drgn


def path(name):
    """A type of the module's by its path there."""
    return drgn.get_default_prog().type(f"zbud_movable::{name}")


def at(name, address):
    """The one of that type there."""
    return drgn.Object(drgn.get_default_prog(), path(name), address=address)


def inner(it):
    """The first field of a tuple struct."""
    return getattr(it, "__0")


def atomic(it):
    """What an atomic has."""
    return it.v.value.value_()


def atomic_pointer(it):
    """Where an AtomicPtr points to."""
    return it.p.value.value_()


def arc(it):
    """What an Arc points to."""
    return it.ptr.pointer.data


def vec(it):
    """The elements of one of the kernel's Vecs."""
    return [it.ptr.pointer[n] for n in range(it.len.value_())]


def string(it):
    """A CString."""
    buf = it.buf
    raw = drgn.get_default_prog().read(buf.ptr.pointer.value_(), buf.len.value_() - 1)
    return raw.decode(errors="replace")


def enumerators(name):
    """The names of a plain enum's values."""
    return {number: label for label, number in path(name).enumerators}
