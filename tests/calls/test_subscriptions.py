"""Listeners to a call: what they are offered, what they hear, and that they disturb nobody."""

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.audience import MAX_SUBSCRIBERS
from karl_trio.calls.controls import Control, Reach
from karl_trio.calls.wiring import wire
from karl_trio.errors import (
    CodecNegotiationFailed,
    InvalidParameters,
    InvalidSdp,
    InvalidSessionState,
    NotSupported,
    UnknownCall,
)
from karl_trio.sdp.description import parse

from ..media.fakes import receiver_report, rtp
from .proxy import ports, sdp
from .test_media import connected
from .test_publish import lines_of


def answer(*phones, attributes=("recvonly",), formats="0 8"):
    """The SDP in which a recorder takes each media of an offer with a phone of its own."""
    body = sdp(0, media=[("audio", phone.endpoint.port, attributes) for phone in phones])
    return body.replace("RTP/AVP 0 8", f"RTP/AVP {formats}")


async def recorded(proxy, *recorders, **keys):
    """Let recorders listen to a call; return the reply to the request and the ports it offers."""
    reply = proxy.subscribe(**keys)
    proxy.subscribe_answer(answer(*recorders), reply.to_tag)
    await wait_all_tasks_blocked()
    return reply, ports(parse(reply.sdp))


async def test_the_offer_for_a_recording_server_line_by_line(proxy, phones):
    await connected(proxy, phones(), phones())
    reply = proxy.subscribe(all="all", flags=["siprec"])
    assert lines_of(reply.sdp) == [
        "v=0",
        "o=- ID 1 IN IP4 127.0.0.1",
        "s=karl-trio",
        "t=0 0",
        "m=audio PORT RTP/AVP 0 8",
        "c=IN IP4 127.0.0.1",
        "a=label:1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=sendonly",
        "a=rtcp:PORT1",
        "m=audio PORT2 RTP/AVP 0 8",
        "c=IN IP4 127.0.0.1",
        "a=label:2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=sendonly",
        "a=rtcp:PORT3",
    ]
    assert [source.leg.tag for source in reply.sources] == ["alice", "bob"]
    assert reply.warnings == ()


async def test_a_recorder_hears_both_sides_byte_for_byte_and_the_call_goes_on(proxy, phones):
    alice, bob, first, second = phones(), phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    _, (port_a, port_b) = await recorded(proxy, first, second, all="all")
    for sequence in range(10):
        alice.say(rtp(sequence), for_alice)
        bob.say(rtp(sequence, ssrc=9), for_bob)
    said = [rtp(sequence) for sequence in range(10)]
    replied = [rtp(sequence, ssrc=9) for sequence in range(10)]
    assert await bob.hear(10) == [(datagram, for_bob) for datagram in said]
    assert await alice.hear(10) == [(datagram, for_alice) for datagram in replied]
    assert await first.hear(10) == [(datagram, port_a) for datagram in said]
    assert await second.hear(10) == [(datagram, port_b) for datagram in replied]
    alice.rtcp.sendto(receiver_report(), ("127.0.0.1", for_alice + 1))
    assert await first.hear(1, first.rtcp) == [(receiver_report(), port_a + 1)]


async def test_media_that_is_published_is_heard_by_every_subscriber(proxy, phones):
    camera, one, two = phones(), phones(), phones()
    (port,) = ports(parse(proxy.publish(sdp(camera.endpoint.port, direction="sendonly")).sdp))
    for phone in (one, two):
        reply = proxy.subscribe(from_tag="alice")
        assert parse(reply.sdp).media[0].formats == ("0",)
        proxy.subscribe_answer(answer(phone), reply.to_tag)
    await wait_all_tasks_blocked()
    camera.say(rtp(1), port)
    assert [datagram for datagram, _ in await one.hear(1)] == [rtp(1)]
    assert [datagram for datagram, _ in await two.hear(1)] == [rtp(1)]
    assert camera.is_silent()


async def test_nothing_is_heard_before_the_answer_nor_after_unsubscribing(proxy, phones, interfaces):
    alice, bob, recorder = phones(), phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    reply = proxy.subscribe(from_tag="alice", to_tag="recorder")
    assert reply.to_tag == "recorder"
    assert interfaces.pools[0].in_use == 6
    alice.say(rtp(1), for_alice)
    await bob.hear(1)
    proxy.subscribe_answer(answer(recorder), "recorder")
    await wait_all_tasks_blocked()
    alice.say(rtp(2), for_alice)
    await bob.hear(1)
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(2)]
    proxy.unsubscribe("recorder")
    await wait_all_tasks_blocked()
    alice.say(rtp(3), for_alice)
    await bob.hear(1)
    assert recorder.is_silent()
    assert interfaces.pools[0].in_use == 4
    assert proxy.call().find_leg("recorder") is None


async def test_neither_the_recorder_nor_a_stranger_can_speak_into_the_call_or_take_the_copy(proxy, phones):
    alice, bob, recorder = phones(), phones(), phones()
    stranger = phones(address="127.0.0.99")
    for_alice, for_bob = await connected(proxy, alice, bob)
    _, (port,) = await recorded(proxy, recorder, from_tag="alice")
    for sequence in range(20):
        stranger.say(rtp(sequence, ssrc=6), port)
        recorder.say(rtp(sequence, ssrc=7), port)
    stream = proxy.call().legs[-1].media[0].faces[0].rtp
    with trio.fail_after(5):
        while stream.packets < 20 or stream.errors < 20:
            await trio.sleep(0.001)
    alice.say(rtp(1), for_alice)
    bob.say(rtp(1, ssrc=9), for_bob)
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(1)]
    assert [datagram for datagram, _ in await bob.hear(1)] == [rtp(1)]
    assert [datagram for datagram, _ in await alice.hear(1)] == [rtp(1, ssrc=9)]
    assert stranger.is_silent()


async def test_an_answer_that_claims_to_send_does_not_get_into_the_call(proxy, phones):
    alice, bob, recorder = phones(), phones(), phones()
    await connected(proxy, alice, bob)
    reply = proxy.subscribe(from_tag="alice")
    proxy.subscribe_answer(answer(recorder, attributes=("sendrecv",)), reply.to_tag)
    assert not proxy.call().find_leg(reply.to_tag).media[0].is_sending


async def test_a_bidirectional_listener_is_heard_by_its_source_alone(proxy, phones):
    alice, bob, coach = phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    reply = proxy.subscribe(from_tag="alice", flags=["bidirectional"])
    assert parse(reply.sdp).media[0].direction.value == "sendrecv"
    proxy.subscribe_answer(answer(coach, attributes=("sendrecv",)), reply.to_tag)
    await wait_all_tasks_blocked()
    coach.say(rtp(1, ssrc=7), ports(parse(reply.sdp))[0])
    assert await alice.hear(1) == [(rtp(1, ssrc=7), for_alice)]
    bob.say(rtp(1, ssrc=9), for_bob)
    await alice.hear(1)
    assert bob.is_silent()
    assert coach.is_silent()


async def test_egress_is_what_a_leg_is_sent(proxy, phones):
    alice, bob, recorder = phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    await recorded(proxy, recorder, from_tag="alice", flags=["egress"])
    alice.say(rtp(1), for_alice)
    bob.say(rtp(2, ssrc=9), for_bob)
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(2, ssrc=9)]
    await bob.hear(1)
    assert recorder.is_silent()


async def test_rtcp_of_a_listener_goes_to_its_source_if_it_is_asked_for(proxy, phones):
    camera, one, two = phones(), phones(), phones()
    proxy.publish(sdp(camera.endpoint.port, direction="sendonly"))
    for phone, flags in ((one, []), (two, ["RTCP-mirror"])):
        reply = proxy.subscribe(from_tag="alice", flags=flags)
        proxy.subscribe_answer(answer(phone), reply.to_tag)
        await wait_all_tasks_blocked()
        phone.rtcp.sendto(receiver_report(), ("127.0.0.1", ports(parse(reply.sdp))[0] + 1))
    assert len(await camera.hear(1, camera.rtcp)) == 1
    assert camera.is_silent()


async def test_sources_by_list_label_and_address(proxy, phones):
    proxy.offer(sdp(4000, address="127.0.0.2"), label="caller")
    proxy.answer(sdp(5000), label="called")

    def sources(**keys):
        return [source.leg.tag for source in proxy.subscribe(**keys).sources]

    assert sources(from_tags=["bob", "alice"]) == ["bob", "alice"]
    assert sources(flags=["from-tags-bob"]) == ["bob"]
    assert sources(label="called") == ["bob"]
    assert sources(address="127.0.0.2") == ["alice"]
    assert sources(all="all") == ["alice", "bob"]


async def test_the_listener_may_have_a_label_of_its_own(proxy):
    proxy.offer(sdp(4000), label="caller")
    reply = proxy.subscribe(label="caller", set_label="recorder")
    assert proxy.call().find_leg(reply.to_tag).label == "recorder"


async def test_only_codecs_that_the_source_may_use_are_offered(proxy):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000).replace("AVP 0 8", "AVP 8"))
    assert parse(proxy.subscribe(from_tag="alice").sdp).media[0].formats == ("8",)


async def test_a_listener_has_to_understand_all_of_them(proxy, phones):
    recorder = phones()
    await connected(proxy, phones(), phones())
    reply = proxy.subscribe(from_tag="alice")
    with pytest.raises(CodecNegotiationFailed):
        proxy.subscribe_answer(answer(recorder, formats="0"), reply.to_tag)
    with pytest.raises(NotSupported) as refused:
        proxy.subscribe_answer(answer(recorder, formats="0"), reply.to_tag, flags=["allow-transcoding"])
    assert "transcoding" in refused.value.as_reply()["warning"]
    proxy.subscribe_answer(answer(recorder), reply.to_tag)


async def test_a_media_that_the_listener_rejects_returns_its_ports(proxy, phones, interfaces):
    recorder = phones()
    await connected(proxy, phones(), phones())
    reply = proxy.subscribe(all="all")
    body = sdp(0, media=[("audio", recorder.endpoint.port, ()), ("audio", 0, ())])
    proxy.subscribe_answer(body, reply.to_tag)
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 6


async def test_subscribing_again_replaces_what_was_listened_to(proxy, phones, interfaces):
    alice, bob, recorder = phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    first = proxy.subscribe(all="all", to_tag="recorder")
    proxy.subscribe_answer(answer(recorder, phones()), "recorder")
    again = proxy.subscribe(from_tag="bob", to_tag="recorder")
    kept, gone = parse(again.sdp).media
    assert (kept.port, gone.port) == (ports(parse(first.sdp))[0], 0)
    assert parse(again.sdp).origin.version == 2
    proxy.subscribe_answer(answer(recorder), "recorder")
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 6
    alice.say(rtp(1), for_alice)
    bob.say(rtp(2, ssrc=9), for_bob)
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(2, ssrc=9)]
    await bob.hear(1)
    assert recorder.is_silent()


async def test_one_source_of_two_can_be_given_up(proxy, phones, interfaces):
    alice, bob, first, second = phones(), phones(), phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    await recorded(proxy, first, second, all="all", to_tag="recorder")
    proxy.unsubscribe("recorder", from_tag="alice", flags=["directional"])
    with pytest.raises(InvalidSessionState):
        proxy.unsubscribe("recorder", from_tag="alice", flags=["directional"])
    await wait_all_tasks_blocked()
    alice.say(rtp(1), for_alice)
    bob.say(rtp(2, ssrc=9), for_bob)
    assert [datagram for datagram, _ in await second.hear(1)] == [rtp(2, ssrc=9)]
    await bob.hear(1)
    assert first.is_silent()
    assert interfaces.pools[0].in_use == 6


async def test_hold_is_heard_as_silence_and_a_new_port_of_the_source_changes_nothing(proxy, phones):
    alice, bob, recorder, moved = phones(), phones(), phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    await recorded(proxy, recorder, from_tag="alice")
    proxy.offer(sdp(alice.endpoint.port, direction="inactive"), to_tag="bob")
    proxy.answer(sdp(bob.endpoint.port, direction="inactive"))
    alice.say(rtp(1), for_alice)
    with trio.fail_after(5):
        while not proxy.call().find_leg("alice").media[0].faces[0].rtp.packets:
            await trio.sleep(0.001)
    proxy.offer(sdp(moved.endpoint.port), to_tag="bob")
    proxy.answer(sdp(bob.endpoint.port))
    await wait_all_tasks_blocked()
    moved.say(rtp(2), for_alice)
    assert (await recorder.hear(1))[0][0] == rtp(2)


async def test_a_listener_is_not_sent_what_it_would_take_for_another_codec(proxy, phones):
    def dynamic(codec, port):
        return sdp(port).replace("AVP 0 8", "AVP 96").replace("rtpmap:0 PCMU/8000", f"rtpmap:96 {codec}")

    alice, bob, recorder = phones(), phones(), phones()

    def agree_on(codec):
        proxy.offer(dynamic(codec, alice.endpoint.port))
        return ports(proxy.answer(dynamic(codec, bob.endpoint.port)))

    async def listen():
        proxy.subscribe(from_tag="alice", to_tag="recorder")
        listening = answer(recorder, attributes=("recvonly", "rtpmap:96 iLBC/8000"), formats="96")
        proxy.subscribe_answer(listening, "recorder")
        await wait_all_tasks_blocked()

    agree_on("iLBC/8000")
    await listen()
    (for_alice,) = agree_on("speex/8000")
    alice.say(rtp(1, payload_type=96), for_alice)
    await bob.hear(1)
    assert recorder.is_silent()
    agree_on("iLBC/8000")
    alice.say(rtp(2, payload_type=96), for_alice)
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(2, payload_type=96)]


async def test_a_listener_to_audio_is_not_sent_fax(proxy, phones):
    alice, bob, listener = phones(), phones(), phones()
    await connected(proxy, alice, bob)
    await recorded(proxy, listener, from_tag="alice", flags=["directional"])
    proxy.offer(sdp(alice.endpoint.port, kind="image"), to_tag="bob")
    for_alice = ports(proxy.answer(sdp(bob.endpoint.port, kind="image")))[0]
    await wait_all_tasks_blocked()
    alice.say(b"\x00\x01fax", for_alice)
    assert [datagram for datagram, _ in await bob.hear(1)] == [b"\x00\x01fax"]
    assert listener.is_silent()


async def test_blocked_media_is_blocked_for_listeners_too(proxy, phones):
    alice, bob, recorder, overhearer = phones(), phones(), phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    await recorded(proxy, recorder, from_tag="alice")
    await recorded(proxy, overhearer, from_tag="bob", flags=["egress"])
    call = proxy.call()
    call.controls.impose(Control.BLOCK_MEDIA, [Reach(call.find_leg("alice"), call.find_leg("bob"))])
    wire(call)
    alice.say(rtp(1), for_alice)
    assert len(await recorder.hear(1)) == 1
    assert bob.is_silent()
    assert overhearer.is_silent()


async def test_what_is_refused_changes_nothing(proxy, phones, interfaces):
    with pytest.raises(UnknownCall):
        proxy.subscribe(from_tag="alice")
    with pytest.raises(UnknownCall):
        proxy.unsubscribe("recorder")
    await connected(proxy, phones(), phones())
    for keys, error in (
        ({}, InvalidParameters),
        ({"from_tag": "nobody"}, InvalidSessionState),
        ({"from_tag": "alice", "to_tag": "bob"}, InvalidSessionState),
        ({"from_tag": "alice", "to_tag": "alice"}, InvalidSessionState),
        ({"from_tag": "alice", "flags": ["mix"]}, NotSupported),
        ({"from_tag": "alice", "transport_protocol": "RTP/SAVP"}, NotSupported),
        ({"from_tag": "alice", "ICE": "force"}, NotSupported),
        ({"from_tag": "alice", "codec": {"strip": ["PCMU"]}}, NotSupported),
        ({"from_tag": "alice", "codec": {"transcode": ["opus"]}}, NotSupported),
        ({"from_tag": "alice", "address_family": "IP6"}, InvalidParameters),
    ):
        with pytest.raises(error):
            proxy.subscribe(**keys)
    for tag in ("nobody", "alice"):
        with pytest.raises(InvalidSessionState):
            proxy.subscribe_answer(sdp(5000), tag)
        with pytest.raises(InvalidSessionState):
            proxy.unsubscribe(tag)
    assert (len(proxy.call().legs), interfaces.pools[0].in_use) == (2, 4)
    reply = proxy.subscribe(from_tag="alice")
    with pytest.raises(InvalidSdp):
        proxy.subscribe_answer(sdp(5000, address="224.1.1.1"), reply.to_tag)


async def test_encrypted_media_cannot_be_subscribed_to_yet(proxy):
    secure = sdp(4000, attributes=["crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"]).replace("AVP", "SAVP")
    proxy.offer(secure)
    with pytest.raises(NotSupported):
        proxy.subscribe(from_tag="alice")


async def test_a_leg_does_not_take_any_number_of_listeners(proxy):
    proxy.publish(sdp(4000))
    for _ in range(MAX_SUBSCRIBERS):
        proxy.subscribe(from_tag="alice")
    with pytest.raises(InvalidSessionState):
        proxy.subscribe(from_tag="alice")


async def test_a_dry_run_tells_and_changes_nothing(proxy, phones, interfaces):
    await connected(proxy, phones(), phones())
    reply = proxy.subscribe(from_tag="alice", flags=["dry-run"])
    assert parse(reply.sdp).media[0].port
    assert reply.warnings == ("dry run: nothing was changed",)
    assert (len(proxy.call().legs), interfaces.pools[0].in_use) == (2, 4)


async def test_query_names_listeners_beside_peers(proxy, phones):
    await connected(proxy, phones(), phones())
    await recorded(proxy, phones(), from_tag="alice", to_tag="recorder")
    tags = proxy.query()["tags"]
    assert tags["alice"]["subscribers"] == [
        {"tag": "bob", "type": "offer/answer"},
        {"tag": "recorder", "type": "pub/sub"},
    ]
    assert tags["alice"]["subscriptions"] == [{"tag": "bob", "type": "offer/answer"}]
    assert tags["recorder"]["subscriptions"] == [{"tag": "alice", "type": "pub/sub"}]
    assert tags["recorder"]["subscribers"] == []
    assert set(proxy.query(to_tag="recorder")["tags"]) == {"recorder", "alice"}


async def test_a_listener_that_is_deleted_leaves_the_call_as_it_was(proxy, phones, interfaces):
    alice, bob = phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    await recorded(proxy, phones(), phones(), all="all", to_tag="recorder")
    proxy.delete(from_tag="recorder")
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 4
    alice.say(rtp(1), for_alice)
    assert [datagram for datagram, _ in await bob.hear(1)] == [rtp(1)]


async def test_whoever_is_left_with_nobody_to_hear_goes_with_its_source(proxy, phones, interfaces):
    await connected(proxy, phones(), phones())
    await recorded(proxy, phones(), phones(), all="all", to_tag="recorder")
    proxy.delete(from_tag="alice", to_tag="bob", delete_delay=0)
    await wait_all_tasks_blocked()
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)


async def test_the_source_of_one_listener_goes_and_the_other_stays(proxy, phones, interfaces):
    proxy.publish(sdp(4000), from_tag="one")
    proxy.publish(sdp(4002), from_tag="two")
    await recorded(proxy, phones(), from_tag="one", to_tag="first")
    await recorded(proxy, phones(), phones(), from_tags=["one", "two"], to_tag="both")
    proxy.delete(from_tag="one")
    assert [leg.tag for leg in proxy.call().legs] == ["two", "both"]


async def test_an_ended_call_leaves_nothing_for_the_garbage_collector(proxy, phones):
    alice, bob, recorder = phones(), phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    await recorded(proxy, recorder, from_tag="alice", flags=["rtcp-mirror"])
    alice.say(rtp(1), for_alice)
    await recorder.hear(1)
    remains = [weakref.ref(thing) for thing in (proxy.call(), *proxy.call().legs, *proxy.call().streams)]
    gc.collect()
    gc.disable()
    try:
        proxy.delete(delete_delay=0)
        await wait_all_tasks_blocked()
        assert len(remains) == 10
        assert [ref() for ref in remains if ref() is not None] == []
    finally:
        gc.enable()
