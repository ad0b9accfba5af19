"""Questions to the kernel's network stack, over rtnetlink."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from attrs import define, field, frozen

# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3

RECEIVE_SIZE = 1 << 16
"""Octets of one answer at most; a dump comes in several."""

PATIENCE = 1.0
"""Seconds for an answer, which the kernel gives at once; without a bound, one lost would stop everything."""

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x3FFF
"""Of an attribute's type, all but the flags for nesting and byte order."""


@frozen
class Message:
    """One message: its type, and what comes behind the header."""

    type: int
    body: bytes


@define(eq=False)
class Netlink:
    """A socket to rtnetlink that answers questions."""

    _socket: socket.socket = field(init=False, repr=False)
    _sequence: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(PATIENCE)

    def ask(self, message: Message, flags: int = 0) -> Iterator[Message]:
        """Send a request and go through the answers; there are none to one that only does something.

        Raises:
            OSError: the kernel refuses.
        """
        self._sequence += 1
        # The flags of requests that make something are of the same bits as either half of this one.
        is_dump = flags & NLM_F_DUMP == NLM_F_DUMP
        flags |= NLM_F_REQUEST | (0 if is_dump else NLM_F_ACK)
        length = _HEADER.size + len(message.body)
        self._socket.send(_HEADER.pack(length, message.type, flags, self._sequence, 0) + message.body)
        while True:
            for sequence, answer in messages(self._socket.recv(RECEIVE_SIZE)):
                if sequence != self._sequence:
                    continue
                if answer.type == NLMSG_DONE:
                    return
                if answer.type == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", answer.body)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                yield answer

    def close(self) -> None:
        self._socket.close()


def messages(datagram: bytes) -> Iterator[tuple[int, Message]]:
    """Take a datagram apart into its messages, with their sequence numbers."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size:
            return
        yield sequence, Message(kind, datagram[offset + _HEADER.size : offset + length])
        offset += _aligned(length)


def attribute(kind: int, value: bytes) -> bytes:
    """Write an attribute."""
    return (_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value).ljust(
        _aligned(_ATTRIBUTE.size + len(value)), b"\0"
    )


def attributes(body: bytes) -> dict[int, bytes]:
    """Read the attributes of which a body, or another attribute, is made; of several alike, the last."""
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NESTED] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
