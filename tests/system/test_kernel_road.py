"""Calls through the real daemon between two hosts, each a network namespace, relayed by the kernel."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from random import Random

import pytest
import trio
from attrs import evolve

from karl_trio.client import NgClient
from karl_trio.server import app

from ..networks import Network
from .kernel_calls import OTHER_PHONES, PHONES, SETTINGS, Talk, daemon_process, gaps, opened, talking, until


@pytest.mark.parametrize(
    ("versions", "sides", "direction"),
    [
        ((4, 4), (PHONES, OTHER_PHONES), ("near", "far")),
        ((6, 6), (PHONES, OTHER_PHONES), ("near", "far")),
        ((4, 6), (PHONES, OTHER_PHONES), ("near", "far")),
        ((6, 4), (PHONES, OTHER_PHONES), ("near", "far")),
        ((4, 4), (PHONES, PHONES), ("near", "near")),
    ],
)
async def test_a_call_is_promoted_within_two_seconds_and_nothing_is_lost_or_counted_twice(
    client, phones, versions, sides, direction
):
    with opened(phones, versions, sides=sides) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, direction)
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted, within=2.0)
            await trio.sleep(1.2)
        assert alice.heard == bob.said
        assert bob.heard == alice.said
        for stream, near, far in zip(await talk.streams(), (alice, bob), (bob, alice), strict=True):
            assert stream["stats"] == {"packets": len(near.said), "bytes": 172 * len(near.said), "errors": 0}
            assert stream["stats_out"]["packets"] == len(far.said)
            assert stream["last kernel packet"] == stream["last packet"]
            assert stream["last user packet"] < stream["last packet"]
        assert await talk.is_promoted()
        relayed = (await client.query("call-1"))["SSRC"]
        assert {source: (of["packets"], of["lost"]) for source, of in relayed.items()} == {
            str(phone.ssrc): (len(phone.said), 0) for phone in (alice, bob)
        }
        # Half of the time, at most, was in userspace.
        (stream,) = [it for it in client.calls.find("call-1").streams if it.port.endpoint == alice.towards]
        assert stream.tally_kernel > 0.4 * stream.tally
        await until(partial(sees_kernel_packets, client))


async def sees_kernel_packets(client):
    figures = await client.statistics()
    current, total = figures["currentstatistics"], figures["totalstatistics"]
    assert total["relayedpackets"] == total["relayedpackets_kernel"] + total["relayedpackets_user"]
    return current["media_kernel"] == 2 and total["relayedpackets_kernel"] > total["relayedpackets_user"]


async def test_re_invites_at_any_moment_lose_and_double_nothing(client, phones):
    random = Random(1)
    with opened(phones, (4, 4)) as first, opened(phones, (6, 4), ssrc=0xB0B) as second:
        talks = [
            Talk(client, f"call-{number}", *pair, ("near", "far"))
            for number, pair in enumerate((first, second))
        ]
        for talk in talks:
            await talk.begin()
        async with talking(*talks):
            for talk in talks:
                await until(talk.is_promoted)
            for _ in range(8):
                await trio.sleep(random.uniform(0.05, 0.6))
                await random.choice(talks).offer()
            for talk in talks:
                await until(talk.is_promoted)
        for talk in talks:
            assert talk.alice.heard == talk.bob.said
            assert talk.bob.heard == talk.alice.said


async def test_what_is_blocked_or_held_stops_at_once_and_goes_on_without_a_loss(client, phones):
    """Each interruption is one gap; at its edges nothing is lost, doubled or out of order."""
    random = Random(2)
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            for interrupt, resume in (
                (partial(talk.ask, "block media"), partial(talk.ask, "unblock media")),
                (partial(talk.offer, alice.sdp + "a=inactive\r\n"), talk.offer),
                (partial(talk.ask, "block media"), partial(talk.ask, "unblock media")),
            ):
                await until(talk.is_promoted, within=4.0)
                await trio.sleep(random.uniform(0.0, 0.3))
                await interrupt()
                bob.listen()
                heard = len(bob.heard)
                await trio.sleep(0.2)
                assert len(bob.heard) == heard, "media went on although it was stopped"
                await resume()
                await trio.sleep(0.1)
                assert len(bob.heard) > heard
        assert bob.heard == sorted(set(bob.heard)), "doubled, or out of order"
        assert gaps(alice.said, bob.heard) == 3
        assert alice.heard == sorted(set(alice.heard))
        assert gaps(bob.said, alice.heard) == 3


async def test_a_deleted_call_stops_at_once_and_its_last_figures_are_whole(client, phones):
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            await trio.sleep(0.3)
            told = await client.delete("call-1", "alice")
            bob.listen()
            heard = len(bob.heard)
            await trio.sleep(0.2)
        assert bob.heard == alice.said[:heard]
        received = told.reply["totals"]["packets-received"]
        assert received == pytest.approx(len(alice.heard) + len(bob.heard), abs=2)


async def test_a_phone_that_moves_is_followed(client, phones):
    with opened(phones, (4, 4)) as (alice, bob), opened(phones, (4, 4)) as (elsewhere, _):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
        elsewhere.said = alice.said
        talk.alice = elsewhere
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            await trio.sleep(0.2)
        assert bob.heard == elsewhere.said
        assert elsewhere.heard == bob.said[-len(elsewhere.heard) :]
        assert alice.heard == bob.said[: -len(elsewhere.heard)]


async def test_when_the_route_changes_packets_take_the_new_one(client, phones):
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            Network._ip("link", "set", "far", "mtu", "1300")
            await trio.sleep(0.3)
            assert not await talk.is_promoted()
            await until(talk.is_promoted)
        assert bob.heard == alice.said
        assert alice.heard == bob.said


async def test_two_daemons_on_one_host_each_relay_their_own_calls(client, phones, nursery):
    other = await nursery.start(app.serve, evolve(SETTINGS, port_min=31000, port_max=31099))
    async with NgClient(other.ng_addresses) as other_client:
        with opened(phones, (4, 4)) as first, opened(phones, (4, 4), ssrc=0xB0B) as second:
            talks = [
                Talk(client, "call-1", *first, ("near", "far")),
                Talk(other_client, "call-1", *second, ("near", "far")),
            ]
            for talk in talks:
                await talk.begin()
            async with talking(*talks):
                for talk in talks:
                    await until(talk.is_promoted)
                await trio.sleep(0.3)
            for talk in talks:
                assert talk.alice.heard == talk.bob.said
                assert talk.bob.heard == talk.alice.said


@pytest.mark.kernel_has("tcx")
async def test_a_daemon_that_is_killed_leaves_nothing_behind(phones):
    with opened(phones, (4, 4)) as (alice, bob):
        async with daemon_process("--kernel-forwarding", "require") as (process, client):
            talk = Talk(client, "call-1", alice, bob, ("near", "far"))
            await talk.begin()
            async with talking(talk):
                await until(talk.is_promoted)
                await trio.sleep(0.2)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                await trio.sleep(0.1)
                bob.listen()
                heard = len(bob.heard)
                await trio.sleep(0.3)
            assert bob.heard == alice.said[:heard], "somebody still relays, or something was lost before"


async def test_without_the_right_to_it_the_same_calls_work_in_userspace(phones):
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (Debian: util-linux)")
    with opened(phones, (4, 4)) as (alice, bob):
        unprivileged = (setpriv, "--bounding-set=-all", "--inh-caps=-all")
        async with daemon_process(command=unprivileged) as (_, client):
            talk = Talk(client, "call-1", alice, bob, ("near", "far"))
            await talk.begin()
            async with talking(talk):
                await trio.sleep(2.2)
                assert not await talk.is_promoted()
            assert bob.heard == alice.said
            assert alice.heard == bob.said
