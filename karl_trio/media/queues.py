"""What the kernel could not queue for us."""

from __future__ import annotations

import socket
import struct

from .relay import Stream

SO_MEMINFO = 55
"""Socket option that reads a socket's memory figures (Linux 4.12); not in the socket module."""

_MEMINFO = struct.Struct("=9I")
_MEMINFO_DROPS = 8


def sample_queue_drops(stream: Stream) -> None:
    """Ask the kernel how many datagrams it dropped at the stream's full queue."""
    figures = stream.port.socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    if len(figures) == _MEMINFO.size:
        stream.queue_drops = _MEMINFO.unpack(figures)[_MEMINFO_DROPS]
