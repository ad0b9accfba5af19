"""Requests in the dialect of OpenSIPS get the replies that its scripts count on.

Its module knows no `supports`, sends `received-from` with everything, spells some keys with spaces, and hands
any flag with a value on as a key of that name. The requests are written after it, and the replies after
NG_REFERENCE.
"""

from __future__ import annotations

import re

import pytest
import trio

from karl_trio.config import Settings
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.server import app

from ..samples.captures import OPENSIPS, exchanges

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    interface=("internal/127.0.0.1!192.0.2.1", "external/127.0.0.1!203.0.113.1"),
    port_min=35700,
    port_max=35799,
    max_sessions=3,
)


def anonymous(sdp: str) -> list[str]:
    sdp = re.sub(r"^(m=\w+) [1-9]\d*", r"\1 PORT", sdp, flags=re.MULTILINE)
    return re.sub(r"^a=rtcp:\d+", "a=rtcp:PORT", sdp, flags=re.MULTILINE).split("\r\n")


def endpoints(reply):
    """Where each leg said that it wants its media, in the order of the legs' tags."""
    found = []
    for _, leg in sorted(reply["tags"].items()):
        endpoint = leg["medias"][0]["streams"][0]["advertised endpoint"]
        found.append(f"{endpoint['address']}:{endpoint['port']}")
    return found


async def test_every_request_of_opensips_is_understood(nursery):
    served = await nursery.start(app.serve, SETTINGS)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy:
        await proxy.connect(served.ng_addresses[0].sockaddr)
        for exchange in exchanges(file=OPENSIPS):
            await proxy.send(frame(exchange.cookie.encode(), exchange.request, Format.BENCODE))
            with trio.fail_after(5):
                reply = parse(await proxy.recv(65535)).body
            check(exchange, reply)


def check(exchange, reply):
    expected = dict(exchange.reply)
    if exchange.command == "query":
        assert endpoints(reply) == expected.pop("endpoints")
    if exchange.command in ("query", "delete"):
        reply = {key: value for key, value in reply.items() if key in ("result", "warning")}
    if "sdp" in expected:
        assert anonymous(reply.pop("sdp")) == expected.pop("sdp").split("\r\n"), exchange.name
    assert reply == expected, exchange.name


@pytest.mark.parametrize("exchange", exchanges(file=OPENSIPS), ids=lambda exchange: exchange.name)
def test_requests_are_in_the_dialect_of_opensips(exchange):
    assert "supports" not in exchange.request
    assert exchange.request["received-from"][0] == "IP4"
