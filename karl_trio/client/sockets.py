"""Sockets to a node."""

from __future__ import annotations

import os
import socket

import trio

from karl_trio.endpoint import Endpoint


async def connected_socket(endpoint: Endpoint, kind: int) -> trio.socket.SocketType:
    """Return a socket that is connected to a node.

    Args:
        kind: SOCK_DGRAM or SOCK_STREAM.

    Raises:
        OSError: it cannot be connected.
    """
    family = socket.AF_INET if endpoint.family == "IP4" else socket.AF_INET6
    opened = trio.socket.socket(family, kind)
    try:
        await opened.connect(endpoint.sockaddr)
    except BaseException:
        opened.close()
        raise
    return opened


def trouble_of(error: OSError) -> str:
    """Return what the operating system says, such as "Connection refused", without what Trio adds to it."""
    return os.strerror(error.errno) if error.errno else str(error)
