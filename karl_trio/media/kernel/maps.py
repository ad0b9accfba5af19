"""What the program and the process share: a table of flows, and an array of counters."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct

from attrs import define, field

from .syscall import NAME_LENGTH, Command, bpf, name_of

_CREATE = struct.Struct(f"=7I{NAME_LENGTH}s")
_ELEMENT = struct.Struct("=I4xQQQ")

ANY = 0
"""Update whether the key is there or not (BPF_ANY)."""


@define(eq=False)
class Map:
    """An eBPF map.

    Attributes:
        fd: keeps it alive; a program that uses it does so too.
        key_size, value_size: in octets.
        capacity: entries that it has room for.
    """

    fd: int
    key_size: int
    value_size: int
    capacity: int

    @classmethod
    def create(cls, name: str, shape: tuple[int, int, int, int], capacity: int) -> Map:
        """Make a map.

        Args:
            name: for `bpftool map`.
            shape: type, size of a key, size of a value, and flags.

        Raises:
            OSError: it is not permitted, or there is no memory for it.
        """
        kind, key_size, value_size, flags = shape
        attributes = _CREATE.pack(kind, key_size, value_size, capacity, flags, 0, 0, name_of(name))
        return cls(bpf(Command.MAP_CREATE, bytearray(attributes)), key_size, value_size, capacity)

    def update(self, key: bytes, value: bytes) -> None:
        """Set an entry.

        Raises:
            OSError: there is no room.
        """
        self._call(Command.MAP_UPDATE_ELEM, key, ctypes.create_string_buffer(value, self.value_size))

    def lookup(self, key: bytes) -> bytes | None:
        """Return an entry, or None when there is none."""
        value = ctypes.create_string_buffer(self.value_size)
        try:
            self._call(Command.MAP_LOOKUP_ELEM, key, value)
        except FileNotFoundError:
            return None
        return value.raw

    def delete(self, key: bytes) -> None:
        """Remove an entry; harmless when there is none."""
        try:
            self._call(Command.MAP_DELETE_ELEM, key, None)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Let go of it; harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _call(self, command: Command, key: bytes, value: ctypes.Array[ctypes.c_char] | None) -> None:
        assert len(key) == self.key_size
        named = ctypes.create_string_buffer(key, self.key_size)
        place = 0 if value is None else ctypes.addressof(value)
        bpf(command, bytearray(_ELEMENT.pack(self.fd, ctypes.addressof(named), place, ANY)))


@define(eq=False)
class SharedArray:
    """An array map whose values the process reads and writes in its own memory.

    Reading takes no system call, so figures are exact whenever somebody asks; and since no command of bpf(2)
    touches them, none can wipe what the program has counted.
    """

    map: Map
    _memory: mmap.mmap = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        size = self.map.value_size * self.map.capacity
        self._memory = mmap.mmap(self.map.fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)

    @property
    def memory(self) -> mmap.mmap:
        return self._memory

    def offset(self, index: int) -> int:
        """Return where in the memory a value begins."""
        return index * self.map.value_size

    def close(self) -> None:
        """Let go of it; harmless when repeated."""
        self._memory.close()
        self.map.close()
