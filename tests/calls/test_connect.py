"""`connect`: legs that hear each other without an offer and an answer, also from two calls made one."""

import gc
import weakref

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls import timeouts
from karl_trio.calls.call import MAX_LEGS, EndReason
from karl_trio.calls.statistics import list_reply, statistics_reply
from karl_trio.errors import InvalidParameters, InvalidSessionState, NotSupported, UnknownCall
from karl_trio.sdp.description import parse

from ..media.fakes import rtp
from .proxy import ports, sdp
from .test_media import connected


async def two_calls(proxy, phones):
    """Alice talks to Bob, Carol to Dave; return the phones and the ports that they send to."""
    people = [phones() for _ in range(4)]
    alice, bob, carol, dave = people
    for_alice, for_bob = await connected(proxy, alice, bob)
    (for_dave,) = ports(proxy.offer(sdp(carol.endpoint.port), call_id="call-2", from_tag="carol"))
    (for_carol,) = ports(
        proxy.answer(sdp(dave.endpoint.port), call_id="call-2", from_tag="carol", to_tag="dave")
    )
    await wait_all_tasks_blocked()
    return people, (for_alice, for_bob, for_carol, for_dave)


async def created(proxy, phone, call_id, tag):
    """Place a leg by `create`; return the port that it sends to."""
    (port,) = ports(parse(proxy.create(call_id=call_id, from_tag=tag).sdp))
    proxy.create_answer(sdp(phone.endpoint.port), call_id=call_id, from_tag=tag)
    await wait_all_tasks_blocked()
    return port


def hears(datagrams):
    return [datagram for datagram, _ in datagrams]


async def test_two_legs_of_two_calls_talk_and_their_old_peers_hear_nothing(proxy, phones, calls, interfaces):
    (alice, bob, carol, dave), (for_alice, for_bob, for_carol, for_dave) = await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    await wait_all_tasks_blocked()
    for leg in proxy.call("call-2").legs:
        assert all(face.peer is None or face.peer in leg.peers for face in leg.media[0].faces)
    alice.say(rtp(1), for_alice)
    carol.say(rtp(2, ssrc=3), for_carol)
    bob.say(rtp(3, ssrc=4), for_bob)
    dave.say(rtp(4, ssrc=5), for_dave)
    assert await carol.hear(1) == [(rtp(1), for_carol)]
    assert await alice.hear(1) == [(rtp(2, ssrc=3), for_alice)]
    with trio.fail_after(5):
        while sum(stream.packets for stream in proxy.call().streams) < 4:
            await trio.sleep(0.001)
    assert all(phone.is_silent() for phone in (alice, bob, carol, dave))
    assert interfaces.pools[0].in_use == 8


async def test_both_call_ids_mean_the_one_call_and_list_shows_both(proxy, phones, calls):
    await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    assert proxy.call("call-1") is proxy.call("call-2")
    assert len(calls) == 1
    reply = list_reply(calls, 32)
    assert reply["call-ids"] == ["call-1", "call-2"]
    assert [entry["from-tag"] for entry in reply["calls"]] == ["alice", "carol"]
    assert list_reply(calls, 1)["call-ids"] == ["call-1"]
    assert statistics_reply(calls, 1.0)["sessions"] == 1
    assert set(proxy.query("call-2")["tags"]) == {"alice", "bob", "carol", "dave"}
    assert proxy.query("call-2")["tags"]["alice"]["subscriptions"] == [
        {"tag": "carol", "type": "offer/answer"}
    ]


async def test_delete_of_one_call_id_removes_only_its_legs(proxy, phones, calls, interfaces):
    (alice, _, carol, _), (for_alice, _, _, _) = await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    proxy.delete("call-2", delete_delay=0)
    await wait_all_tasks_blocked()
    assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob"]
    assert calls.get("call-2") is None
    assert interfaces.pools[0].in_use == 4
    alice.say(rtp(1), for_alice)
    await wait_all_tasks_blocked()
    assert carol.is_silent()


async def test_the_first_call_id_may_go_before_the_other_and_be_used_again(proxy, phones, calls, interfaces):
    await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    proxy.delete("call-1", delete_delay=0)
    assert calls.get("call-1") is None
    assert [leg.tag for leg in proxy.call("call-2").legs] == ["carol", "dave"]
    proxy.offer(sdp(4000))
    assert proxy.call("call-1") is not proxy.call("call-2")
    proxy.delete("call-2", delete_delay=0)
    proxy.delete("call-1", delete_delay=0)
    await wait_all_tasks_blocked()
    assert (len(calls), interfaces.pools[0].in_use, len(calls.poller)) == (0, 0, 0)
    assert calls.totals.ended[EndReason.REGULAR] == 2


async def test_a_merged_call_ends_as_a_whole_and_is_counted_once(proxy, phones, calls, interfaces):
    await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    calls.end(proxy.call("call-2"), EndReason.FORCED, now=trio.current_time())
    await wait_all_tasks_blocked()
    assert (len(calls), interfaces.pools[0].in_use, len(calls.poller)) == (0, 0, 0)
    assert calls.get("call-1") is calls.get("call-2") is None
    assert calls.totals.managed == 1


async def test_a_fault_in_a_relay_of_the_absorbed_call_ends_the_merged_one(proxy, phones, calls, caplog):
    (_, _, carol, _), (_, _, for_carol, _) = await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")

    class Faulty:
        def send(self, datagram):
            raise RuntimeError("a bug in a sink")

    proxy.call().find_leg("carol").media[0].faces[0].rtp.sinks = (Faulty(),)
    carol.say(rtp(1), for_carol)
    with trio.fail_after(5):
        while len(calls):
            await trio.sleep(0.001)
    assert "a bug in a sink" in caplog.text
    assert calls.totals.ended[EndReason.FAILED] == 1


async def test_a_call_that_is_absorbed_during_a_sweep_is_not_reaped_with_it(
    autojump_clock, proxy, phones, calls, interfaces, monkeypatch
):
    calls.settings = evolve(calls.settings, offer_timeout=10)
    await two_calls(proxy, phones)
    absorbed = proxy.call("call-2")
    check = timeouts._check

    def check_and_merge(table, call, now):
        check(table, call, now)
        if absorbed.absorbed_by is None:
            proxy.connect("carol", from_tag="alice", to_call_id="call-2")

    monkeypatch.setattr(timeouts, "_check", check_and_merge)
    await trio.sleep(30)
    await timeouts.sweep(calls)
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == len(calls.poller) == 8
    assert list(absorbed.relayed) == []


async def test_calls_merge_one_after_the_other(proxy, phones, calls, interfaces):
    people = [phones() for _ in range(3)]
    told = [
        await created(proxy, phone, f"call-{number}", f"leg-{number}")
        for number, phone in enumerate(people, 1)
    ]
    proxy.connect("leg-3", call_id="call-2", from_tag="leg-2", to_call_id="call-3", flags=["directional"])
    proxy.connect("leg-2", call_id="call-1", from_tag="leg-1", to_call_id="call-2")
    assert list(proxy.call("call-3").call_ids) == ["call-1", "call-2", "call-3"]
    people[1].say(rtp(1), told[1])
    assert await people[0].hear(1) == [(rtp(1), told[0])]
    assert await people[2].hear(1) == [(rtp(1), told[2])]
    people[0].say(rtp(2), told[0])
    assert hears(await people[1].hear(1)) == [rtp(2)]
    assert people[2].is_silent()
    proxy.delete("call-3", from_tag="leg-3")
    assert list(proxy.call("call-1").call_ids) == ["call-1", "call-2"]
    proxy.delete("call-1", from_tag="leg-1", delete_delay=0)
    await wait_all_tasks_blocked()
    assert (len(calls), interfaces.pools[0].in_use, len(calls.poller)) == (0, 0, 0)


async def test_calls_merged_before_their_tasks_have_begun_are_relayed_once(proxy, phones, calls):
    one, two = phones(), phones()
    (for_one,) = ports(parse(proxy.create(call_id="call-1", from_tag="one").sdp))
    proxy.create_answer(sdp(one.endpoint.port), from_tag="one")
    proxy.create(call_id="call-2", from_tag="two")
    proxy.create_answer(sdp(two.endpoint.port), call_id="call-2", from_tag="two")
    proxy.connect("two", from_tag="one", to_call_id="call-2")
    await wait_all_tasks_blocked()
    assert len(calls.poller) == len(list(proxy.call().relayed)) == 4
    one.say(rtp(1), for_one)
    assert hears(await two.hear(1)) == [rtp(1)]


async def test_directional_lets_a_leg_hear_more_and_keeps_its_peer(proxy, phones):
    alice, bob, guest = phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    for_guest = await created(proxy, guest, "call-1", "guest")
    proxy.connect("guest", from_tag="alice", flags=["directional"])
    alice.say(rtp(1), for_alice)
    guest.say(rtp(2, ssrc=3), for_guest)
    assert await guest.hear(1) == [(rtp(1), for_guest)]
    assert hears(await bob.hear(1)) == [rtp(1)]
    proxy.connect("guest", from_tag="bob", flags=["bidirectional"])
    guest.say(rtp(3, ssrc=3), for_guest)
    assert await bob.hear(1) == [(rtp(3, ssrc=3), for_bob)]
    bob.say(rtp(4, ssrc=4), for_bob)
    assert hears(await guest.hear(1)) == [rtp(4, ssrc=4)]
    assert hears(await alice.hear(1)) == [rtp(4, ssrc=4)]
    assert alice.is_silent()


async def test_who_talks_to_somebody_is_not_made_a_mere_listener(proxy, phones):
    alice, bob, guest = phones(), phones(), phones()
    await connected(proxy, alice, bob)
    await created(proxy, guest, "call-1", "guest")
    proxy.connect("bob", from_tag="guest", flags=["directional"])
    with pytest.raises(InvalidSessionState):
        proxy.subscribe(from_tag="guest", to_tag="bob")
    reply = proxy.subscribe(from_tag="bob", to_tag="recorder")
    proxy.connect("recorder", from_tag="guest", flags=["directional"])
    assert len(proxy.subscribe(from_tags=["bob", "guest"], to_tag=reply.to_tag).sources) == 2


async def test_after_connecting_a_reoffer_reaches_the_new_peer_at_the_same_ports(proxy, phones):
    (alice, _, carol, _), (for_alice, _, for_carol, _) = await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    offered = proxy.offer(sdp(alice.endpoint.port), from_tag="alice", to_tag="carol")
    assert ports(offered) == [for_carol]
    answered = proxy.answer(sdp(carol.endpoint.port), from_tag="alice", to_tag="carol")
    assert ports(answered) == [for_alice]


async def test_what_is_refused_changes_nothing(proxy, phones, calls):
    await two_calls(proxy, phones)
    proxy.create(call_id="call-3", from_tag="alice")
    proxy.create(call_id="call-4", from_tag="g722", medias=[{"codecs": ["G722"]}])
    proxy.create_answer(sdp(6000).replace("AVP 0 8", "AVP 9"), call_id="call-4", from_tag="g722")
    proxy.create(call_id="call-5", from_tag="video", medias=[{"type": "video", "codecs": ["VP8"]}])
    video = (
        sdp(6000, kind="video")
        .replace("AVP 0 8", "AVP 96")
        .replace("rtpmap:0 PCMU/8000", "rtpmap:96 VP8/90000")
    )
    proxy.create_answer(video, call_id="call-5", from_tag="video")
    for to_tag, keys, error in (
        ("carol", {"from_tag": "alice", "to_call_id": "call-9"}, UnknownCall),
        ("carol", {"from_tag": "alice"}, InvalidSessionState),
        ("carol", {"to_call_id": "call-2"}, InvalidParameters),
        ("alice", {"from_tag": "alice"}, InvalidSessionState),
        ("alice", {"from_tag": "bob", "to_call_id": "call-3"}, InvalidSessionState),
        ("carol", {"from_tags": ["alice", "bob"], "to_call_id": "call-2"}, InvalidParameters),
        ("g722", {"from_tag": "alice", "to_call_id": "call-4"}, NotSupported),
        ("video", {"from_tag": "alice", "to_call_id": "call-5"}, InvalidSessionState),
    ):
        with pytest.raises(error):
            proxy.connect(to_tag, **keys)
    assert len(calls) == 5
    assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob"]


async def test_merging_makes_no_call_with_too_many_legs(proxy):
    for number in range(MAX_LEGS):
        proxy.create(call_id="call-1", from_tag=f"leg-{number}")
    proxy.create(call_id="call-2", from_tag="one-more")
    with pytest.raises(InvalidSessionState):
        proxy.connect("one-more", from_tag="leg-0", to_call_id="call-2")


async def test_a_merged_call_leaves_nothing_for_the_garbage_collector(proxy, phones):
    (alice, _, carol, _), (for_alice, _, _, _) = await two_calls(proxy, phones)
    absorbed = proxy.call("call-2")
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    alice.say(rtp(1), for_alice)
    await carol.hear(1)
    call = proxy.call()
    remains = [weakref.ref(thing) for thing in (absorbed, call, *call.legs, *call.streams)]
    del absorbed, call
    gc.collect()
    gc.disable()
    try:
        proxy.delete("call-2", delete_delay=0)
        proxy.delete("call-1", delete_delay=0)
        await wait_all_tasks_blocked()
        assert len(remains) == 14
        assert [ref() for ref in remains if ref() is not None] == []
    finally:
        gc.enable()
