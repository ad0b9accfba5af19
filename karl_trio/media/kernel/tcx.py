"""Attaching the program by a tcx link (Linux 6.6 and later)."""

from __future__ import annotations

import os
import struct

from attrs import define

from .syscall import Command, bpf

_BPF_TCX_INGRESS = 46
_LINK_CREATE = struct.Struct("=IIII8I")


@define(eq=False)
class TcxLink:
    """The program at one interface; it is gone when the descriptor is closed, however the process ends."""

    fd: int

    @classmethod
    def attach(cls, program: int, interface: int) -> TcxLink:
        """Run a program on what comes in at an interface, behind the programs that are there already.

        Raises:
            OSError: the interface is gone, it is not permitted, or the kernel is too old (EINVAL).
        """
        attributes = _LINK_CREATE.pack(program, interface, _BPF_TCX_INGRESS, 0, *[0] * 8)
        return cls(bpf(Command.LINK_CREATE, bytearray(attributes)))

    def close(self) -> None:
        """Detach it; harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
