"""A dispatcher on its own, and a client that talks to it without a network."""

from types import SimpleNamespace

import pytest
from attrs import define, field

from karl_trio.endpoint import Endpoint
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.ng.requests import PingRequest
from karl_trio.server.counters import ControlCounters
from karl_trio.server.daemon import Daemon
from karl_trio.server.dispatch import Dispatcher
from karl_trio.server.registry import Registry


@define(eq=False)
class Client:
    """A SIP proxy with a direct line to a dispatcher.

    Attributes:
        replies: all that came back, in the order of arrival.
    """

    dispatcher: Dispatcher
    source: Endpoint = field(factory=lambda: Endpoint("192.0.2.10", 40000))
    replies: list[bytes] = field(factory=list)
    _requests: int = 0

    def send(self, datagram, *, size_limit=None):
        """Send a datagram, and return what came back at once, or None."""
        before = len(self.replies)
        self.dispatcher.receive(datagram, self.source, self.replies.append, size_limit=size_limit)
        new = self.replies[before:]
        assert len(new) <= 1
        return new[0] if new else None

    def ask(self, command, *, cookie=None, size_limit=None, format=Format.BENCODE, **keys):  # noqa: A002
        """Send a request, and return the decoded reply, or None."""
        if cookie is None:
            self._requests += 1
            cookie = b"cookie%d" % self._requests
        body = {"command": command} | {key.replace("_", "-"): value for key, value in keys.items()}
        answer = self.send(frame(cookie, body, format), size_limit=size_limit)
        if answer is None:
            return None
        message = parse(answer)
        assert (message.cookie, message.format) == (cookie, format)
        return message.body


NO_CALLS = SimpleNamespace(interfaces=SimpleNamespace(has_open_port=lambda source: False))
"""A call table as far as a dispatcher looks into it by itself."""


@pytest.fixture
def commands():
    """Handlers that a test registers itself."""
    return Registry()


@pytest.fixture
def ping(commands):
    """A handler that answers as the daemon's does."""

    @commands.command("ping", PingRequest)
    def ping(request, daemon):
        return {"result": "pong"}

    return ping


@pytest.fixture
async def dispatcher(nursery, commands):
    # No handler here knows of calls.
    dispatcher = Dispatcher(Daemon(calls=NO_CALLS, counters=ControlCounters(), started=0.0), commands)
    await nursery.start(dispatcher.run)
    return dispatcher


@pytest.fixture
def client(dispatcher):
    return Client(dispatcher)
