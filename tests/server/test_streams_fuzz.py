"""Whatever a client sends, a connection goes on or is hung up on for a reason; nothing of ours fails."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from karl_trio.server.counters import ControlCounters
from karl_trio.server.daemon import Daemon
from karl_trio.server.dispatch import Dispatcher
from karl_trio.server.hangup import Reason
from karl_trio.server.http import serve_http
from karl_trio.server.registry import Registry
from karl_trio.server.tcp import serve_ng

from .conftest import NO_CALLS
from .streams import serve_on

NG = [
    *(b"c1 d7:command4:pinge", b'c1 {"command": "ping"}', b"d7:command4:pinge", b"c1 ", b" ", b"d", b"e"),
    *(b"i0e", b"3:sdp", b"99999:", b"l" * 20, bytes(100)),
]
HTTP = [
    *(b"POST /ng HTTP/1.1\r\nHost: x\r\n", b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"),
    *(b"POST /ng-plain HTTP/1.0\r\n", b"Content-Length: 17\r\n\r\n", b"Content-Length: 99999\r\n", b"\r\n"),
    *(b"Transfer-Encoding: chunked\r\n\r\n", b"11\r\nd7:command4:pinge\r\n", b"0\r\n\r\n"),
    *(b"Expect: 100-continue\r\n", b"Connection: close\r\n"),
]
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ng.rtpengine.com\r\n\r\n"
)
FRAMES = [
    *(b"\x82\x94\0\0\0\0c1 d7:command4:pinge", b"\x81\x91\0\0\0\0d7:command4:pinge", b"\x01\x81\0\0\0\0c"),
    *(b"\x89\x80\0\0\0\0", b"\x88\x80\0\0\0\0", b"\x88\x81\0\0\0\0x", b"\x81\xff\xff\xff"),
    *(b"\x83\x80\0\0\0\0", b"\x81\x82\0\0\0\0\xff\xff"),
]
pieces = st.lists(st.sampled_from([*NG, *HTTP, UPGRADE, *FRAMES]) | st.binary(max_size=20), max_size=12)


@pytest.mark.parametrize("protocol", [serve_ng, serve_http])
@given(pieces | pieces.map(lambda frames: [UPGRADE, *frames]))
@settings(max_examples=150)
def test_anything_is_answered_or_hung_up_on(protocol, pieces):
    async def main():
        dispatcher = Dispatcher(Daemon(calls=NO_CALLS, counters=ControlCounters(), started=0.0), Registry())
        async with trio.open_nursery() as nursery:
            served = serve_on(nursery, dispatcher, protocol)
            try:
                for piece in pieces:
                    await served.send(piece)
                await served.stream.send_eof()
            except trio.BrokenResourceError:
                pass
            with trio.fail_after(1000):
                await served.ended.wait()
            assert served.reason is None or served.reason in Reason

    trio.run(main, clock=MockClock(autojump_threshold=0))
