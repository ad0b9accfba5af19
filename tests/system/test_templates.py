"""Templates of the configuration, in the SDP of the daemon that reads them."""

import trio
from attrs import evolve

from karl_trio.config import load
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.sdp.description import parse as parse_sdp
from karl_trio.server import app

CONFIG = """
interface = "127.0.0.1!203.0.113.1"
port-min = 35800
port-max = 35899

[templates]
offer = "codec-strip-all codec-offer-PCMA"
own = "replace=[origin]"
"""

SDP = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8\r\n"
)


async def test_offers_get_what_the_configuration_keeps_for_them(nursery, tmp_path):
    path = tmp_path / "karl-trio.toml"
    path.write_text(CONFIG)
    settings = evolve(load(path), listen_ng=("127.0.0.1:0",))
    served = await nursery.start(app.serve, settings)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy:
        await proxy.connect(served.ng_addresses[0].sockaddr)

        async def offer(call_id, **keys):
            body = {"command": "offer", "call-id": call_id, "from-tag": "alice", "sdp": SDP, **keys}
            await proxy.send(frame(call_id.encode(), body, Format.BENCODE))
            with trio.fail_after(5):
                reply = parse(await proxy.recv(65535)).body
            assert reply.keys() == {"result", "sdp"}
            return parse_sdp(reply["sdp"])

        plain = await offer("one")
        assert (plain.media[0].formats, plain.origin.address) == (("8",), "198.51.100.1")
        own = await offer("two", template="own")
        assert (own.media[0].formats, own.origin.address) == (("8",), "203.0.113.1")
        path.write_text(CONFIG.replace("codec-offer-PCMA", "codec-offer-PCMU"))
        served.daemon.follow(load(path))
        assert (await offer("three")).media[0].formats == ("0",)
