"""From the octets of a request to the octets of its reply, whatever the transport.

The road: known cookie? its answer again → dictionary → typed request → handler → reply. Every request that
has a cookie gets a reply: a refusal says what the page documents, a fault of ours says `Internal error` and
is logged once with its traceback. Nothing that the network sends makes `receive` raise.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import trio
from attrs import define, field

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.errors import CapacityError, NgError, Overloaded, ParseError, UnrecognizedCommand
from karl_trio.logs import current_call_id
from karl_trio.ng.framing import BadBody, Message, NoCookie, cookie_of, frame, parse, parse_plain
from karl_trio.ng.replies import shed
from karl_trio.ng.requests import Request, structure
from karl_trio.ng.templates import Templates, parse_templates

from .cookies import AnswerCache, Replier
from .counters import ControlCounters
from .daemon import Daemon
from .registry import COMMANDS, Command, Registry, Reply

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 256
"""Requests that are worked on in tasks at the same time. Only commands that wait for something are, so this
many mean that what they wait for is stuck; more would only grow the heap. Above it the client is told so at
once: a SIP proxy that understands `load limit` then tries its next node, while silence would cost each call
seconds. That refusal is not kept, so a copy of the request may find room."""


@define(eq=False)
class _Exchange:
    """One request on its way to its reply."""

    message: Message
    source: Endpoint
    reply: Replier
    size_limit: int | None
    started: float
    command: Command | None = None
    request: Request | None = None


@define(eq=False)
class Dispatcher:
    """Carries out the requests of all transports.

    Attributes:
        daemon: what the handlers work on.
        commands: what there is to carry out.
        cookies: the answers that were given already.
        turn: held for what takes a while, in whatever connection; it is passed on once in each turn of the
            loop, so that media waits for one such thing only.
        templates: sets of flags that requests name, or get without naming them.
    """

    daemon: Daemon
    commands: Registry = COMMANDS
    cookies: AnswerCache = field(factory=AnswerCache)
    turn: trio.Lock = field(factory=trio.Lock, init=False, repr=False)
    templates: Templates = field(factory=dict)
    _counters: ControlCounters = field(init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False, repr=False)
    _in_flight: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._counters = self.daemon.counters

    def follow(self, settings: Settings) -> None:
        """Apply the templates of other settings from now on."""
        self.templates = parse_templates(settings.templates)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be the parent of the tasks of requests that wait for something."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def receive(
        self, datagram: bytes, source: Endpoint, reply: Replier, *, size_limit: int | None = None
    ) -> None:
        """Deal with the request in one datagram; never raises and never waits.

        Args:
            source: who sent it, for the statistics and the log.
            reply: sends the framed reply, at once or later.
            size_limit: octets above which a reply sheds what is dispensable; None for no limit.
        """
        with self._barrier(source):
            if self.daemon.calls.interfaces.has_open_port(source):
                # Somebody in a call named this port as his in SDP: what he says there must not be obeyed.
                self._counters.from_media += 1
            else:
                self._receive(datagram, source, reply, size_limit)

    async def take(
        self, message: bytes, source: Endpoint, reply: Replier, *, has_cookie: bool = True
    ) -> None:
        """Deal with one request out of a stream as soon as it is its turn.

        Args:
            reply: sends the reply, which is framed like the request and may have any size.
            has_cookie: False for one that consists of its dictionary alone. Nothing tells a copy of such a
                request from another one, so it is carried out each time.
        """
        async with self.turn:
            with self._barrier(source):
                if has_cookie:
                    self._receive(message, source, reply, None)
                else:
                    self._read(parse_plain, message, source, reply, None)

    def refuse(self, error: BadBody, source: Endpoint, reply: Replier) -> None:
        """Say under its cookie that a request could not be decoded."""
        # Not kept for copies: it costs nothing to say again, and garbage shall not push real answers out.
        self._counters.unreadable += 1
        refusal = ParseError(str(error))
        log.debug("request from %s refused: %s", source, refusal)
        reply(frame(error.cookie, refusal.as_reply(), error.format))

    @contextmanager
    def _barrier(self, source: Endpoint) -> Iterator[None]:
        try:
            yield
        except Exception:
            # A fault outside the handlers, where there may be no cookie to answer with.
            log.exception("request from %s lost by an internal error", source)

    def _receive(self, datagram: bytes, source: Endpoint, reply: Replier, size_limit: int | None) -> None:
        try:
            cookie = cookie_of(datagram)
        except NoCookie:
            self._counters.without_cookie += 1
            return
        cookies = self.cookies
        answer = cookies.find(cookie, trio.current_time())
        if answer is not None:
            self._counters.repeated += 1
            reply(answer)
        elif cookies.wait(cookie, reply):
            self._counters.repeated += 1
        else:
            self._read(parse, datagram, source, reply, size_limit)

    def _read(
        self,
        parse: Callable[[bytes], Message],
        octets: bytes,
        source: Endpoint,
        reply: Replier,
        size_limit: int | None,
    ) -> None:
        started = perf_counter()
        try:
            message = parse(octets)
        except BadBody as error:
            self.refuse(error, source, reply)
        else:
            self._carry_out(_Exchange(message, source, reply, size_limit, started))

    def _carry_out(self, exchange: _Exchange) -> None:
        body = exchange.message.body
        call_id = body.get("call-id")
        token = current_call_id.set(call_id if isinstance(call_id, str) else None)
        try:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("request from %s: %r", exchange.source, body)
            try:
                request = exchange.request = structure(body, self.templates)
                command = exchange.command = self.commands.find(request)
                if command.is_async:
                    self._start(exchange, command)
                    return
                answer = self._encode_outcome(exchange, command.handler(request, self.daemon))
            except Exception as error:  # noqa: BLE001 - logged there
                self._settle(exchange, self._encode_refusal(exchange, error), failed=True)
            else:
                self._settle(exchange, answer, failed=False)
        finally:
            current_call_id.reset(token)

    def _start(self, exchange: _Exchange, command: Command) -> None:
        assert self._nursery is not None, "the dispatcher is not running"
        if self._in_flight >= MAX_IN_FLIGHT:
            self._counters.overloaded += 1
            error = Overloaded(f"{self._in_flight} requests in progress")
            exchange.reply(self._encode_refusal(exchange, error))
            return
        self._in_flight += 1
        if exchange.message.cookie:
            self.cookies.begin(exchange.message.cookie)
        # The task copies the context, so its log lines carry the call-id too.
        self._nursery.start_soon(self._work, exchange, command.handler, name=f"NG {command.name}")

    async def _work(self, exchange: _Exchange, handler: Callable[[Any, Daemon], Awaitable[Reply]]) -> None:
        try:
            answer = self._encode_outcome(exchange, await handler(exchange.request, self.daemon))
        except Exception as error:  # noqa: BLE001 - logged there
            self._settle(exchange, self._encode_refusal(exchange, error), failed=True)
        else:
            self._settle(exchange, answer, failed=False)
        finally:
            self._in_flight -= 1
            self.cookies.abandon(exchange.message.cookie)  # matters if the task was cancelled

    def _encode_outcome(self, exchange: _Exchange, outcome: Reply) -> bytes:
        """Frame what a handler returned, with a warning of what the request had beyond our knowledge."""
        body = {"result": "ok", **outcome}
        assert exchange.request is not None
        warnings = exchange.request.warnings
        if warnings:
            if "warning" in body:
                warnings = (*warnings, str(body["warning"]))
            body["warning"] = "; ".join(warnings)
        return self._encode(exchange, body)

    def _encode_refusal(self, exchange: _Exchange, error: Exception) -> bytes:
        """Frame the reply that says why a request could not be carried out; the log gets to know more."""
        name = exchange.command.name if exchange.command else "request"
        request = exchange.request
        body: Reply
        if isinstance(error, CapacityError) and request is not None:
            body = error.as_reply(
                supports_load_limit="load limit" in request.supports,
                has_received_from=request.received_from is not None,
            )
        elif isinstance(error, NgError):
            body = error.as_reply()
        else:
            log.error("%s from %s ended by an internal error", name, exchange.source, exc_info=error)
            return self._encode(exchange, NgError().as_reply())
        self._counters.unrecognized += isinstance(error, UnrecognizedCommand)
        log.info("%s from %s refused: %s", name, exchange.source, error)
        return self._encode(exchange, body)

    def _encode(self, exchange: _Exchange, body: Reply) -> bytes:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("reply to %s: %r", exchange.source, body)
        message = exchange.message
        answer = frame(message.cookie, body, message.format)
        limit = exchange.size_limit
        if limit is not None and len(answer) > limit:
            body = shed(body, limit - len(message.cookie) - 1, message.format)
            answer = frame(message.cookie, body, message.format)
        return answer

    def _settle(self, exchange: _Exchange, answer: bytes, *, failed: bool) -> None:
        """Send a reply, and keep it for copies of the request."""
        if exchange.message.cookie:
            self.cookies.settle(exchange.message.cookie, answer, trio.current_time())
        exchange.reply(answer)
        # A request that was refused before its type was known may still name a command; what it calls
        # itself otherwise must not become a name in the statistics.
        name = exchange.command.name if exchange.command else exchange.message.body.get("command")
        if name in self.commands:
            tally = self._counters.tally(exchange.source.address, str(name))
            tally.count += 1
            tally.errors += failed
            tally.duration += perf_counter() - exchange.started
