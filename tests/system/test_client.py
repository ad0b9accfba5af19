"""The client, and the commands that use it, against the real daemon over TCP and over UDP."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve

from karl_trio.client import NgClient, NodeState, NoNodeAnswered
from karl_trio.config import Settings
from karl_trio.server import app

from ..security.hosts import sdp

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    listen_tcp_ng=("127.0.0.1:0",),
    interface=("127.0.0.1",),
    port_min=25000,
    port_max=25699,
)

MANY_MEDIA = sdp("127.0.1.1", 4000) + "m=audio 4000 RTP/AVP 0\r\n" * 60


def tcp(served):
    return f"tcp://{served.listeners.tcp_ng[0].endpoint}"


def udp(served):
    return str(served.ng_addresses[0])


@asynccontextmanager
async def running(settings):
    """A daemon, as long as the block is in progress."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(app.serve, settings)
        nursery.cancel_scope.cancel()


async def command(*words):
    """Run `karl-trio` and return its exit status, its standard output and its standard error."""
    done = await trio.run_process(
        [sys.executable, "-m", "karl_trio", *words], capture_stdout=True, capture_stderr=True, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
async def served(nursery):
    return await nursery.start(app.serve, SETTINGS)


async def test_a_reply_that_is_cut_short_over_udp_is_whole_over_tcp(served):
    async with NgClient([tcp(served)]) as client:
        await client.offer("call", "alice", MANY_MEDIA)
        await client.answer("call", "alice", "bob", MANY_MEDIA)
        whole = await client.query("call")
    async with NgClient([udp(served)]) as client:
        cut_short = await client.query("call")
    assert cut_short["truncated"] == "details"
    assert "truncated" not in whole
    figures = [leg["medias"][60]["streams"][0]["stats"] for leg in whole["tags"].values()]
    assert figures == [{"packets": 0, "bytes": 0, "errors": 0}] * 2


async def test_the_commands_take_either_address(served):
    async with NgClient([udp(served)]) as client:
        await client.offer("call", "alice", MANY_MEDIA)
        await client.answer("call", "alice", "bob", MANY_MEDIA)
    status, out, err = await command("query", "call", "--json", "--node", tcp(served))
    assert (status, err) == (0, "")
    assert len(json.loads(out)["tags"]["alice"]["medias"]) == 61
    status, out, err = await command("query", "call", "--json", "--node", udp(served))
    assert (status, json.loads(out)["truncated"]) == (0, "details")
    assert err == "karl-trio: the node left out details, for its reply to fit into one packet\n"
    status, out, _ = await command("ping", "--node", tcp(served), "--node", udp(served))
    assert (status, out.count(": pong in ")) == (0, 2)


async def test_many_requests_at_once_go_over_one_connection(served):
    async with NgClient([tcp(served)]) as client, trio.open_nursery() as asking:
        for number in range(50):
            asking.start_soon(client.offer, f"call-{number}", "alice", sdp("127.0.1.1", 4000))
        while len(served.calls) < 50:
            await trio.sleep(0.01)
        assert served.daemon.counters.connections == 1


async def test_a_node_that_was_restarted_is_asked_over_a_new_connection():
    async with running(SETTINGS) as node:
        address = node.listeners.tcp_ng[0].endpoint
    there_again = evolve(SETTINGS, listen_tcp_ng=(str(address),))
    async with NgClient([f"tcp://{address}"], attempts=1, wait=2.0) as client:
        for _ in range(3):
            async with running(there_again):
                await client.ping()


async def test_when_one_node_is_down_the_next_one_is_asked_whatever_it_speaks(served):
    async with running(SETTINGS) as gone:
        down = tcp(gone)
    async with NgClient([down, udp(served)], attempts=1, wait=0.1) as client:
        await client.offer("call", "alice", MANY_MEDIA)
        assert [node.state for node in client.nodes] == [NodeState.FAILED, NodeState.UP]
    async with NgClient([down], attempts=1, wait=0.1) as client:
        with pytest.raises(NoNodeAnswered, match=f"{down}: Connection refused"):
            await client.ping()
