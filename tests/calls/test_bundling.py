"""Several media on one port (BUNDLE, RFC 9143): what each side is told, and where packets really go."""

import pytest
import trio

from karl_trio.calls.statistics import query_reply
from karl_trio.sdp.extensions import MID

from ..media.fakes import rtp
from ..rtp.test_extension import packet
from .proxy import ports

AUDIO, VIDEO = 0x1234, 0x6321


def body(
    audio,
    video,
    *,
    group=None,
    mids=(None, None),
    bundle_only=False,
    mux=True,
    name_id=None,
    formats=(0, 105),
):
    """An SDP with audio and video; a port of None leaves the media out."""
    lines = ["v=0", "o=alice 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    if group is not None:
        lines.append(f"a=group:BUNDLE {group}")
    for kind, port, mid, number in zip(("audio", "video"), (audio, video), mids, formats, strict=True):
        if port is None:
            continue
        lines.append(f"m={kind} {port} RTP/AVP {number}")
        lines += [f"a=mid:{mid}"] * (mid is not None)
        lines.append(f"a=rtpmap:{number} {'PCMU/8000' if kind == 'audio' else 'H264/90000'}")
        lines += [f"a=extmap:{name_id} {MID}"] * (name_id is not None)
        lines += ["a=rtcp-mux"] * mux
        lines += ["a=bundle-only"] * (bundle_only and port == 0)
    return "".join(f"{line}\r\n" for line in lines)


def bundle(audio, video=None, **options):
    """An SDP whose media share a port."""
    return body(audio, audio if video is None else video, group="a v", mids=("a", "v"), **options)


def swapped(text):
    """The same SDP with video first."""
    head, audio_part, video_part = text.replace("\r\nm=", "\r\n|m=").split("|")
    return head.replace("BUNDLE a v", "BUNDLE v a") + video_part + audio_part


def group(description):
    return [" ".join(description.bundle)] if description.bundle else []


def audio(sequence):
    return rtp(sequence, ssrc=AUDIO)


def video(sequence, ssrc=VIDEO, payload_type=105):
    return rtp(sequence, ssrc=ssrc, payload_type=payload_type)


def report(sender, *about):
    """An RTCP receiver report with a block for each source that it is about."""
    blocks = b"".join(ssrc.to_bytes(4) + bytes(20) for ssrc in about)
    return bytes((0x80 | len(about), 201)) + (1 + len(blocks) // 4).to_bytes(2) + sender.to_bytes(4) + blocks


def keyframe_request(sender, source):
    """RTCP payload-specific feedback (RFC 4585, 6.3.1)."""
    return b"\x81\xce\x00\x02" + sender.to_bytes(4) + source.to_bytes(4)


def numbered(datagram, payload_type=100):
    """The same packet with another payload type."""
    return datagram[:1] + bytes((payload_type,)) + datagram[2:]


def payload_of(datagram):
    return datagram[-160:]


class Phones:
    """A phone with a bundle, and one with a port for each media."""

    def __init__(self, phones):
        self.one, self.audio, self.video = phones(), phones(), phones()

    def separate(self, **options):
        return body(self.audio.endpoint.port, self.video.endpoint.port, **options)

    def shared(self, **options):
        return bundle(self.one.endpoint.port, **options)


@pytest.fixture
def pair(phones):
    return Phones(phones)


async def from_bundle(pair, port, audio_from, video_from, *, adds=b""):
    """See that what the bundling phone sends to one port arrives at the ports of the other one."""
    for sequence in range(3):
        pair.one.say(audio(sequence), port)
        pair.one.say(video(sequence), port)
    assert await pair.audio.hear(3) == [(audio(sequence), audio_from) for sequence in range(3)]
    assert await pair.video.hear(3) == [(video(sequence), video_from) for sequence in range(3)]
    assert pair.audio.is_silent()
    assert pair.video.is_silent()


async def to_bundle(pair, port, to_audio, to_video):
    """See that what the other phone sends from two ports arrives at the bundling one from one port."""
    pair.audio.say(rtp(1, ssrc=7), to_audio)
    pair.video.say(video(1, ssrc=8), to_video)
    heard = await pair.one.hear(2)
    assert sorted(payload_of(datagram) for datagram, _ in heard) == [payload_of(rtp(1))] * 2
    assert {int.from_bytes(datagram[8:12]) for datagram, _ in heard} == {7, 8}
    assert {source for _, source in heard} == {port}
    return heard


class TestAccept:
    """The offerer bundles, the other side does not."""

    async def test_the_offerer_gets_one_port_and_the_other_side_two(self, proxy, pair):
        offered = proxy.offer(pair.shared(), bundle=["accept"])
        assert group(offered) == []
        assert [section.mid for section in offered.media] == ["a", "v"]
        for_audio, for_video = ports(offered)
        assert for_audio != for_video
        answered = proxy.answer(pair.separate(mids=("a", "v")))
        assert group(answered) == ["a v"]
        port, same = ports(answered)
        assert port == same
        assert all(section.rtcp_mux for section in answered.media)
        assert "bundle-only" not in answered.text
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, port, for_audio, for_video)
        await to_bundle(pair, port, for_audio, for_video)

    async def test_bundle_only_media_are_no_rejected_ones(self, proxy, pair):
        offered = proxy.offer(bundle(pair.one.endpoint.port, 0, bundle_only=True), bundle=["accept"])
        assert 0 not in ports(offered)
        answered = proxy.answer(pair.separate())
        port = answered.media[0].port
        assert (group(answered), ports(answered)) == (["a v"], [port, port])
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, port, *ports(offered))
        await to_bundle(pair, port, *ports(offered))

    async def test_the_address_of_the_first_media_holds_for_all(self, proxy, pair, phones):
        elsewhere = phones()
        offered = proxy.offer(bundle(pair.one.endpoint.port, elsewhere.endpoint.port), bundle=["accept"])
        answered = proxy.answer(pair.separate())
        await trio.testing.wait_all_tasks_blocked()
        await to_bundle(pair, answered.media[0].port, *ports(offered))
        assert elsewhere.is_silent()

    async def test_without_the_key_each_media_has_its_port_and_bundle_only_ones_are_rejected(
        self, proxy, pair
    ):
        proxy.offer(pair.shared())
        answered = proxy.answer(pair.separate())
        assert group(answered) == []
        assert len(set(ports(answered))) == 2
        offered = proxy.offer(bundle(4000, 0, bundle_only=True), call_id="call-2")
        assert ports(offered)[1] == 0

    async def test_reject_undoes_accept(self, proxy, pair):
        proxy.offer(pair.shared(), bundle=["accept", "reject"])
        answered = proxy.answer(pair.separate())
        assert (group(answered), len(set(ports(answered)))) == ([], 2)

    async def test_media_that_the_other_side_rejects_are_left_out(self, proxy, pair, interfaces):
        offered = proxy.offer(pair.shared(), bundle=["accept"])
        answered = proxy.answer(body(0, pair.video.endpoint.port))
        assert (group(answered), answered.media[0].port) == (["v"], 0)
        await trio.testing.wait_all_tasks_blocked()
        pair.one.say(video(1), answered.media[1].port)
        assert await pair.video.hear(1) == [(video(1), ports(offered)[1])]
        assert sum(1 for _ in proxy.call().streams) == 2

    @pytest.mark.parametrize("case", ["same payload types", "no rtcp-mux", "dtls"])
    async def test_what_cannot_share_a_port_does_not(self, proxy, pair, case):
        offer = pair.shared(
            mux=case != "no rtcp-mux", formats=(100, 100) if case == "same payload types" else (0, 105)
        )
        if case == "dtls":
            offer = offer.replace("t=0 0\r\n", "t=0 0\r\na=fingerprint:sha-256 AA:BB\r\n")
        proxy.offer(offer, bundle=["accept"])
        answered = proxy.answer(
            pair.separate(formats=(100, 100) if case == "same payload types" else (0, 105))
        )
        assert (group(answered), len(set(ports(answered)))) == ([], 2)

    async def test_payload_types_may_be_the_same_if_packets_name_their_media(self, proxy, pair):
        numbers = (100, 100)
        offered = proxy.offer(pair.shared(formats=numbers, name_id=3), bundle=["accept"])
        answered = proxy.answer(pair.separate(formats=numbers))
        assert group(answered) == ["a v"]
        assert [[str(each) for each in section.extensions] for section in answered.media] == [
            [f"3 {MID}"]
        ] * 2
        port = answered.media[0].port
        await trio.testing.wait_all_tasks_blocked()
        # The name of the media is between Alice and us.
        for name, phone, from_port in ((b"v", pair.video, 1), (b"a", pair.audio, 0)):
            pair.one.say(numbered(packet([(3, name)])), port)
            assert await phone.hear(1) == [(numbered(packet()), ports(offered)[from_port])]
        # And she gets it in all that we send her.
        pair.video.say(rtp(1, ssrc=8, payload_type=100), ports(offered)[1])
        heard, _ = (await pair.one.hear(1))[0]
        assert b"\xbe\xde\x00\x01\x30v\x00\x00" in heard


class TestOffer:
    """The offerer does not bundle, the other side is asked to."""

    @pytest.mark.parametrize(
        ("wish", "second", "bundle_only"),
        [("offer", "own", False), ("require", "same", True), ("strict", 0, True)],
    )
    async def test_a_bundle_is_offered_and_accepted(self, proxy, pair, interfaces, wish, second, bundle_only):
        offered = proxy.offer(pair.separate(mux=False), bundle=[wish])
        assert group(offered) == ["1 2"]
        assert [section.mid for section in offered.media] == ["1", "2"]
        assert [[str(each) for each in section.extensions] for section in offered.media] == [[f"1 {MID}"]] * 2
        first = offered.media[0].port
        assert {"own": ports(offered)[1] not in (0, first), "same": ports(offered)[1] == first}.get(
            second, ports(offered)[1] == 0
        )
        assert ("bundle-only" in offered.media[1].attributes) is bundle_only
        assert "bundle-only" not in offered.media[0].attributes
        answered = proxy.answer(
            body(pair.one.endpoint.port, pair.one.endpoint.port, group="1 2", mids=("1", "2"), name_id=1)
        )
        assert group(answered) == []
        assert [(section.mid, section.extensions) for section in answered.media] == [(None, ())] * 2
        to_audio, to_video = ports(answered)
        assert to_audio != to_video
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, first, to_audio, to_video)
        heard = await to_bundle(pair, first, to_audio, to_video)
        assert sorted(datagram[12:20].hex() for datagram, _ in heard) == [
            "bede000110310000",
            "bede000110320000",
        ]
        # One port for Bob, two pairs for Alice.
        assert interfaces.pools[0].in_use in (5, 6)

    async def test_a_bundle_that_is_not_accepted_leaves_each_media_its_port(self, proxy, pair, phones):
        offered = proxy.offer(pair.separate(), bundle=["offer"])
        other = Phones(phones)
        answered = proxy.answer(other.separate())
        assert len({*ports(offered), *ports(answered)}) == 4
        await trio.testing.wait_all_tasks_blocked()
        for said, speaker, listener, port, from_port in (
            (audio(1), pair.audio, other.audio, ports(answered)[0], ports(offered)[0]),
            (video(1), other.video, pair.video, ports(offered)[1], ports(answered)[1]),
        ):
            speaker.say(said, port)
            assert await listener.hear(1) == [(said, from_port)]

    @pytest.mark.parametrize("wish", ["require", "strict"])
    async def test_what_is_required_to_be_bundled_and_is_not_is_rejected(self, proxy, pair, wish):
        proxy.offer(pair.separate(), bundle=[wish])
        answered = proxy.answer(body(5000, 5002 if wish == "require" else 0))
        assert ports(answered)[0] != 0
        assert ports(answered)[1] == 0
        await trio.testing.wait_all_tasks_blocked()
        assert sum(1 for _ in proxy.call().streams) <= 3

    async def test_both_sides_can_have_a_bundle(self, proxy, pair, phones):
        other = Phones(phones)
        offered = proxy.offer(pair.shared(), bundle=["accept", "require"])
        assert group(offered) == ["a v"]
        answered = proxy.answer(other.shared())
        assert group(answered) == ["a v"]
        (for_bob, same_bob), (for_alice, same_alice) = ports(offered), ports(answered)
        assert (for_bob, for_alice) == (same_bob, same_alice)
        await trio.testing.wait_all_tasks_blocked()
        pair.one.say(audio(1), for_alice)
        pair.one.say(video(1), for_alice)
        assert sorted(await other.one.hear(2)) == sorted([(audio(1), for_bob), (video(1), for_bob)])
        other.one.say(audio(5), for_bob)
        assert await pair.one.hear(1) == [(audio(5), for_alice)]


class TestReInvite:
    @pytest.fixture
    async def call(self, proxy, pair):
        """A call between Alice, who bundles, and Bob, who does not; the ports that they are told."""
        offered = proxy.offer(pair.shared(), bundle=["accept"])
        answered = proxy.answer(pair.separate())
        await trio.testing.wait_all_tasks_blocked()
        return ports(offered), answered.media[0].port

    async def test_a_bundle_stays_without_the_key(self, proxy, pair, call):
        for_bob, for_alice = call
        assert ports(proxy.offer(pair.shared(), to_tag="bob")) == for_bob
        answered = proxy.answer(pair.separate())
        assert (group(answered), ports(answered)) == (["a v"], [for_alice] * 2)
        # Nor does it matter who asks.
        offered = proxy.offer(pair.separate(), from_tag="bob", to_tag="alice")
        assert (group(offered), ports(offered)) == (["a v"], [for_alice] * 2)
        assert "bundle-only" in offered.media[1].attributes
        assert ports(proxy.answer(pair.shared(), from_tag="bob", to_tag="alice")) == for_bob
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, for_alice, *for_bob)
        await to_bundle(pair, for_alice, *for_bob)

    async def test_a_media_is_removed_and_added_again(self, proxy, pair, call, interfaces):
        for_bob, for_alice = call
        gone = body(pair.one.endpoint.port, 0, group="a", mids=("a", "v"))
        assert ports(proxy.offer(gone, to_tag="bob"))[1] == 0
        answered = proxy.answer(body(pair.audio.endpoint.port, 0))
        assert (group(answered), ports(answered)) == (["a"], [for_alice, 0])
        await trio.testing.wait_all_tasks_blocked()
        pair.one.say(audio(1), for_alice)
        assert await pair.audio.hear(1) == [(audio(1), for_bob[0])]
        offered = proxy.offer(pair.shared(), to_tag="bob")
        answered = proxy.answer(pair.separate())
        assert (group(answered), ports(answered)) == (["a v"], [for_alice] * 2)
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, for_alice, *ports(offered))
        assert sum(1 for _ in proxy.call().streams) == 4

    async def test_the_first_media_can_go_and_the_others_stay(self, proxy, pair, call):
        for_bob, for_alice = call
        proxy.offer(body(0, pair.one.endpoint.port, group="v", mids=("a", "v")), to_tag="bob")
        answered = proxy.answer(body(0, pair.video.endpoint.port))
        assert (group(answered), ports(answered)) == (["v"], [0, for_alice])
        await trio.testing.wait_all_tasks_blocked()
        pair.one.say(video(1), for_alice)
        assert await pair.video.hear(1) == [(video(1), for_bob[1])]

    async def test_the_bundle_moves_with_its_first_media(self, proxy, pair, call, phones):
        _, for_alice = call
        moved = phones()
        offered = proxy.offer(bundle(moved.endpoint.port), to_tag="bob")
        answered = proxy.answer(pair.separate())
        assert ports(answered) == [for_alice] * 2
        await trio.testing.wait_all_tasks_blocked()
        pair.one = moved
        await to_bundle(pair, for_alice, *ports(offered))
        await from_bundle(pair, for_alice, *ports(offered))

    async def test_an_offer_without_group_and_reject_end_the_bundle(self, proxy, pair, call, phones):
        other = Phones(phones)
        proxy.offer(other.separate(mids=("a", "v")), to_tag="bob")
        answered = proxy.answer(pair.separate())
        assert group(answered) == []
        assert len(set(ports(answered))) == 2
        await trio.testing.wait_all_tasks_blocked()
        other.video.say(video(1), ports(answered)[1])
        assert [datagram for datagram, _ in await pair.video.hear(1)] == [video(1)]
        proxy.offer(pair.shared(), to_tag="bob", bundle=["accept"])
        assert group(proxy.answer(pair.separate())) == ["a v"]
        proxy.offer(pair.shared(), to_tag="bob", bundle=["reject"])
        assert group(proxy.answer(pair.separate())) == []

    async def test_the_media_may_change_places(self, proxy, pair, call):
        for_bob, for_alice = call
        assert ports(proxy.offer(swapped(pair.shared()), to_tag="bob")) == for_bob[::-1]
        answered = proxy.answer(swapped(pair.separate()))
        assert (group(answered), ports(answered)) == (["v a"], [for_alice] * 2)
        assert [section.mid for section in answered.media] == ["v", "a"]
        await trio.testing.wait_all_tasks_blocked()
        await from_bundle(pair, for_alice, *for_bob)
        await to_bundle(pair, for_alice, *for_bob)

    async def test_the_end_of_the_call_closes_the_port(self, proxy, pair, call, interfaces):
        proxy.delete(delete_delay=0)
        await trio.testing.wait_all_tasks_blocked()
        assert interfaces.pools[0].in_use == 0
        assert len(proxy.calls.poller) == 0


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
