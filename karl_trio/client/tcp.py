"""The connection to one node: opened when there is something to ask, and kept.

Theory of operation. One task, `run`, owns the connection; those who ask leave their request and wait. A
new connection is given every request that still waits, so one whose connection broke is asked again,
with its cookie, and the node does its work once. When a connection breaks that has brought something, the
next one is opened at once, for the node may only have been restarted, or have closed what was idle; when it
has brought nothing, or could not be opened, the next attempt of a request opens another. A connection that
stays silent during all attempts of a request is given up: the host at its other end may be gone for
good, and the kernel would go on trying for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint
from karl_trio.errors import Malformed
from karl_trio.ng.stream import MAX_MESSAGE, MessageStream

from .pending import PendingTable
from .replies import Reply
from .sockets import connected_socket, trouble_of

MAX_REPLY = 16 * 1024 * 1024
"""Octets of a reply: a list of 50,000 calls, or a query about any call. A node that sends more is none."""

MAX_REPLY_ITEMS = 1_000_000
"""Values in a reply, for the same list; to decode them takes half a second."""

CHUNK = 65_536
"""Octets that are read at a time."""


@define(eq=False)
class TcpLink:
    """A `Link`; replies can be of any size here, and none is cut short to fit into a packet."""

    max_request: ClassVar[int] = MAX_MESSAGE

    _connect: Callable[[], Awaitable[trio.abc.Stream]]
    trouble: str = ""
    pending: PendingTable = field(factory=lambda: PendingTable(MAX_REPLY_ITEMS))
    _unsent: dict[bytes, bytes] = field(factory=dict, init=False)
    _is_due: trio.Event = field(factory=trio.Event, init=False)  # something is to be sent
    _replies: int = field(default=0, init=False)
    _conversation: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    @classmethod
    def to(cls, endpoint: Endpoint) -> TcpLink:
        """Return a link that will be connected to a node."""
        return cls(partial(_open_stream, endpoint))

    async def ask(self, cookie: bytes, message: bytes, *, attempts: int, wait: float) -> Reply | None:
        """Send a request over the connection, or over another one when that breaks."""
        replies_before = self._replies
        with self.pending.waiting(cookie, message) as request:
            self._unsent[cookie] = message
            try:
                for _ in range(attempts):
                    self._is_due.set()
                    with trio.move_on_after(wait):
                        await request.answered.wait()
                    if request.reply is not None:
                        return request.reply
            finally:
                self._unsent.pop(cookie, None)
        if self._replies == replies_before:
            self._conversation.cancel()
        return None

    async def run(self) -> None:
        """Connect whenever there is something to ask, for ever."""
        while True:
            await self._next_due()
            if not self.pending:
                continue
            replies_before = self._replies
            with trio.CancelScope() as self._conversation:
                await self._converse()
            if self._conversation.cancelled_caught or self._replies > replies_before:
                self._is_due.set()

    def close(self) -> None:
        """Break the connection off."""
        self._conversation.cancel()

    async def _converse(self) -> None:
        """Exchange requests and replies until the connection ends, whoever ends it."""
        self._unsent = self.pending.messages()
        try:
            stream = await self._connect()
        except OSError as error:
            self.trouble = trouble_of(error)
            return
        self.trouble = ""
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._send, stream)
            await self._receive(stream)
            nursery.cancel_scope.cancel()

    async def _next_due(self) -> None:
        """Wait until somebody asks something, or asks again."""
        await self._is_due.wait()
        self._is_due = trio.Event()

    async def _send(self, stream: trio.abc.SendStream) -> None:
        while True:
            octets = b"".join(self._unsent.values())
            self._unsent.clear()
            try:
                await stream.send_all(octets)
            except trio.BrokenResourceError:
                return  # `_receive` will notice too, once it has read the last replies
            await self._next_due()

    async def _receive(self, stream: trio.abc.ReceiveStream) -> None:
        messages = MessageStream(MAX_REPLY)
        try:
            while octets := await stream.receive_some(CHUNK):
                messages.feed(octets)
                while (message := messages.next_message()) is not None:
                    if self.pending.receive_untrusted(message):
                        self._replies += 1
        except Malformed:
            self.pending.drops["malformed"] += 1
            self.trouble = "what came is no reply"
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            self.trouble = trouble_of(cause) if isinstance(cause, OSError) else "connection broken"
        else:
            self.trouble = "connection closed"


async def _open_stream(endpoint: Endpoint) -> trio.SocketStream:
    return trio.SocketStream(await connected_socket(endpoint, trio.socket.SOCK_STREAM))
