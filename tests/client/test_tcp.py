"""The client over TCP: how it uses its connection, seen at the other end of it, without a network."""

from __future__ import annotations

import pytest
import trio
from attrs import define, field
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from karl_trio.client.tcp import MAX_REPLY, TcpLink
from karl_trio.ng import framing
from karl_trio.ng.stream import MessageStream

REFUSED = ConnectionRefusedError(111, "Connection refused")


@define(eq=False)
class Accepted:
    """A connection as the node sees it, and the cookies of the requests that came over it."""

    stream: trio.abc.Stream
    cookies: list[bytes] = field(factory=list)
    _messages: MessageStream = field(factory=MessageStream)

    async def receive(self, count=1):
        """Receive so many requests more, and return the cookie of the last."""
        for _ in range(count):
            with trio.fail_after(1000):
                while (message := self._messages.next_message()) is None:
                    self._messages.feed(await self.stream.receive_some())
            self.cookies.append(framing.parse(message).cookie)
        return self.cookies[-1]

    async def reply(self, cookie, **body):
        await self.stream.send_all(framing.frame(cookie, {"result": "ok"} | body))

    async def is_closed(self):
        return not await self.stream.receive_some()


@define(eq=False)
class Node:
    """What is asked; `refusals` are what its next connections end in before they begin, None being none."""

    accepted: list[Accepted] = field(factory=list)
    refusals: list[OSError | None] = field(factory=list)
    link: TcpLink = None

    async def connect(self):
        await trio.lowlevel.checkpoint()
        if self.refusals and (refusal := self.refusals.pop(0)):
            raise refusal
        ours, theirs = memory_stream_pair()
        self.accepted.append(Accepted(theirs))
        return ours

    async def connection(self, number):
        with trio.fail_after(1000):
            while len(self.accepted) < number:
                await trio.sleep(0.01)
        return self.accepted[number - 1]


@pytest.fixture
async def node(nursery):
    node = Node()
    node.link = TcpLink(node.connect)
    nursery.start_soon(node.link.run)
    yield node
    nursery.cancel_scope.cancel()


class Asked:
    """A request that was made, and in time has a reply."""

    def __init__(self, nursery, node, cookie, **patience):
        self._done = trio.Event()
        nursery.start_soon(self._ask, node, cookie, {"attempts": 3, "wait": 1.0} | patience)

    async def _ask(self, node, cookie, patience):
        message = framing.frame(cookie, {"command": "ping"})
        self._reply = await node.link.ask(cookie, message, **patience)
        self.at = trio.current_time()
        self._done.set()

    async def reply(self):
        await self._done.wait()
        return self._reply


async def test_there_is_one_connection_for_all_requests_and_none_before_the_first(
    autojump_clock, node, nursery
):
    await trio.sleep(100)
    assert node.accepted == []
    asked = [Asked(nursery, node, b"%d" % number) for number in range(3)]
    connection = await node.connection(1)
    await connection.receive(3)
    for cookie in (b"2", b"0", b"1"):
        await connection.reply(cookie, name=cookie)
    assert [await each.reply() for each in asked] == [
        {"result": "ok", "name": name} for name in ("0", "1", "2")
    ]
    asked = Asked(nursery, node, b"3")
    await connection.reply(await connection.receive())
    assert await asked.reply()
    assert len(node.accepted) == 1


async def test_a_request_is_not_sent_twice_over_one_connection(autojump_clock, node, nursery):
    asked = Asked(nursery, node, b"slow", attempts=5)
    connection = await node.connection(1)
    await connection.receive()
    await trio.sleep(4.5)
    Asked(nursery, node, b"another")
    await connection.receive()
    await connection.reply(b"slow")
    assert await asked.reply()
    assert connection.cookies == [b"slow", b"another"]


async def test_a_reply_in_any_pieces_is_put_together_however_long_it_is(autojump_clock, node, nursery):
    asked = Asked(nursery, node, b"list")
    connection = await node.connection(1)
    # More octets, and more values, than a datagram or a request may have.
    calls = [{"call-id": f"call-{number}", "state": "active"} for number in range(20_000)]
    octets = framing.frame(await connection.receive(), {"result": "ok", "calls": calls})
    for start in range(0, len(octets), 100_000):
        await connection.stream.send_all(octets[start : start + 100_000])
        await wait_all_tasks_blocked()
    assert (await asked.reply())["calls"] == calls


async def test_a_connection_that_closed_while_idle_is_opened_again_for_the_next_request(
    autojump_clock, node, nursery
):
    first = Asked(nursery, node, b"1")
    connection = await node.connection(1)
    await connection.reply(await connection.receive())
    await first.reply()
    await connection.stream.aclose()
    await trio.sleep(100)
    assert len(node.accepted) == 1
    second = Asked(nursery, node, b"2")
    connection = await node.connection(2)
    await connection.reply(await connection.receive())
    assert await second.reply()
    assert second.at == pytest.approx(trio.current_time())


async def test_what_waits_when_a_connection_breaks_is_asked_at_once_over_another(
    autojump_clock, node, nursery
):
    answered, *waiting = [Asked(nursery, node, cookie) for cookie in (b"1", b"2", b"3")]
    connection = await node.connection(1)
    await connection.receive(3)
    await connection.reply(b"1")
    await answered.reply()
    await connection.stream.aclose()
    connection = await node.connection(2)
    await connection.receive(2)
    for cookie in (b"2", b"3"):
        await connection.reply(cookie)
    assert [bool(await each.reply()) for each in waiting] == [True, True]
    assert sorted(connection.cookies) == [b"2", b"3"]
    assert waiting[0].at < 0.1


async def test_a_node_that_hangs_up_without_a_reply_is_asked_again_with_each_attempt_only(
    autojump_clock, node, nursery
):
    asked = Asked(nursery, node, b"1", attempts=3)
    for number in (1, 2, 3):
        connection = await node.connection(number)
        assert trio.current_time() == pytest.approx(number - 1, abs=0.05)
        await connection.stream.aclose()
    assert await asked.reply() is None
    assert node.link.trouble == "connection closed"
    assert len(node.accepted) == 3


async def test_a_refused_connection_is_tried_again_with_the_next_attempt(autojump_clock, node, nursery):
    node.refusals = [REFUSED, REFUSED]
    asked = Asked(nursery, node, b"1")
    connection = await node.connection(1)
    assert trio.current_time() == pytest.approx(2, abs=0.05)
    assert node.link.trouble == ""
    await connection.reply(await connection.receive())
    assert await asked.reply()


async def test_a_node_that_is_not_there_is_named(autojump_clock, node, nursery):
    node.refusals = [REFUSED] * 3
    asked = Asked(nursery, node, b"1")
    assert await asked.reply() is None
    assert asked.at == pytest.approx(3)
    assert node.link.trouble == "Connection refused"


async def test_a_connection_that_stays_silent_is_given_up_and_others_that_wait_get_another(
    autojump_clock, node, nursery
):
    """The host at the other end may have vanished, and come back with no memory of the connection."""
    silent = Asked(nursery, node, b"1", attempts=1)
    connection = await node.connection(1)
    await trio.sleep(0.5)
    patient = Asked(nursery, node, b"2", attempts=1)
    await connection.receive(2)
    assert await silent.reply() is None
    connection = await node.connection(2)
    await connection.reply(await connection.receive())
    assert connection.cookies == [b"2"]
    assert await patient.reply()
    assert await node.accepted[0].is_closed()


async def test_a_connection_over_which_others_are_answered_is_kept(autojump_clock, node, nursery):
    silent = Asked(nursery, node, b"1", attempts=1)
    connection = await node.connection(1)
    Asked(nursery, node, b"2")
    await connection.receive(2)
    await connection.reply(b"2")
    assert await silent.reply() is None
    await connection.reply(b"1")
    last = Asked(nursery, node, b"3")
    await connection.reply(await connection.receive())
    assert await last.reply()
    assert node.link.pending.drops == {"unknown cookie": 1}


async def test_a_connection_that_never_comes_about_is_given_up(autojump_clock, node, nursery):
    hangs = trio.Event()
    connect, node.link._connect = node.link._connect, hangs.wait
    assert await Asked(nursery, node, b"1").reply() is None
    node.link._connect = connect
    await trio.sleep(100)
    assert node.accepted == [], "nobody has anything to ask"
    asked = Asked(nursery, node, b"2")
    connection = await node.connection(1)
    await connection.reply(await connection.receive())
    assert connection.cookies == [b"2"], "what was given up is not asked any more"
    assert await asked.reply()


async def test_what_is_no_reply_ends_the_connection_for_the_next_one_cannot_be_found(
    autojump_clock, node, nursery
):
    for octets in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"cookie d%d:" % (MAX_REPLY + 1)):
        before = len(node.accepted)
        asked = Asked(nursery, node, b"1", attempts=1)
        connection = await node.connection(before + 1)
        await connection.receive()
        await connection.stream.send_all(octets)
        assert await connection.is_closed()
        assert await asked.reply() is None
        assert node.link.trouble == "what came is no reply"
    assert node.link.pending.drops == {"malformed": 2}


async def test_closing_breaks_the_connection_off(autojump_clock, node, nursery):
    Asked(nursery, node, b"1")
    connection = await node.connection(1)
    await connection.receive()
    nursery.cancel_scope.cancel()
    node.link.close()
    node.link.close()
    with trio.CancelScope(shield=True):
        assert await connection.is_closed()
