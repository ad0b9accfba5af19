"""A21: offers that nobody means to answer, until the ports are gone."""

import pytest
import trio

from karl_trio.client import NgClient, RequestFailed
from karl_trio.config import Settings

from .conftest import SETTINGS
from .hosts import begin, sdp

OFFER_TIMEOUT = 30.0
PORTS_OF_A_CALL = 4
OFFERS = 300


@pytest.fixture
async def daemon(start):
    return await start(offer_timeout=OFFER_TIMEOUT)


async def flood(client):
    """Send offers under new call-ids; return how each was received."""
    refusals = []
    for number in range(OFFERS):
        try:
            await client.offer(f"flood-{number}", "mallory", sdp("127.0.66.6", 4000), supports=[])
        except RequestFailed as error:
            refusals.append(error.reason)
    return refusals


async def test_unanswered_offers_take_no_more_than_there_is_and_give_it_back(
    autojump_clock, daemon, client, alice, bob
):
    talk = await begin(daemon, client, alice, bob)
    (pool,) = daemon.calls.interfaces.pools
    room = pool.size // PORTS_OF_A_CALL - 1
    await trio.testing.wait_all_tasks_blocked()
    tasks = trio.lowlevel.current_statistics().tasks_living
    refusals = await flood(client)
    assert refusals == ["Port allocation failed"] * (OFFERS - room)
    assert pool.in_use == pool.size
    assert len(daemon.calls) == room + 1
    # Two tasks for each call that was let in, and one for each of its streams.
    assert trio.lowlevel.current_statistics().tasks_living <= tasks + room * (2 + PORTS_OF_A_CALL)
    assert await talk.is_intact()
    await trio.sleep(OFFER_TIMEOUT + 2)
    assert len(daemon.calls) == 1
    assert pool.in_use == PORTS_OF_A_CALL
    assert await talk.is_intact()
    await client.offer("call-2", "alice", sdp(alice.address, alice.port))


async def test_with_a_limit_of_sessions_ports_remain_for_the_calls_that_there_are(
    autojump_clock, start, alice, bob
):
    daemon = await start(max_sessions=2)
    async with NgClient(daemon.ng_addresses) as client:
        talk = await begin(daemon, client, alice, bob)
        assert await flood(client) == ["Session limit reached"] * (OFFERS - 1)
        assert len(daemon.calls) == 2
        moved = sdp(alice.address, 4002)
        await client.offer("call-1", "alice", moved)
        assert daemon.calls.find("call-1") is talk.call


async def test_one_offer_cannot_take_all_ports(autojump_clock, start):
    """An offer is served as a whole or not at all."""
    daemon = await start(port_max=SETTINGS.port_min + 15)
    (pool,) = daemon.calls.interfaces.pools
    async with NgClient(daemon.ng_addresses) as client:
        greedy = sdp("127.0.66.6", 4000) + "m=audio 4000 RTP/AVP 0\r\n" * 60
        with pytest.raises(RequestFailed) as caught:
            await client.offer("greedy", "mallory", greedy, supports=[])
        assert caught.value.reason == "Port allocation failed"
        assert (pool.in_use, len(daemon.calls)) == (0, 0)


def test_by_default_an_offer_does_not_wait_for_ever():
    assert Settings().offer_timeout > 0
