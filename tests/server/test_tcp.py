"""NG over TCP: messages back to back, replies as soon as there are any, an end for those who only wait."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.ng.framing import parse
from karl_trio.ng.requests import DeleteRequest, PingRequest
from karl_trio.ng.stream import MAX_MESSAGE
from karl_trio.server.hangup import Reason
from karl_trio.server.outbox import FULL, SEND_WITHIN
from karl_trio.server.tcp import IDLE, MESSAGE_WITHIN, serve_ng

from .streams import serve_on


@pytest.fixture
def served(nursery, dispatcher, ping):
    """A client's end of a connection that `serve_ng` has the other end of."""
    return serve_on(nursery, dispatcher, serve_ng)


async def test_messages_back_to_back_are_answered_back_to_back(served):
    await served.send(b"c1 d7:command4:pingec2 d7:command4:pinge")
    await served.send(b"c3 d7:comm")
    await served.send(b"and4:pinge")
    assert await served.end() == b"c1 d6:result4:pongec2 d6:result4:pongec3 d6:result4:ponge"
    assert served.reason is None


async def test_a_reply_does_not_wait_for_the_next_message(served):
    await served.send(b"c1 d7:command4:pinge")
    assert await served.receive() == b"c1 d6:result4:ponge"
    await served.send(b"c2 d7:command4:pinge")
    assert await served.receive() == b"c2 d6:result4:ponge"


async def test_replies_come_in_the_order_in_which_they_are_ready(served, commands):
    gate = trio.Event()

    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await gate.wait()
        return {}

    await served.send(b"slow d7:call-id1:c7:command6:deleteefast d7:command4:pinge")
    assert await served.receive() == b"fast d6:result4:ponge"
    gate.set()
    assert await served.receive() == b"slow d6:result2:oke"


async def test_a_client_that_will_ask_no_more_still_gets_its_replies(served, commands, autojump_clock):
    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.sleep(5)
        return {}

    await served.send(b"slow d7:call-id1:c7:command6:deletee")
    assert await served.end() == b"slow d6:result2:oke"


async def test_a_cookie_that_was_answered_elsewhere_is_answered_alike(served, client, commands):
    first = client.send(b"same d7:command4:pinge")
    await served.send(b"same d7:command6:deletee")
    assert await served.receive() == first


async def test_a_dictionary_that_is_none_is_told_so_and_the_next_one_is_served(served):
    """Its end is clear, so the stream goes on: here a key comes twice."""
    await served.send(b"c1 d1:a1:b1:a1:cec2 d7:command4:pinge")
    replies = await served.end()
    assert replies.startswith(b"c1 d12:error-reason")
    assert b"Parse error: a key for the second time" in replies
    assert replies.endswith(b"c2 d6:result4:ponge")


@pytest.mark.parametrize("request_", [b"c1 nonsense", b'c1 {"command": "ping"}', b"c1 d7:command-1:"])
async def test_what_has_no_end_is_told_so_and_ends_the_connection(served, autojump_clock, request_):
    await served.send(request_ + b"c2 d7:command4:pinge")
    reply = parse(await served.rest())
    assert reply.cookie == b"c1"
    assert reply.body["error-reason"].startswith("Parse error: ")
    assert served.reason is Reason.MALFORMED


async def test_without_a_cookie_the_connection_just_ends(served, dispatcher):
    await served.send(b" d7:command4:pinge")
    assert await served.rest() == b""
    assert served.reason is Reason.MALFORMED
    assert dispatcher.daemon.counters.without_cookie == 1


async def test_a_message_that_never_ends_is_not_kept(served, autojump_clock):
    await served.send(b"c1 d3:sdp%d:" % (2 * MAX_MESSAGE))
    assert b"longer than" in await served.rest()
    assert served.reason is Reason.TOO_LONG


async def test_a_request_that_trickles_is_hung_up_on(served, autojump_clock):
    started = trio.current_time()
    try:
        for octet in b"c1 d3:sdp1000:" + b"x" * 1000:
            await served.send(bytes([octet]))
            await trio.sleep(1)
    except trio.BrokenResourceError:
        pass
    assert trio.current_time() - started == pytest.approx(MESSAGE_WITHIN, abs=1.5)
    assert served.reason is Reason.SLOW_REQUEST


async def test_requests_that_follow_each_other_slowly_are_not(served, autojump_clock):
    """Each has its own time: what counts is the request that is under way, not the connection."""
    request = b"c%02d d7:command4:pinge"
    await served.send(b"c00 ")
    for number in range(30):
        await trio.sleep(MESSAGE_WITHIN / 2)
        # The end of one request and the beginning of the next.
        await served.send((request % number)[4:] + (request % (number + 1))[:4])
        assert await served.receive() == b"c%02d d6:result4:ponge" % number


async def test_an_idle_connection_is_kept_for_an_hour(served, autojump_clock):
    await trio.sleep(IDLE - 1)
    await served.send(b"c1 d7:command4:pinge")
    assert await served.receive() == b"c1 d6:result4:ponge"
    await trio.sleep(IDLE + 1)
    assert await served.rest() == b""
    assert served.reason is Reason.IDLE


async def test_a_client_that_asks_and_does_not_read_is_not_read_from_either(
    nursery, dispatcher, commands, autojump_clock
):
    """What waits for it is bounded, and it has some seconds to begin to read."""
    carried_out = []

    @commands.command("ping", PingRequest)
    def ping(request, daemon):
        carried_out.append(request)
        return {"result": "pong", "filling": "x" * 1000}

    served = serve_on(nursery, dispatcher, serve_ng, unread=0)
    await served.send(b"".join(b"c%d d7:command4:pinge" % number for number in range(1000)))
    await wait_all_tasks_blocked()
    assert len(carried_out) <= FULL / 1000 + 1
    await trio.sleep(SEND_WITHIN + 1)
    assert served.reason is Reason.SLOW_READER


async def test_requests_of_many_clients_at_once_leave_turns_for_media(nursery, dispatcher, commands):
    happened = []

    @commands.command("ping", PingRequest)
    def ping(request, daemon):
        happened.append("request")
        return {"result": "pong"}

    async def media():
        while True:
            happened.append("media")
            await trio.lowlevel.checkpoint()

    clients = [serve_on(nursery, dispatcher, serve_ng) for _ in range(50)]
    await wait_all_tasks_blocked()
    for number, served in enumerate(clients):
        served.arrive(b"a%d d7:command4:pingeb%d d7:command4:pinge" % (number, number))
    nursery.start_soon(media)
    for served in clients:
        await served.end()
    assert happened.count("request") == 100
    # Trio runs what is ready in random order, so media may be first in one turn and last in the next.
    assert "request request request" not in " ".join(happened)
