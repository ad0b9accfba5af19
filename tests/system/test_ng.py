"""The real daemon over real UDP, as a SIP proxy or a person with netcat meets it."""

import json
import os

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from karl_trio.config import Settings
from karl_trio.ng.framing import parse
from karl_trio.server import app

SETTINGS = Settings(listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), port_min=35400, port_max=35499)

SDP = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n"
)


@pytest.fixture
async def proxy(nursery):
    """Return a socket that is connected to a daemon."""
    served = await nursery.start(app.serve, SETTINGS)
    with await connect(served) as opened:
        yield opened


async def connect(served):
    opened = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await opened.connect(served.ng_addresses[0].sockaddr)
    return opened


async def ask(proxy, datagram):
    await proxy.send(datagram)
    with trio.fail_after(5):
        return await proxy.recv(65535)


async def test_ping_as_on_the_page(proxy):
    assert await ask(proxy, b"test123 d7:command4:pinge") == b"test123 d6:result4:ponge"


async def test_ping_in_json(proxy):
    cookie, _, reply = (await ask(proxy, b'abc {"command": "ping"}')).partition(b" ")
    assert cookie == b"abc"
    assert json.loads(reply) == {"result": "pong"}


@pytest.mark.parametrize(
    "datagram",
    [
        b"x d9223372036854775807:ae",
        b"x d",
        b"x l4:pinge",
        b"x nonsense",
        b'x {"command"',
        b"x {" + b'"a":{' * 2000,
        b"x d" + b"1:al" * 10000,
        b"x d7:commandi" + b"9" * 5000 + b"ee",
    ],
)
async def test_a_malformed_request_is_told_so_and_the_next_one_is_served(proxy, datagram):
    reply = parse(await ask(proxy, datagram))
    assert reply.cookie == b"x"
    assert reply.body["error-reason"].startswith("Parse error: ")
    assert await ask(proxy, b"y d7:command4:pinge") == b"y d6:result4:ponge"


async def test_what_has_no_cookie_gets_silence(proxy):
    for datagram in (b"", b"hello", b" d7:command4:pinge", b"d7:command4:pinge", bytes(1000)):
        await proxy.send(datagram)
    # The first reply is to the first datagram that can be replied to.
    assert await ask(proxy, b"c d7:command4:pinge") == b"c d6:result4:ponge"


async def test_a_retransmitted_offer_gets_the_same_ports(nursery):
    served = await nursery.start(app.serve, SETTINGS)
    request = b"again d7:command5:offer7:call-id1:c8:from-tag1:f3:sdp%d:%se" % (len(SDP), SDP.encode())
    with await connect(served) as proxy, await connect(served) as elsewhere:
        first = await ask(proxy, request)
        assert parse(first).body["result"] == "ok"
        assert await ask(proxy, request) == first
        assert await ask(elsewhere, request) == first
    assert len(served.calls) == 1


async def test_a_flood_of_garbage_leaves_no_task_port_or_call_behind(nursery):
    served = await nursery.start(app.serve, SETTINGS)
    (pool,) = served.calls.interfaces.pools
    await trio.testing.wait_all_tasks_blocked()  # those that are over at once are gone
    tasks = trio.lowlevel.current_statistics().tasks_living
    with await connect(served) as proxy:
        for number in range(200):
            sdp = os.urandom(number)
            unreadable = b"g%d d7:command5:offer7:call-id1:c8:from-tag1:f3:sdp%d:%s" % (number, number, sdp)
            assert parse(await ask(proxy, unreadable)).body["result"] == "error"
            invalid = b"h%d d7:command5:offer7:call-id1:c8:from-tag1:f3:sdp5:v=0\r\ne" % number
            assert parse(await ask(proxy, invalid)).body["error-reason"] == "Invalid SDP"
        assert await ask(proxy, b"c d7:command4:pinge") == b"c d6:result4:ponge"
    assert (len(served.calls), pool.in_use) == (0, 0)
    assert trio.lowlevel.current_statistics().tasks_living == tasks


@given(st.lists(st.binary(max_size=100), max_size=20))
@settings(max_examples=30, deadline=None)
def test_whatever_comes_a_good_request_is_served_after_it(datagrams):
    async def main():
        async with trio.open_nursery() as nursery:
            served = await nursery.start(app.serve, SETTINGS)
            with await connect(served) as proxy:
                for datagram in datagrams:
                    await proxy.send(datagram)
                with trio.fail_after(5):
                    reply = await ask(proxy, b"the-good-one d7:command4:pinge")
                    while not reply.startswith(b"the-good-one "):
                        reply = await proxy.recv(65535)
            assert reply == b"the-good-one d6:result4:ponge"
            nursery.cancel_scope.cancel()

    trio.run(main)
