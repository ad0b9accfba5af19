"""Connections: who may have one, how many there may be, and how each of them ends."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from attrs import define, field

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint

from .access import Access
from .counters import ControlCounters
from .dispatch import Dispatcher
from .hangup import HangUp, Reason, hang_up_after
from .sockets import ListenError, new_socket, set_tos

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1024
"""Connections of one listener. A site has tens of SIP proxies with a few connections each; a connection costs
an open file and some 12 kB."""

SHARE_OF_FILES = 8
"""Where few files may be open, a listener takes one in so many of them, and media has the rest."""

BACKLOG = 128
"""Connections that the kernel holds until they are accepted, one in each turn of the loop."""

ACCEPT_AGAIN = 1.0
"""Seconds until the next attempt when there are no files or no memory for another connection."""

KEEP_ALIVE_AFTER = 60
"""Seconds of silence after which the kernel asks whether the other host is still there (tcp(7))."""

REPLY_WITHIN = 30.0
"""Seconds for a request whose reply holds up all that follow; SIP proxies wait for less."""

LINGER = 2.0
"""Seconds that a client which was told of its mistake may go on sending; to read of it takes a round trip."""

CHUNK = 4096
"""Octets that are read at a time: an offer fits, and looking at them takes less than media can wait."""


@define(eq=False)
class Connection:
    """One client that is connected.

    Attributes:
        source: its address.
    """

    stream: trio.abc.Stream
    source: Endpoint
    dispatcher: Dispatcher
    scope: trio.CancelScope = field(factory=trio.CancelScope, repr=False)

    @property
    def counters(self) -> ControlCounters:
        return self.dispatcher.daemon.counters

    async def receive(self) -> bytes:
        """Return what the client sent next, empty when it will send no more.

        Raises:
            BrokenResourceError: it is gone.
        """
        return bytes(await self.stream.receive_some(CHUNK))

    async def linger(self) -> None:
        """Throw away what the client still sends, or the kernel would break off the last reply with it."""
        with trio.move_on_after(LINGER), suppress(trio.BrokenResourceError):
            while await self.receive():
                pass

    async def ask(self, message: bytes, *, has_cookie: bool) -> bytes:
        """Have a request carried out, and return its reply.

        Raises:
            HangUp: there is none after a while.
        """
        answers: list[bytes] = []
        answered = trio.Event()

        def reply(octets: bytes) -> None:
            answers.append(octets)
            answered.set()

        with hang_up_after(REPLY_WITHIN, Reason.UNANSWERED):
            await self.dispatcher.take(message, self.source, reply, has_cookie=has_cookie)
            await answered.wait()
        return answers[0]


Protocol = Callable[[Connection], Awaitable[None]]
"""Serves a connection until it ends; what it raises ends the connection too.

Raises:
    HangUp: we end it.
    BrokenResourceError: the client did.
"""


@define(eq=False)
class StreamListener:
    """One address where clients connect to, bound and ready.

    Attributes:
        endpoint: the address, with the port that the kernel chose if it was asked to.
        access: who is obeyed; others are hung up on without an octet.
        protocol: what is spoken.
        max_connections: how many there may be at a time.
    """

    _socket: socket.socket
    access: Access
    protocol: Protocol
    max_connections: int = MAX_CONNECTIONS
    endpoint: Endpoint = field(init=False)
    _connections: set[Connection] = field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.endpoint = Endpoint.from_sockaddr(self._socket.getsockname())

    @classmethod
    def open(
        cls,
        endpoint: Endpoint,
        access: Access,
        protocol: Protocol,
        *,
        tos: int = 0,
        max_connections: int = MAX_CONNECTIONS,
    ) -> StreamListener:
        """Bind a socket and listen.

        Args:
            tos: IP type-of-service octet of what is sent.

        Raises:
            ListenError: the address is taken, not ours, or not allowed.
        """
        bound = None
        try:
            bound = new_socket(endpoint, socket.SOCK_STREAM)
            # What is said here of a connection holds for those that will be accepted.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_AFTER)
            set_tos(bound, tos)
            bound.bind(endpoint.sockaddr)
            bound.listen(BACKLOG)
        except OSError as error:
            if bound is not None:
                bound.close()
            raise ListenError(
                error.errno, f"cannot listen for connections on {endpoint}: {error.strerror or error}"
            ) from error
        return cls(bound, access, protocol, max_connections)

    def follow(self, settings: Settings) -> None:
        """Apply what other settings say: hang up on those who are no longer obeyed."""
        set_tos(self._socket, settings.control_tos)
        for connection in self._connections:
            if not self.access.admits(connection.source.address):
                self.access.refuse(connection.source.address)
                connection.scope.cancel()

    def close(self) -> None:
        """Stop listening; `serve` does it on its own."""
        self._socket.close()

    async def serve(self, dispatcher: Dispatcher) -> None:
        """Accept connections for ever; all of them are closed at the end."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._socket))
        async with listener, trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except OSError:
                    dispatcher.daemon.counters.unaccepted += 1
                    await trio.sleep(ACCEPT_AGAIN)
                    continue
                source = _source_of(stream)
                if source is None or not self._admits(source, dispatcher.daemon.counters):
                    stream.socket.close()
                    continue
                connection = Connection(stream, source, dispatcher)
                self._connections.add(connection)
                nursery.start_soon(self._serve_one, connection)

    def _admits(self, source: Endpoint, counters: ControlCounters) -> bool:
        if not self.access.admits(source.address):
            self.access.refuse(source.address)
            return False
        if len(self._connections) >= self.max_connections:
            counters.hangups[Reason.TOO_MANY] += 1
            return False
        return True

    async def _serve_one(self, connection: Connection) -> None:
        counters = connection.counters
        counters.connections += 1
        try:
            with connection.scope:
                await self.protocol(connection)
        except* trio.BrokenResourceError:
            pass
        except* HangUp as hangups:
            reason = _first(hangups).reason
            counters.hangups[reason] += 1
            log.debug("connection from %s closed: %s", connection.source, reason)
        except* Exception:
            log.exception("connection from %s ended by an internal error", connection.source)
        finally:
            counters.connections -= 1
            self._connections.discard(connection)
            await trio.aclose_forcefully(connection.stream)


def _source_of(stream: trio.SocketStream) -> Endpoint | None:
    """Return who has connected, unless he is gone already."""
    try:
        return Endpoint.from_sockaddr(stream.socket.getpeername())
    except OSError:
        return None


def _first(hangups: BaseExceptionGroup[HangUp]) -> HangUp:
    """Return one of them: two tasks of a connection may have given up at the same moment."""
    first: HangUp | BaseExceptionGroup[HangUp] = hangups
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
