"""The system call bpf(2), which Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from enum import IntEnum

_NUMBERS = {"x86_64": 321, "aarch64": 280}
"""The number of bpf(2), by machine."""

NAME_LENGTH = 16
"""Octets of a name that `bpftool` shows, with the zero at its end (BPF_OBJ_NAME_LEN)."""


class Command(IntEnum):
    """Commands of bpf(2), from linux/bpf.h."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    LINK_CREATE = 28


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def is_machine_known() -> bool:
    """Whether the program runs here: the bytecode is little-endian, and bpf(2) has a number."""
    return platform.machine() in _NUMBERS and sys.byteorder == "little"


def bpf(command: Command, attributes: bytearray) -> int:
    """Call bpf(2), which may write to the attributes, and return its result.

    Args:
        attributes: `union bpf_attr`, as far as the command needs it.

    Raises:
        OSError: the kernel refuses.
    """
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    number = ctypes.c_long(_NUMBERS[platform.machine()])
    result = _libc.syscall(
        number, ctypes.c_int(command), ctypes.byref(buffer), ctypes.c_uint(len(attributes))
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def name_of(text: str) -> bytes:
    """Return a name the way the kernel keeps it."""
    return text.encode("ascii")[: NAME_LENGTH - 1]
