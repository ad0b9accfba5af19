"""NG over WebSocket (RFC 6455): a request in each message, in either of rtpengine's two subprotocols."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import h11
import trio
from attrs import define, field, frozen
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from karl_trio.ng.stream import MAX_MESSAGE

from .hangup import HangUp, Reason, hang_up_at
from .outbox import Outbox, outbox
from .streams import Connection

HAS_COOKIE = {"ng.rtpengine.com": True, "ng-plain.rtpengine.com": False}
"""The subprotocols, and whether their requests begin with a cookie."""

MESSAGE_WITHIN = 10.0
"""Seconds from the first piece of a request to its last, as over TCP."""

PING_EVERY = 30.0
"""Seconds of silence after which we ask whether the client is still there. Proxies on the way to it close
what is silent for a minute."""


class BadHandshake(Exception):
    """A request for a WebSocket that we cannot grant.

    Attributes:
        status: of the HTTP response.
        headers: what it has to say beside its text.
    """

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


@frozen
class Handshake:
    """A WebSocket that can be opened.

    Attributes:
        subprotocol: the first of those that the client wants and we speak.
    """

    protocol: WSConnection
    subprotocol: str


def shake_hands(request: h11.Request) -> Handshake:
    """Read a request for a WebSocket.

    Raises:
        BadHandshake: it is none, or wants none of our subprotocols.
    """
    protocol = WSConnection(ConnectionType.SERVER)
    # Which host was asked for does not matter, and wsproto would decode what it says as a domain name.
    headers = [(name, b"ng" if name == b"host" else value) for name, value in request.headers]
    try:
        protocol.initiate_upgrade_connection(headers, request.target)
        (wanted,) = protocol.events()
    except UnicodeError:
        raise BadHandshake(400, "a header is not ASCII") from None
    except RemoteProtocolError as error:
        raise _refusal(error) from None
    assert isinstance(wanted, Request)
    for subprotocol in wanted.subprotocols:
        if subprotocol in HAS_COOKIE:
            return Handshake(protocol, subprotocol)
    raise BadHandshake(400, f"expected one of the subprotocols {', '.join(HAS_COOKIE)}")


def _refusal(error: RemoteProtocolError) -> BadHandshake:
    hint = error.event_hint
    if not isinstance(hint, RejectConnection):
        return BadHandshake(400, str(error))
    headers = tuple((name.decode("ascii"), value.decode("ascii")) for name, value in hint.headers)
    return BadHandshake(hint.status_code, str(error), headers)


async def serve_websocket(connection: Connection, handshake: Handshake, octets: bytes) -> None:
    """Open a WebSocket, and answer requests until either end closes it.

    Args:
        octets: what came after the request for it.
    """
    async with outbox(connection.stream, connection.counters) as replies:
        talk = _Talk(connection, handshake.protocol, HAS_COOKIE[handshake.subprotocol], replies)
        talk.send(AcceptConnection(subprotocol=handshake.subprotocol))
        await talk.run(octets)


@define(eq=False)
class _Talk:
    """One WebSocket that is open."""

    _connection: Connection
    _protocol: WSConnection
    _has_cookie: bool
    _replies: Outbox
    _message: bytearray = field(factory=bytearray, init=False)
    _began: float = field(default=0.0, init=False)
    _was_pinged: bool = field(default=False, init=False)

    def send(self, event: Event) -> None:
        self._replies.send(self._protocol.send(event))

    async def run(self, octets: bytes) -> None:
        while True:
            self._protocol.receive_data(octets)
            if not await self._take(self._protocol.events()):
                return
            received = await self._receive()
            if received == b"":
                return
            octets = received or b""

    async def _receive(self) -> bytes | None:
        """Return what the client sent, empty at its end, and None after a while of silence."""
        if self._message:
            with hang_up_at(self._began + MESSAGE_WITHIN, Reason.SLOW_REQUEST):
                return await self._connection.receive()
        with trio.move_on_after(PING_EVERY):
            octets = await self._connection.receive()
            self._was_pinged = False
            return octets
        if self._was_pinged:
            raise HangUp(Reason.IDLE)
        self._was_pinged = True
        self.send(Ping())
        return None

    async def _take(self, events: Iterable[Event]) -> bool:
        """Deal with what came; False when nothing more is to come."""
        for event in events:
            match event:
                case TextMessage() | BytesMessage():
                    await self._take_piece(event)
                case Ping():
                    self.send(event.response())
                case CloseConnection():
                    await self._close(event)
                    return False
            await self._replies.room()
        return True

    async def _take_piece(self, piece: TextMessage | BytesMessage) -> None:
        if not self._message:
            self._began = trio.current_time()
        data = piece.data.encode() if isinstance(piece, TextMessage) else piece.data
        self._message += data
        if len(self._message) > MAX_MESSAGE:
            text = f"longer than {MAX_MESSAGE} octets"
            self.send(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG, reason=text))
            await self._hang_up(Reason.TOO_LONG)
        if piece.message_finished:
            message = bytes(self._message)
            self._message.clear()
            await self._answer(message, is_text=isinstance(piece, TextMessage))

    async def _answer(self, message: bytes, *, is_text: bool) -> None:
        connection = self._connection
        if self._has_cookie:
            # The cookie tells which request a reply is for, so replies need not wait for each other.
            self._replies.unanswered += 1
            reply = partial(self._reply, is_text)
            await connection.dispatcher.take(message, connection.source, reply)
        else:
            self._send_message(is_text, await connection.ask(message, has_cookie=False))

    def _reply(self, is_text: bool, reply: bytes) -> None:
        self._replies.unanswered -= 1
        self._send_message(is_text, reply)

    def _send_message(self, is_text: bool, reply: bytes) -> None:
        """Send a reply as its request came; what is no UTF-8 cannot be text (RFC 6455, 8.1)."""
        if self._protocol.state is not ConnectionState.OPEN:
            self._connection.counters.unsent += 1
            return
        event: TextMessage | BytesMessage = BytesMessage(data=reply)
        if is_text:
            with suppress(UnicodeDecodeError):
                event = TextMessage(data=reply.decode())
        self.send(event)

    async def _close(self, event: CloseConnection) -> None:
        is_their_wish = self._protocol.state is ConnectionState.REMOTE_CLOSING
        self.send(event.response())
        if not is_their_wish:  # what came was no WebSocket frame
            await self._hang_up(Reason.MALFORMED)

    async def _hang_up(self, reason: Reason) -> None:
        await self._replies.drain()
        await self._connection.linger()
        raise HangUp(reason)
