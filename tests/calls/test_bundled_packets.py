"""Several media on one port (BUNDLE, RFC 9143): how their packets are told apart, RTCP above all."""

import trio

from karl_trio.calls.statistics import query_reply

from ..media.fakes import rtp
from ..rtp.test_extension import packet
from .bundles import (
    AUDIO,
    VIDEO,
    Phones,
    audio,
    body,
    bundle,
    from_bundle,
    group,
    keyframe_request,
    report,
    swapped,
    to_bundle,
    video,
)
from .proxy import ports


async def bundled_call(proxy, pair, **options):
    offered = proxy.offer(pair.shared(**options), bundle=["accept"])
    answered = proxy.answer(pair.separate())
    await trio.testing.wait_all_tasks_blocked()
    return *ports(offered), answered.media[0].port


async def test_rtcp_goes_to_the_media_that_it_is_about(proxy, pair):
    for_audio, for_video, port = await bundled_call(proxy, pair)
    await from_bundle(pair, port, for_audio, for_video)
    await to_bundle(pair, port, for_audio, for_video)
    # By the source that sends it ...
    pair.one.say(report(VIDEO), port)
    assert await pair.video.hear(1) == [(report(VIDEO), for_video)]
    # ... by the sources that it reports of, which may be of several media ...
    both = report(99, 7, 8)
    pair.one.say(both, port)
    assert await pair.audio.hear(1) == [(both, for_audio)]
    assert await pair.video.hear(1) == [(both, for_video)]
    # ... or that it wants something of.
    pair.one.say(keyframe_request(99, 8), port)
    assert await pair.video.hear(1) == [(keyframe_request(99, 8), for_video)]
    # The other way all of it goes to the port of the bundle.
    pair.audio.say(report(7, AUDIO), for_audio)
    assert await pair.one.hear(1) == [(report(7, AUDIO), port)]
    assert pair.audio.is_silent()


async def test_who_wants_neither_a_bundle_nor_a_shared_port_any_longer_keeps_the_rtcp_of_the_first_media(
    proxy, pair
):
    _, _, port = await bundled_call(proxy, pair)
    told = proxy.offer(pair.separate(), from_tag="bob", to_tag="alice")
    assert group(told) == ["a v"]
    refusal = body(pair.one.endpoint.port, 0, mids=("a", "v"), mux=False)
    for_audio, _ = ports(proxy.answer(refusal, from_tag="bob", to_tag="alice"))
    await trio.testing.wait_all_tasks_blocked()
    pair.one.say(audio(1), port)
    assert await pair.audio.hear(1) == [(audio(1), for_audio)]
    pair.one.rtcp.sendto(report(AUDIO), ("127.0.0.1", port))
    assert await pair.audio.hear(1, pair.audio.rtcp) == [(report(AUDIO), for_audio + 1)]
    pair.audio.rtcp.sendto(report(7, AUDIO), ("127.0.0.1", for_audio + 1))
    assert await pair.one.hear(1, pair.one.rtcp) == [(report(7, AUDIO), port)]
    assert pair.one.is_silent()


async def test_rtcp_beside_a_port_ends_with_its_media(proxy, pair):
    _, _, port = await bundled_call(proxy, pair)
    proxy.offer(pair.separate(), from_tag="bob", to_tag="alice")
    refusal = body(pair.one.endpoint.port, 0, mids=("a", "v"), mux=False)
    proxy.answer(refusal, from_tag="bob", to_tag="alice")
    # The next time she wants the other one, in a bundle.
    proxy.offer(pair.separate(), from_tag="bob", to_tag="alice")
    acceptance = body(0, pair.one.endpoint.port, group="v", mids=("a", "v"))
    _, for_video = ports(proxy.answer(acceptance, from_tag="bob", to_tag="alice"))
    await trio.testing.wait_all_tasks_blocked()
    pair.one.say(video(1), port)
    pair.one.say(report(VIDEO), port)
    assert await pair.video.hear(2) == [(video(1), for_video), (report(VIDEO), for_video)]
    pair.video.say(report(8, VIDEO), for_video)
    assert await pair.one.hear(1) == [(report(8, VIDEO), port)]


async def test_another_media_can_have_rtcp_beside_the_port_in_place_of_the_first(proxy, pair):
    _, _, port = await bundled_call(proxy, pair)
    proxy.offer(pair.separate(mids=("a", "v")), from_tag="bob", to_tag="alice")
    one = pair.one.endpoint.port
    proxy.answer(body(one, 0, mids=("a", "v"), mux=False), from_tag="bob", to_tag="alice")
    # Bob names the other one first, and she takes but the first again.
    told = proxy.offer(swapped(pair.separate(mids=("a", "v"))), from_tag="bob", to_tag="alice")
    assert group(told) == ["v a"]
    refusal = swapped(body(0, one, mids=("a", "v"), mux=False))
    for_video, _ = ports(proxy.answer(refusal, from_tag="bob", to_tag="alice"))
    await trio.testing.wait_all_tasks_blocked()
    pair.one.say(video(1), port)
    assert await pair.video.hear(1) == [(video(1), for_video)]
    pair.one.rtcp.sendto(report(VIDEO), ("127.0.0.1", port))
    assert await pair.video.hear(1, pair.video.rtcp) == [(report(VIDEO), for_video + 1)]
    pair.video.rtcp.sendto(report(8, VIDEO), ("127.0.0.1", for_video + 1))
    assert await pair.one.hear(1, pair.one.rtcp) == [(report(8, VIDEO), port)]


async def test_rtcp_that_is_still_sent_to_the_port_of_an_ended_bundle_goes_to_the_media_that_it_is_about(
    proxy, pair, phones
):
    *_, port = await bundled_call(proxy, pair)
    offered = proxy.offer(Phones(phones).separate(mids=("a", "v"), mux=False), to_tag="bob")
    for_audio, for_video = ports(offered)
    assert group(proxy.answer(pair.separate())) == []
    await trio.testing.wait_all_tasks_blocked()
    await from_bundle(pair, port, for_audio, for_video)
    pair.one.say(report(AUDIO), port)
    assert await pair.audio.hear(1) == [(report(AUDIO), for_audio)]
    pair.one.say(report(VIDEO), port)
    assert await pair.video.hear(1) == [(report(VIDEO), for_video)]
    assert pair.audio.is_silent()


async def test_a_stranger_is_no_more_heard_than_on_a_port_of_ones_own(proxy, pair, phones):
    for_audio, for_video, port = await bundled_call(proxy, pair, name_id=3)
    await from_bundle(pair, port, for_audio, for_video)
    stranger = phones(address="127.0.0.99")
    for sequence in range(20):
        stranger.say(packet([(3, b"v")]), port)
        stranger.say(audio(sequence), port)
        stranger.say(report(VIDEO), port)
    await to_bundle(pair, port, for_audio, for_video)
    await from_bundle(pair, port, for_audio, for_video)
    assert stranger.is_silent()


async def test_a_phone_behind_a_nat_is_learned_though_its_media_come_in_turns(
    proxy, pair, phones, autojump_clock
):
    autojump_clock.autojump_threshold = 0.01
    proxy.offer(bundle(40404), bundle=["accept"])
    answered = proxy.answer(pair.separate())
    await trio.testing.wait_all_tasks_blocked()
    port = answered.media[0].port
    for sequence in range(4):
        pair.one.say(audio(sequence), port)
        pair.one.say(video(sequence), port)
        await pair.audio.hear(1)
        await trio.sleep(0.02)
    pair.audio.say(rtp(1, ssrc=7), proxy.call().find_leg("bob").media[0].faces[0].rtp.port.endpoint.port)
    assert await pair.one.hear(1) == [(rtp(1, ssrc=7), port)]


async def test_a_packet_that_belongs_to_no_media_is_dropped_and_counted(proxy, pair):
    for_audio, for_video, port = await bundled_call(proxy, pair, name_id=3)
    pair.one.say(rtp(1, payload_type=120, ssrc=5), port)
    pair.one.say(packet([(3, b"x")]), port)
    await from_bundle(pair, port, for_audio, for_video)
    tags = query_reply(proxy.call(), None, None)["tags"]
    first, second = tags["alice"]["medias"]
    assert first["streams"][0]["drops"] == {"no_media": 2}
    assert "bundle" in first["flags"]
    assert "bundle" not in tags["bob"]["medias"][0]["flags"]
    assert [media["streams"][0]["stats"]["packets"] for media in (first, second)] == [3, 3]
    assert [media["SSRC"] for media in first["ingress SSRCs"]] == [AUDIO]
    assert query_reply(proxy.call(), None, None)["totals"]["RTP"]["errors"] == 2


async def test_every_packet_is_counted_once(proxy, pair, calls):
    for_audio, for_video, port = await bundled_call(proxy, pair)
    await from_bundle(pair, port, for_audio, for_video)
    totals = query_reply(proxy.call(), None, None)["totals"]
    assert totals["RTP"]["packets"] == 6
    assert totals["packets-sent"] == 6
    proxy.delete(delete_delay=0)
    await trio.testing.wait_all_tasks_blocked()
    assert calls.totals.tally // (1 << 48) == 6


async def test_srtp_is_sorted_by_its_header_and_what_is_neither_rtp_nor_rtcp_is_dropped(proxy, pair):
    """The keys are in the SDP, and pass between the two ends."""
    crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"

    def secured(text):
        return text.replace("RTP/AVP", "RTP/SAVP").replace("a=rtpmap", f"{crypto}\r\na=rtpmap")

    offered = proxy.offer(secured(pair.shared()), bundle=["accept"])
    answered = proxy.answer(secured(pair.separate()))
    assert group(answered) == ["a v"]
    assert answered.text.count(crypto) == 2
    port = answered.media[0].port
    await trio.testing.wait_all_tasks_blocked()
    await from_bundle(pair, port, *ports(offered))
    pair.one.say(b"\x16\xfe", port)
    pair.one.say(report(VIDEO) + bytes(14), port)
    assert await pair.video.hear(1) == [(report(VIDEO) + bytes(14), ports(offered)[1])]
    await to_bundle(pair, port, *ports(offered))
    tags = query_reply(proxy.call(), None, None)["tags"]
    assert tags["alice"]["medias"][0]["streams"][0]["drops"] == {"no_media": 1}


async def test_a_bundle_that_is_wired_to_our_own_port_is_no_circle(proxy, pair):
    for_audio, _, port = await bundled_call(proxy, pair)
    flags = ["port-latching"]
    proxy.offer(bundle(for_audio), to_tag="bob", flags=flags)
    proxy.answer(bundle(port).replace("a=group:BUNDLE a v\r\n", ""), flags=flags)
    await trio.testing.wait_all_tasks_blocked()
    for stream in proxy.call().streams:
        stream.send(audio(1))
    await trio.sleep(0.05)
    assert sum(stream.packets for stream in proxy.call().streams) < 10
    assert sum(stream.drops.get("circle", 0) for stream in proxy.call().relayed) > 0
