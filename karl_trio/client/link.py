"""What a client has to each of its nodes: something that asks, over UDP or over TCP."""

from __future__ import annotations

from typing import ClassVar, Protocol

from karl_trio.endpoint import Endpoint

from .addresses import Transport
from .pending import PendingTable
from .replies import Reply
from .tcp import TcpLink
from .udp import UdpLink


class Link(Protocol):
    """Asks one node.

    Attributes:
        max_request: octets that a request may have.
        trouble: what the operating system last said instead of sending or receiving, such as
            "Connection refused". It ends no attempt early, for a node that restarts is back in a moment.
        pending: the requests that are under way.
    """

    max_request: ClassVar[int]
    trouble: str
    pending: PendingTable

    async def ask(self, cookie: bytes, message: bytes, *, attempts: int, wait: float) -> Reply | None:
        """Have a request answered, waiting so many seconds at each attempt; None if no reply came.

        Every attempt carries the same cookie, so a node that got an earlier one and whose reply was
        lost repeats that reply and does not do the work again.
        """

    async def run(self) -> None:
        """Do what is needed for requests to be answered, for ever."""

    def close(self) -> None:
        """Close what is open; safe to call twice."""


async def open_link(endpoint: Endpoint, transport: Transport) -> Link:
    """Return a link to a node. Nothing is sent yet.

    Raises:
        OSError: no socket is to be had.
    """
    if transport is Transport.TCP:
        return TcpLink.to(endpoint)
    return await UdpLink.to(endpoint)
