"""What the kernel could not queue for us."""

from __future__ import annotations

import socket
import struct

SO_MEMINFO = 55
"""Socket option that reads a socket's memory figures (Linux 4.12); not in the socket module."""

_MEMINFO = struct.Struct("=9I")
_MEMINFO_DROPS = 8


def drops_at(receiver: socket.socket) -> int:
    """Return how many datagrams the kernel dropped at a full queue; 0 if it does not tell."""
    figures = receiver.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    if len(figures) != _MEMINFO.size:
        return 0
    drops: int = _MEMINFO.unpack(figures)[_MEMINFO_DROPS]
    return drops
