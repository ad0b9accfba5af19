"""Listeners that come and go, and commands that are refused, while the kernel relays a call under load."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from karl_trio.cli.synthetic import destination_in
from karl_trio.client import RequestFailed

from .kernel_calls import OTHER_PHONES, Phone, Talk, opened, talking, until

REFUSED = [
    {"command": "start recording"},
    {"command": "pause recording"},
    {"command": "stop recording"},
    {"command": "play DTMF", "dtmf": "1"},
    {"command": "play media", "file": "/nowhere.wav"},
    {"command": "subscribe request", "flags": ["mix"]},
    {"command": "subscribe answer", "to-tag": "nobody", "sdp": "v=0\r\n"},
    {"command": "unsubscribe", "to-tag": "nobody"},
]


@pytest.fixture
def recorder(phones):
    phone = Phone.open(phones, OTHER_PHONES[4], 0xEC)
    yield phone
    phone.socket.close()


async def listens(talk, recorder):
    """Let a recorder hear Alice from now on; return where her packets come to it from."""
    offered = await talk.ask("subscribe request", **{"to-tag": "recorder", "interface": "far"})
    answer = f"{recorder.sdp}a=recvonly\r\n"
    await talk.ask("subscribe answer", **{"to-tag": "recorder", "sdp": answer})
    return destination_in(offered["sdp"]).rtp


def nothing_is_lost_or_doubled(talk):
    assert talk.bob.heard == talk.alice.said
    assert talk.alice.heard == talk.bob.said


async def test_a_listener_hears_each_packet_once_from_its_answer_until_it_goes(client, phones, recorder):
    random = Random(3)
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            for _ in range(4):
                await until(talk.is_promoted, within=4.0)
                await trio.sleep(random.uniform(0.0, 0.3))
                recorder.heard.clear()
                before = len(alice.said)
                await listens(talk, recorder)
                joined = len(alice.said)
                streams = await talk.streams()
                assert ["kernelized" in stream["flags"] for stream in streams] == [False, True]
                await trio.sleep(random.uniform(0.1, 0.5))
                left = len(alice.said)
                await talk.ask("unsubscribe", **{"to-tag": "recorder"})
                after = len(alice.said)
                recorder.listen()
                first, last = recorder.heard[0], recorder.heard[-1]
                assert recorder.heard == list(range(first, last + 1)), "lost, doubled or out of order"
                # A few packets may be waiting in the socket while the daemon deals with the request.
                assert before < first <= joined + 1
                assert left - 3 <= last <= after
        nothing_is_lost_or_doubled(talk)


async def test_listeners_who_come_and_go_during_re_invites_and_blocks_disturb_nobody(
    client, phones, recorder
):
    random = Random(4)
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        leave = partial(talk.ask, "unsubscribe", **{"to-tag": "recorder"})
        async with talking(talk):
            await until(talk.is_promoted)
            for _ in range(6):
                for step in (partial(listens, talk, recorder), talk.offer, leave, talk.offer):
                    await step()
                    await trio.sleep(random.uniform(0.0, 0.15))
            await until(talk.is_promoted, within=4.0)
        recorder.listen()
        nothing_is_lost_or_doubled(talk)
        assert recorder.heard == sorted(set(recorder.heard))
        assert set(recorder.heard) < set(alice.said)


async def test_what_is_refused_leaves_the_call_on_its_road(client, phones):
    random = Random(5)
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            for _ in range(2):
                for request in random.sample(REFUSED, len(REFUSED)):
                    await trio.sleep(random.uniform(0.0, 0.1))
                    with pytest.raises(RequestFailed):
                        await talk.ask(**request)
                    assert await talk.is_promoted()
        nothing_is_lost_or_doubled(talk)
