"""The socket to one node: datagrams there and back, and those that were lost sent again."""

from __future__ import annotations

from typing import ClassVar

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint

from .pending import PendingTable
from .replies import Reply
from .sockets import connected_socket, trouble_of

MAX_DATAGRAM = 65_507
"""The most that one UDP datagram over IPv4 can carry: 65,535 less 20 of IP and 8 of UDP."""


@define(eq=False)
class UdpLink:
    """A `Link`; the socket is connected, so the kernel keeps everybody else's datagrams out."""

    max_request: ClassVar[int] = MAX_DATAGRAM

    _socket: trio.socket.SocketType
    trouble: str = ""
    pending: PendingTable = field(factory=PendingTable)

    @classmethod
    async def to(cls, endpoint: Endpoint) -> UdpLink:
        """Open a socket to a node."""
        return cls(await connected_socket(endpoint, trio.socket.SOCK_DGRAM))

    async def ask(self, cookie: bytes, message: bytes, *, attempts: int, wait: float) -> Reply | None:
        """Send a request until its reply comes."""
        with self.pending.waiting(cookie, message) as request:
            for _ in range(attempts):
                try:
                    await self._socket.send(message)
                except OSError as error:
                    self.trouble = trouble_of(error)
                with trio.move_on_after(wait):
                    await request.answered.wait()
                if request.reply is not None:
                    break
            return request.reply

    async def run(self) -> None:
        """Receive replies, for ever."""
        while True:
            try:
                datagram = await self._socket.recv(MAX_DATAGRAM)
            except OSError as error:
                # An ICMP message about what was sent before, reported once each.
                self.trouble = trouble_of(error)
            else:
                if self.pending.receive_untrusted(datagram):
                    self.trouble = ""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
