"""A recording server listens to a call through the real daemon, over real UDP."""

import json
import socket

import pytest
import trio

from karl_trio.config import Settings
from karl_trio.sdp.description import parse
from karl_trio.server import app

from ..media.fakes import rtp

SETTINGS = Settings(listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), port_min=35500, port_max=35599)


class Party:
    """A phone, or a recording server, with a socket for each of its media."""

    def __init__(self, count=1):
        self.sockets = [trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]

    async def __aenter__(self):
        for each in self.sockets:
            await each.bind(("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_):
        for each in self.sockets:
            each.close()

    def sdp(self, direction="sendrecv"):
        ports = [each.getsockname()[1] for each in self.sockets]
        media = "".join(f"m=audio {port} RTP/AVP 0\r\na={direction}\r\n" for port in ports)
        return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}"

    async def say(self, datagram, port):
        await self.sockets[0].sendto(datagram, ("127.0.0.1", port))

    async def hear(self, place=0):
        with trio.fail_after(5):
            return await self.sockets[place].recv(2048)


@pytest.fixture
async def ask(nursery):
    """Return a function that sends a request to a daemon and returns its reply."""
    served = await nursery.start(app.serve, SETTINGS)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy:
        await proxy.connect(served.ng_addresses[0].sockaddr)
        cookies = iter(range(100))

        async def send(command, **keys):
            body = {"command": command, "call-id": "c", **{k.replace("_", "-"): v for k, v in keys.items()}}
            await proxy.send(b"%d %s" % (next(cookies), json.dumps(body).encode()))
            with trio.fail_after(5):
                return json.loads((await proxy.recv(65535)).partition(b" ")[2])

        yield send


async def test_a_recording_server_hears_both_sides_of_a_call(ask):
    async with Party() as alice, Party() as bob, Party(2) as recorder:
        offered = await ask("offer", from_tag="a", sdp=alice.sdp())
        answered = await ask("answer", from_tag="a", to_tag="b", sdp=bob.sdp())
        for_bob, for_alice = (parse(reply["sdp"]).media[0].port for reply in (offered, answered))
        reply = await ask("subscribe request", flags=["all", "SIPREC"])
        assert (reply["result"], reply["from-tags"]) == ("ok", ["a", "b"])
        assert reply["media-labels"]["2"] == {"tag": "b", "index": 1, "type": "audio", "mode": "sendrecv"}
        assert [section.attributes.first("label") for section in parse(reply["sdp"]).media] == ["1", "2"]
        sdp = recorder.sdp("recvonly")
        assert await ask("subscribe answer", to_tag=reply["to-tag"], sdp=sdp) == {"result": "ok"}
        await alice.say(rtp(1), for_alice)
        await bob.say(rtp(1, ssrc=9), for_bob)
        assert await bob.hear() == await recorder.hear(0) == rtp(1)
        assert await alice.hear() == await recorder.hear(1) == rtp(1, ssrc=9)
        assert await ask("unsubscribe", to_tag=reply["to-tag"]) == {"result": "ok"}
        again = await ask("unsubscribe", to_tag=reply["to-tag"])
        assert again == {"result": "error", "error-reason": "Invalid session state"}


async def test_what_is_published_is_connected_to_a_leg_that_we_called(ask):
    async with Party() as camera, Party() as viewer:
        published = await ask("publish", from_tag="camera", sdp=camera.sdp("sendonly"))
        created = await ask("create", call_id="d", from_tag="viewer", codec={"offer": ["PCMU"]})
        answer = {"call_id": "d", "from_tag": "viewer", "sdp": viewer.sdp()}
        assert await ask("create answer", **answer) == {"result": "ok"}
        joined = await ask("connect", from_tag="camera", to_call_id="d", to_tag="viewer")
        assert joined == {"result": "ok"}
        assert (await ask("list"))["call-ids"] == ["c", "d"]
        await camera.say(rtp(1), parse(published["sdp"]).media[0].port)
        assert await viewer.hear() == rtp(1)
        assert parse(created["sdp"]).media[0].formats == ("0",)


async def test_mesh_transform_and_inject_are_there_too(ask):
    async with Party() as one, Party() as two:
        for call_id, party in (("c", one), ("d", two)):
            await ask("create", call_id=call_id, from_tag=call_id)
            await ask("create answer", call_id=call_id, from_tag=call_id, sdp=party.sdp())
        assert await ask("mesh", calls=["c", "d"]) == {"result": "ok"}
        refused = await ask("inject start", source_tag="d", to_tag="c")
        assert refused["error-reason"] == "Invalid session state"
        codec = {"codec": "PCMU", "payload type": 0, "clock rate": 8000, "channels": 1}
        destination = {"family": "IP4", "address": "127.0.0.1", "port": two.sockets[0].getsockname()[1]}
        media = [{"type": "audio", "id": "x", "codec": [{"input": codec}], "destination": destination}]
        reply = await ask("transform", call_id="t", media=media)
        (told,) = reply["media"]
        assert (told["id"], told["family"], told["address"]) == ("x", "IP4", "127.0.0.1")
        await one.say(rtp(1), told["port"])
        assert await two.hear() == rtp(1)
