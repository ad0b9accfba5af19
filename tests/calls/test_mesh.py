"""`mesh` and `inject`: legs that hear several others, each as RTP of its own."""

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.errors import InvalidParameters, InvalidSessionState, NotSupported, UnknownCall

from ..media.fakes import rtp
from .proxy import sdp
from .test_connect import created, hears
from .test_media import connected


async def conference(proxy, phones, count=3):
    """Place legs, each in a call of its own; return the phones and the ports that they send to."""
    people = [phones() for _ in range(count)]
    told = [await created(proxy, phone, f"call-{n}", f"leg-{n}") for n, phone in enumerate(people, 1)]
    return people, told


async def test_everybody_hears_everybody_else(proxy, phones, calls):
    people, told = await conference(proxy, phones)
    warnings = proxy.mesh(["call-1", "call-2", "call-3"])
    assert len(calls) == 1
    for number, (phone, port) in enumerate(zip(people, told, strict=True), 1):
        phone.say(rtp(1, ssrc=number), port)
        for other, its_port in zip(people, told, strict=True):
            if other is not phone:
                assert await other.hear(1) == [(rtp(1, ssrc=number), its_port)]
    assert all(phone.is_silent() for phone in people)
    (warning,) = warnings
    assert "'leg-1', 'leg-2', 'leg-3': mixing is not there yet" in warning


async def test_two_legs_make_no_crowd(proxy, phones):
    await conference(proxy, phones, 2)
    assert proxy.mesh("call-1,call-2") == ()


async def test_tags_say_who_is_heard_by_whom(proxy, phones):
    (one, two, three), told = await conference(proxy, phones)
    proxy.mesh(["call-1", "call-2", "call-3"], tags=[{"from": "leg-1", "to": ["leg-2", "leg-3"]}])
    one.say(rtp(1), told[0])
    assert hears(await two.hear(1)) == hears(await three.hear(1)) == [rtp(1)]
    two.say(rtp(2, ssrc=2), told[1])
    await wait_all_tasks_blocked()
    assert one.is_silent()
    assert three.is_silent()


async def test_whoever_comes_later_is_meshed_in_and_nobody_hears_twice(proxy, phones):
    (one, two, three), told = await conference(proxy, phones)
    proxy.mesh(["call-1", "call-2"])
    proxy.mesh(["call-1", "call-3"])
    one.say(rtp(1), told[0])
    assert hears(await two.hear(1)) == hears(await three.hear(1)) == [rtp(1)]
    assert two.is_silent()


async def test_a_recorder_hears_no_more_than_it_subscribed_to(proxy, phones):
    (one, two), told = await conference(proxy, phones, 2)
    recorder = phones()
    reply = proxy.subscribe(from_tag="leg-1", call_id="call-1")
    proxy.subscribe_answer(sdp(recorder.endpoint.port, direction="recvonly"), reply.to_tag)
    proxy.mesh(["call-1", "call-2"])
    two.say(rtp(1, ssrc=2), told[1])
    assert hears(await one.hear(1)) == [rtp(1, ssrc=2)]
    assert recorder.is_silent()


async def test_a_member_that_goes_leaves_the_others_in_the_mesh(proxy, phones, interfaces):
    (one, two, _), told = await conference(proxy, phones)
    proxy.mesh(["call-1", "call-2", "call-3"])
    proxy.delete("call-3", delete_delay=0)
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 4
    one.say(rtp(1), told[0])
    assert hears(await two.hear(1)) == [rtp(1)]


async def test_a_mesh_that_is_refused_changes_nothing(proxy, phones, calls):
    await conference(proxy, phones, 2)
    proxy.create(call_id="call-3", from_tag="leg-1")
    for call_ids, tags, error in (
        (["call-1", "nobody"], None, UnknownCall),
        (["call-1", "call-3"], None, InvalidSessionState),
        ([], None, InvalidParameters),
        (["call-1", "call-2"], [{"from": "leg-1", "to": ["nobody"]}], InvalidSessionState),
        (["call-1", "call-2"], [{"from": "leg-1", "to": ["leg-1"]}], InvalidSessionState),
        (["call-1", "call-2"], [{"to": ["leg-1"]}], InvalidParameters),
        (["call-1", "call-2"], [{"from": "leg-1", "to": 5}], InvalidParameters),
        (["call-1", "call-2"], ["leg-1"], InvalidParameters),
    ):
        with pytest.raises(error):
            proxy.mesh(call_ids, tags=tags)
    assert len(calls) == 3


async def test_what_is_injected_is_heard_beside_the_peer_until_it_is_stopped(proxy, phones):
    alice, bob, announcer = phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    port = await created(proxy, announcer, "call-2", "announcer")
    (warning,) = proxy.inject("announcer", "alice", source_call_id="call-2")
    assert "'alice': mixing is not there yet" in warning
    announcer.say(rtp(1, ssrc=7), port)
    bob.say(rtp(2, ssrc=9), for_bob)
    assert sorted(await alice.hear(2)) == [(rtp(1, ssrc=7), for_alice), (rtp(2, ssrc=9), for_alice)]
    proxy.inject("announcer", "alice", stop=True)
    announcer.say(rtp(3, ssrc=7), port)
    bob.say(rtp(4, ssrc=9), for_bob)
    await wait_all_tasks_blocked()
    assert hears(await alice.hear(1)) == [rtp(4, ssrc=9)]
    assert bob.is_silent()
    assert announcer.is_silent()


async def test_an_injection_that_is_refused_changes_nothing(proxy, phones, calls):
    await connected(proxy, phones(), phones())
    proxy.create(call_id="call-2", from_tag="g722", medias=[{"codecs": ["G722"]}])
    proxy.create_answer(sdp(6000).replace("AVP 0 8", "AVP 9"), call_id="call-2", from_tag="g722")
    for source, to_tag, keys, error in (
        ("bob", "alice", {}, InvalidSessionState),
        ("alice", "alice", {}, InvalidSessionState),
        ("nobody", "alice", {}, InvalidSessionState),
        ("bob", "nobody", {}, InvalidSessionState),
        ("bob", "alice", {"stop": True}, InvalidSessionState),
        ("g722", "alice", {"source_call_id": "call-9"}, UnknownCall),
        ("g722", "alice", {"source_call_id": "call-2"}, NotSupported),
    ):
        with pytest.raises(error):
            proxy.inject(source, to_tag, **keys)
    assert len(calls) == 2
