"""The socket to one node: many requests under way at once, told apart by their cookies."""

from __future__ import annotations

import socket
from collections import Counter

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint
from karl_trio.errors import Malformed
from karl_trio.ng import framing

from .replies import Reply

MAX_DATAGRAM = 65_507
"""The most that one UDP datagram over IPv4 can carry: 65,535 less 20 of IP and 8 of UDP."""


@define(eq=False)
class _Waiting:
    """A request without a reply yet."""

    answered: trio.Event = field(factory=trio.Event)
    reply: Reply | None = None


@define(eq=False)
class Link:
    """Asks one node; the socket is connected, so the kernel keeps everybody else's datagrams out.

    Attributes:
        trouble: what the operating system last said instead of sending or receiving, such as
            "Connection refused". It ends no attempt early, for a node that restarts is back in a moment.
        drops: replies that were thrown away, by reason: `unknown cookie` are those that came twice,
            or after their request was given up; `malformed` those that could not be decoded.
    """

    _socket: trio.socket.SocketType
    trouble: str = ""
    drops: Counter[str] = field(factory=Counter)
    _waiting: dict[bytes, _Waiting] = field(factory=dict, init=False)

    @classmethod
    async def to(cls, endpoint: Endpoint) -> Link:
        """Open a socket to a node. Nothing is sent yet."""
        family = socket.AF_INET if endpoint.family == "IP4" else socket.AF_INET6
        opened = trio.socket.socket(family, socket.SOCK_DGRAM)
        try:
            await opened.connect(endpoint.sockaddr)
        except BaseException:
            opened.close()
            raise
        return cls(opened)

    async def ask(self, cookie: bytes, datagram: bytes, *, attempts: int, wait: float) -> Reply | None:
        """Send a request until its reply comes, waiting so many seconds each time; None if none came.

        Every attempt carries the same cookie, so a node that got an earlier one and whose reply was
        lost repeats that reply and does not do the work again.
        """
        request = self._waiting[cookie] = _Waiting()
        try:
            for _ in range(attempts):
                try:
                    await self._socket.send(datagram)
                except OSError as error:
                    self.trouble = error.strerror or str(error)
                with trio.move_on_after(wait):
                    await request.answered.wait()
                if request.reply is not None:
                    break
            return request.reply
        finally:
            del self._waiting[cookie]

    async def receive(self) -> None:
        """Hand every reply to the request that waits for it, for ever."""
        while True:
            try:
                datagram = await self._socket.recv(MAX_DATAGRAM)
            except OSError as error:
                # An ICMP message about what was sent before, reported once each.
                self.trouble = error.strerror or str(error)
            else:
                self._receive_untrusted(datagram)

    def _receive_untrusted(self, datagram: bytes) -> None:
        try:
            message = framing.parse(datagram)
        except Malformed:
            self.drops["malformed"] += 1
            return
        request = self._waiting.get(message.cookie)
        if request is None or request.reply is not None:
            self.drops["unknown cookie"] += 1
            return
        self.trouble = ""
        request.reply = dict(message.body)
        request.answered.set()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self._socket.close()
