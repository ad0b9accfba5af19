"""The daemon over real UDP, asked as the protocol's page says, with phones that talk through it."""

from __future__ import annotations

import pytest
import trio
from attrs import define

from karl_trio.config import Settings
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.server import app

from ..calls.phones import Phone
from ..calls.proxy import sdp
from ..media.fakes import rtp

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    interface=("inside/127.0.0.1", "outside/127.0.0.2"),
    port_min=35700,
    port_max=35799,
    port_rest=0.0,
)


@define(eq=False)
class Page:
    """A SIP proxy that knows nothing but the page.

    Attributes:
        served: the daemon, for a look behind its replies.
    """

    served: app.Served
    _socket: trio.socket.SocketType
    _requests: int = 0

    async def send(self, datagram):
        """Send a datagram as it is, and return what comes back."""
        await self._socket.send(datagram)
        with trio.fail_after(5):
            return await self._socket.recv(65535)

    async def ask(self, command, **keys):
        """Send a request, and return the reply without its `result` if that is ok."""
        self._requests += 1
        body = {"command": command} | {key.replace("_", "-"): value for key, value in keys.items()}
        reply = parse(await self.send(frame(b"%d" % self._requests, body, Format.BENCODE))).body
        return {key: value for key, value in reply.items() if (key, value) != ("result", "ok")}

    async def place_call(self, alice, bob, call_id="call", offer=None, answer=None):
        """Let one phone call another; return the media port that each of them is told."""
        offered = await self.ask(
            "offer", call_id=call_id, from_tag="a", sdp=sdp(alice.endpoint.port), **(offer or {})
        )
        answered = await self.ask(
            "answer", call_id=call_id, from_tag="a", to_tag="b", sdp=sdp(bob.endpoint.port), **(answer or {})
        )
        return port_in(answered["sdp"]), port_in(offered["sdp"])


def port_in(text):
    """Return the port of the first m= line."""
    return int(text.partition("\nm=")[2].split()[1])


def lines(text):
    """Return the lines of an SDP."""
    return text.splitlines()


async def hears(listener, speaker, port, sequence=1):
    """Whether what one phone says to a port of ours arrives at the other, unchanged."""
    speaker.say(rtp(sequence), port)
    return [datagram for datagram, _ in await listener.hear(1)] == [rtp(sequence)]


@pytest.fixture
async def page(nursery):
    served = await nursery.start(app.serve, SETTINGS)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.connect(served.ng_addresses[0].sockaddr)
        yield Page(served, sock)


@pytest.fixture
def phones():
    made = [Phone(), Phone()]
    yield made
    for phone in made:
        phone.close()
