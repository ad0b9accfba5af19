"""NG over HTTP/1.1: a request in the body of a POST, its reply in the body of the response.

h11 knows the protocol, and this drives it: reads what it needs, and writes what it says. What there is on
the server is in `ROUTES`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

import h11
import trio
from attrs import define, field, frozen

from karl_trio.ng.framing import NoCookie, cookie_of
from karl_trio.ng.stream import MAX_MESSAGE

from .hangup import HangUp, Reason, hang_up_after
from .outbox import SEND_WITHIN
from .streams import Connection
from .websocket import BadHandshake, serve_websocket, shake_hands

MAX_HEAD = 8 * 1024
"""Octets of a request before its body, as web servers have it. Reading that takes 2 ms at worst."""

HEAD_WITHIN = 10.0
"""Seconds from the first octet of a request to its body; it is sent at a stroke."""

BODY_WITHIN = 10.0
"""Seconds for a body, which is no longer than what one datagram carries."""

KEEP_ALIVE = 75.0
"""Seconds that a connection may wait for its next request, as web servers have it."""

TEXT = "text/plain; charset=utf-8"
NG = "application/x-rtpengine-ng"
JSON = "application/json"

Headers: TypeAlias = "tuple[tuple[str, str], ...]"


@frozen
class Response:
    """What a client gets.

    Attributes:
        headers: beside date, type and length of the body.
    """

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Headers = ()


class Refused(Exception):
    """A request that is not carried out, and what its client gets instead.

    Attributes:
        reason: why the connection has to end, if it has to.
    """

    def __init__(
        self, status: int, text: str = "", headers: Headers = (), *, reason: Reason | None = None
    ) -> None:
        text = text or HTTPStatus(status).phrase
        super().__init__(text)
        self.response = Response(status, f"{text}\n".encode(), headers=headers)
        self.reason = reason


Handler = Callable[[bytes, Connection], Awaitable[Response]]
"""Carries out a request, given its body."""


async def _ping(_body: bytes, _connection: Connection) -> Response:
    return Response(200, b"pong\n")


async def _ng(body: bytes, connection: Connection) -> Response:
    try:
        cookie_of(body)
    except NoCookie:
        connection.counters.without_cookie += 1
        raise Refused(400, "expected a cookie, a space and a dictionary") from None
    return Response(200, await connection.ask(body, has_cookie=True), NG)


async def _ng_plain(body: bytes, connection: Connection) -> Response:
    reply = await connection.ask(body, has_cookie=False)
    return Response(200, reply, JSON if reply.startswith(b"{") else NG)


ROUTES: dict[str, dict[str, Handler]] = {
    "/ping": {"GET": _ping},
    "/ng": {"POST": _ng},
    "/ng-plain": {"POST": _ng_plain},
}
"""What there is, by path and method. HEAD is GET without the body."""


async def serve_http(connection: Connection) -> None:
    """Serve requests, one after the other, until the client closes; or a WebSocket, if it asks for one."""
    await _Conversation(connection).run()


@define(eq=False)
class _Conversation:
    """The requests of one connection."""

    _connection: Connection
    _h11: h11.Connection = field(
        factory=partial(h11.Connection, h11.SERVER, max_incomplete_event_size=MAX_HEAD), init=False
    )

    async def run(self) -> None:
        while True:
            request = None
            try:
                request = await self._next_request()
                if request is None:
                    return
                if request.method == b"GET" and _header(request, b"upgrade").lower() == b"websocket":
                    await self._serve_websocket(request)
                    return
                response = await self._carry_out(request)
            except Refused as refused:
                await self._send(request, refused.response)
                if refused.reason is not None:
                    await self._connection.linger()
                    raise HangUp(refused.reason) from None
            else:
                await self._send(request, response)
            if self._h11.our_state is not h11.DONE:
                if self._h11.their_state is h11.SEND_BODY:
                    await self._connection.linger()
                return
            self._h11.start_next_cycle()

    async def _next_request(self) -> h11.Request | None:
        """Return the head of the next request, or None if there is none."""
        if not self._h11.trailing_data[0]:
            with hang_up_after(KEEP_ALIVE, Reason.IDLE):
                self._h11.receive_data(await self._connection.receive())
        try:
            with hang_up_after(HEAD_WITHIN, Reason.SLOW_REQUEST):
                event = await self._next_event()
        except HangUp as late:
            raise Refused(408, reason=late.reason) from None
        return event if isinstance(event, h11.Request) else None

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise Refused(error.error_status_hint, str(error), reason=Reason.MALFORMED) from None
            if event is not h11.NEED_DATA:
                return event
            self._h11.receive_data(await self._connection.receive())

    async def _carry_out(self, request: h11.Request) -> Response:
        path = request.target.partition(b"?")[0].decode("ascii")
        methods = ROUTES.get(path)
        if methods is None:
            raise Refused(404)
        method = request.method.decode("ascii")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
            raise Refused(405, headers=(("allow", ", ".join(allowed)),))
        if method == "POST":
            _refuse_pages(request)
        body = await self._body(request)
        try:
            return await handler(body, self._connection)
        except HangUp as late:
            raise Refused(504, reason=late.reason) from None

    async def _body(self, request: h11.Request) -> bytes:
        too_long = Refused(413, f"longer than {MAX_MESSAGE} octets", reason=Reason.TOO_LONG)
        if int(_header(request, b"content-length") or 0) > MAX_MESSAGE:
            raise too_long
        body = bytearray()
        try:
            with hang_up_after(BODY_WITHIN, Reason.SLOW_REQUEST):
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    await self._connection.stream.send_all(self._h11.send(go_on) or b"")
                while isinstance(event := await self._next_event(), h11.Data):
                    body += event.data
                    if len(body) > MAX_MESSAGE:
                        raise too_long
                    # There may be hundreds of chunks in what has come.
                    await trio.lowlevel.checkpoint()
        except HangUp as late:
            raise Refused(408, reason=late.reason) from None
        return bytes(body)

    async def _serve_websocket(self, request: h11.Request) -> None:
        _refuse_pages(request)
        try:
            handshake = shake_hands(request)
        except BadHandshake as error:
            raise Refused(error.status, str(error), error.headers) from None
        await self._body(request)
        octets, _ = self._h11.trailing_data
        await serve_websocket(self._connection, handshake, octets)

    async def _send(self, request: h11.Request | None, response: Response) -> None:
        headers = [
            ("date", formatdate(usegmt=True)),
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ]
        if not self._is_whole():
            headers.append(("connection", "close"))
        phrase = HTTPStatus(response.status).phrase
        events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers, reason=phrase)]
        if request is None or request.method != b"HEAD":
            events.append(h11.Data(data=response.body))
        events.append(h11.EndOfMessage())
        octets = b"".join(self._h11.send(event) or b"" for event in events)
        with hang_up_after(SEND_WITHIN, Reason.SLOW_READER):
            await self._connection.stream.send_all(octets)

    def _is_whole(self) -> bool:
        """Whether the whole request has come, so that the next one can be made out."""
        try:
            while self._h11.their_state is h11.SEND_BODY:
                if self._h11.next_event() is h11.NEED_DATA:
                    return False
        except h11.RemoteProtocolError:
            return False
        return self._h11.their_state not in (h11.IDLE, h11.SEND_BODY, h11.ERROR)


def _refuse_pages(request: h11.Request) -> None:
    """Refuse what a page in a browser asks: its reader did not mean to command a media proxy.

    A page of another host has that host as its `Origin` (RFC 6454, 7). Kamailio says `Origin` as well, with
    the host that it connects to.
    """
    origin = _header(request, b"origin")
    if origin and _host(origin.partition(b"//")[2]) != _host(_header(request, b"host")):
        raise Refused(403, "no requests of web pages are carried out")


def _host(authority: bytes) -> bytes:
    """Return a host without its port."""
    host, bracket, _ = authority.partition(b"]")
    return (host + bracket if bracket else host.partition(b":")[0]).lower()


def _header(request: h11.Request, name: bytes) -> bytes:
    """Return a header, empty if it is not there."""
    return next((value for header, value in request.headers if header == name), b"")
