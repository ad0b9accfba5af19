"""Several media on one port (BUNDLE, RFC 9143): what each side is told, and where packets really go."""

import pytest
import trio

from karl_trio.sdp.extensions import MID

from ..media.fakes import rtp
from ..rtp.test_extension import packet
from .bundles import Phones, audio, body, bundle, from_bundle, group, numbered, swapped, to_bundle, video
from .proxy import ports


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
