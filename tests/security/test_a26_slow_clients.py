"""A26: clients that connect and say nothing, or half of something, or do not read what they are told."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.server.hangup import Reason
from karl_trio.server.http import HEAD_WITHIN, KEEP_ALIVE
from karl_trio.server.outbox import SEND_WITHIN
from karl_trio.server.streams import MAX_CONNECTIONS
from karl_trio.server.tcp import IDLE, MESSAGE_WITHIN

from .hosts import begin

CONNECTIONS = 1000

REQUESTS = 6000
"""More than the kernel holds the replies of."""


@pytest.fixture
async def daemon(start):
    return await start(listen_tcp_ng=("127.0.0.1:0",), listen_http=("127.0.0.1:0",))


@pytest.fixture
def connect():
    """Open connections, from an address that is allowed, as fast as the daemon accepts them."""
    opened = []

    async def connect(listener, count=1, octets=b""):
        for _ in range(count):
            client = socket.create_connection(listener.endpoint.sockaddr)
            client.setblocking(False)
            client.send(octets)
            opened.append(client)
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        return opened[-count:]

    yield connect
    for client in opened:
        client.close()


class Steps(trio.abc.Instrument):
    """Counts the turns that tasks get."""

    def __init__(self):
        self.count = 0

    def before_task_step(self, task):
        self.count += 1


async def steps_of_a_chat(talk):
    """How often any task gets a turn while the phones talk, and whether they hear each other."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    for _ in range(20):
        assert await talk.is_intact()
    trio.lowlevel.remove_instrument(steps)
    return steps.count


async def test_media_does_not_notice_a_thousand_idle_connections(
    autojump_clock, daemon, client, alice, bob, connect
):
    """What makes media wait is other tasks that get a turn before the poller does."""
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(1)
    before = await steps_of_a_chat(talk)
    await connect(daemon.listeners.tcp_ng[0], CONNECTIONS)
    assert daemon.daemon.counters.connections == CONNECTIONS
    assert await steps_of_a_chat(talk) == pytest.approx(before, rel=0.1)


@pytest.mark.parametrize(
    ("transport", "octets", "patience", "reason"),
    [
        ("tcp_ng", b"", IDLE, Reason.IDLE),
        ("tcp_ng", b"c1 d7:comm", MESSAGE_WITHIN, Reason.SLOW_REQUEST),
        ("http", b"", KEEP_ALIVE, Reason.IDLE),
        ("http", b"POST /ng HTTP/1.1\r\nHost:", HEAD_WITHIN, Reason.SLOW_REQUEST),
    ],
    ids=["idle TCP", "half a request", "idle HTTP", "half a head"],
)
async def test_clients_that_hold_connections_lose_them(
    autojump_clock, daemon, connect, transport, octets, patience, reason
):
    (listener,) = getattr(daemon.listeners, transport)
    counters = daemon.daemon.counters
    await connect(listener, 50, octets)
    assert counters.connections == 50
    await trio.sleep(patience + 5)
    assert counters.connections == 0
    assert counters.hangups == {reason: 50}


async def test_beyond_the_most_connections_there_are_no_more(autojump_clock, daemon, connect, client):
    (listener,) = daemon.listeners.tcp_ng
    await connect(listener, MAX_CONNECTIONS + 20)
    assert daemon.daemon.counters.connections == MAX_CONNECTIONS
    assert daemon.daemon.counters.hangups == {Reason.TOO_MANY: 20}
    # Other transports have their own.
    await client.ping()
    (one,) = await connect(daemon.listeners.http[0], 1, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert one.recv(1000).endswith(b"pong\n")


async def test_a_client_that_never_reads_is_answered_no_further(
    autojump_clock, daemon, client, alice, bob, connect
):
    """What waits for it is bounded: what the kernel holds, and a little more."""
    talk = await begin(daemon, client, alice, bob)
    (greedy,) = await connect(daemon.listeners.tcp_ng[0])
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = b"c%d d7:call-id6:call-17:command5:querye"
    for number in range(REQUESTS):
        greedy.send(request % number)
    await wait_all_tasks_blocked()
    queries = daemon.daemon.counters.tally("127.0.0.1", "query")
    assert 0 < queries.count < REQUESTS
    assert await talk.is_intact()
    await trio.sleep(SEND_WITHIN + 1)
    assert daemon.daemon.counters.hangups == {Reason.SLOW_READER: 1}
    assert daemon.daemon.counters.connections == 0
    assert await talk.is_intact()
