"""Which legs and media an offer or answer is about: tags and their aliases, branches, labels, a=mid."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.media import FaceState
from karl_trio.calls.statistics import query_reply
from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidSdp, InvalidSessionState

from ..media.fakes import rtp
from .proxy import ports, sdp


def kinds(description):
    return [section.kind for section in description.media]


def media(*named):
    """An SDP with media given as (mid, kind, port); no mid is None."""
    return sdp(0, media=[(kind, port, [f"mid:{mid}"] if mid else []) for mid, kind, port in named])


def connect(proxy, offered=None, answered=None):
    return proxy.offer(offered or sdp(4000)), proxy.answer(answered or sdp(5000))


async def heard(proxy, sender, port, listener):
    """Let one phone speak to a port of ours; return what the other one hears, and from which port."""
    await wait_all_tasks_blocked()
    sender.say(rtp(1), port)
    return await listener.hear(1)


class TestAliases:
    @pytest.mark.parametrize("key", ["SDP", "address", "endpoint"])
    async def test_an_unknown_from_tag_that_offers_the_same_is_the_same_leg(self, proxy, interfaces, key):
        proxy.offer(sdp(4000), alias_key=key)
        proxy.answer(sdp(5000))
        proxy.offer(sdp(4000), from_tag="alice-again", to_tag="bob", alias_key=key)
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob"]
        assert interfaces.pools[0].in_use == 4
        reply = query_reply(proxy.call(), "alice-again", None)
        assert reply["tags"]["alice"]["tag-aliases"] == ["alice-again"]
        # From now on, either tag will do.
        assert ports(proxy.answer(sdp(5000), from_tag="alice-again")) == ports(proxy.answer(sdp(5000)))

    @pytest.mark.parametrize(("key", "body"), [("SDP", sdp(4000, version=2)), ("address", sdp(4020))])
    async def test_one_that_offers_something_else_is_another_leg(self, proxy, key, body):
        proxy.offer(sdp(4000), alias_key=key)
        proxy.answer(sdp(5000))
        proxy.offer(body, from_tag="carol", to_tag="bob", alias_key=key)
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob", "carol"]

    async def test_without_the_key_every_tag_is_a_leg(self, proxy):
        connect(proxy)
        proxy.offer(sdp(4000), from_tag="carol", to_tag="bob")
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob", "carol"]

    async def test_after_a_changed_to_tag_the_final_phone_is_heard(self, proxy, phones):
        alice, early, final = phones(), phones(), phones()
        (port,) = ports(proxy.offer(sdp(alice.endpoint.port)))
        proxy.answer(sdp(early.endpoint.port), to_tag="early")
        (for_alice,) = ports(proxy.answer(sdp(final.endpoint.port), to_tag="final"))
        assert await heard(proxy, alice, for_alice, final) == [(rtp(1), port)]
        assert await heard(proxy, final, port, alice) == [(rtp(1), for_alice)]
        assert early.is_silent()

    async def test_a_final_answer_is_not_taken_over(self, proxy):
        proxy.offer(sdp(4000))
        proxy.answer(sdp(5000), to_tag="bob", sip_message_type="reply", sip_code=200)
        proxy.answer(sdp(6000), to_tag="carol", sip_message_type="reply", sip_code=200)
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob", "carol"]
        assert proxy.call().find_leg("bob").media[0].advertised.endpoint == Endpoint("127.0.0.1", 5000)

    @pytest.mark.parametrize(
        "keys",
        [
            {"sip_message_type": "reply", "sip_code": 183},
            {"sip_message_type": "reply", "sip_code": 200, "flags": ["provisional"]},
            {"sip_message_type": "request", "sip_code": 200},
            {"sip_code": 200},
        ],
    )
    async def test_a_provisional_one_is(self, proxy, keys):
        proxy.offer(sdp(4000))
        proxy.answer(sdp(5000), to_tag="early", **keys)
        assert proxy.warnings == ()
        proxy.answer(sdp(6000), to_tag="final")
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "early"]
        assert proxy.call().find_leg("final") is proxy.call().find_leg("early")

    async def test_new_branch_makes_another_leg_of_a_changed_to_tag(self, proxy):
        proxy.offer(sdp(4000))
        proxy.answer(sdp(5000), to_tag="bob")
        proxy.answer(sdp(6000), to_tag="carol", flags=["new-branch"])
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob", "carol"]


class TestTags:
    async def test_an_unknown_to_tag_in_an_offer_is_another_leg(self, proxy):
        connect(proxy)
        offered = proxy.offer(sdp(4000), to_tag="carol")
        assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob", "carol"]
        assert ports(offered) != ports(proxy.offer(sdp(4000), to_tag="bob"))

    async def test_a_reoffer_without_a_to_tag_goes_to_whom_was_spoken_to_last(self, proxy):
        offered, _ = connect(proxy)
        assert ports(proxy.offer(sdp(4000, version=2))) == ports(offered)

    async def test_a_branch_that_is_known_is_offered_its_ports_again(self, proxy):
        first = proxy.offer(sdp(4000), via_branch="z9hG4bK-1")
        proxy.offer(sdp(4000), via_branch="z9hG4bK-2")
        assert ports(proxy.offer(sdp(4000), via_branch="z9hG4bK-1")) == ports(first)

    async def test_roles_may_change_back_and_forth(self, proxy, phones):
        alice, bob = phones(), phones()
        (for_bob,), (for_alice,) = map(
            ports, connect(proxy, sdp(alice.endpoint.port), sdp(bob.endpoint.port))
        )
        for _ in range(2):
            proxy.offer(sdp(bob.endpoint.port), from_tag="bob", to_tag="alice")
            proxy.answer(sdp(alice.endpoint.port), from_tag="bob", to_tag="alice")
            proxy.offer(sdp(alice.endpoint.port), to_tag="bob")
            proxy.answer(sdp(bob.endpoint.port))
        assert await heard(proxy, alice, for_alice, bob) == [(rtp(1), for_bob)]
        assert await heard(proxy, bob, for_bob, alice) == [(rtp(1), for_alice)]

    async def test_a_reoffer_within_the_delete_delay_keeps_the_call(self, proxy, calls, autojump_clock):
        offered, _ = connect(proxy)
        proxy.delete(delete_delay=30)
        await trio.sleep(29)
        assert ports(proxy.offer(sdp(4000, version=2), to_tag="bob")) == ports(offered)
        await trio.sleep(31)
        assert len(calls) == 1
        proxy.delete(delete_delay=30)
        await trio.sleep(31)
        assert len(calls) == 0

    @pytest.mark.parametrize("key", ["label", "from_label", "set_label"])
    async def test_a_leg_is_shown_with_its_label(self, proxy, key):
        proxy.offer(sdp(4000), **{key: "caller"})
        proxy.answer(sdp(5000), **{key: "callee"})
        proxy.offer(sdp(4000), to_tag="bob")
        tags = query_reply(proxy.call(), None, None)["tags"]
        assert {tag: leg["label"] for tag, leg in tags.items()} == {"alice": "caller", "bob": "callee"}

    async def test_a_bye_with_a_branch_of_its_own_ends_the_call(self, proxy, calls):
        proxy.offer(sdp(4000), via_branch="z9hG4bK-invite")
        proxy.answer(sdp(5000), via_branch="z9hG4bK-invite")
        proxy.delete(from_tag="alice", to_tag="bob", via_branch="z9hG4bK-bye")
        assert len(calls) == 0

    async def test_the_failure_of_an_unknown_branch_ends_nothing(self, proxy, calls):
        proxy.offer(sdp(4000), via_branch="z9hG4bK-1")
        assert "warning" in proxy.delete(from_tag="alice", to_tag="busy", via_branch="z9hG4bK-2")
        assert "warning" in proxy.delete(from_tag="alice", via_branch="z9hG4bK-2")
        assert len(calls) == 1


class TestBranches:
    """What is said in one dialogue of a forked call leaves the others alone."""

    async def fork(self, proxy, phones):
        alice, *bobs = phones(), phones(), phones()
        told = []
        for number, bob in enumerate(bobs):
            branch = f"z9hG4bK-{number}"
            (port,) = ports(proxy.offer(sdp(alice.endpoint.port), via_branch=branch))
            answered = proxy.answer(sdp(bob.endpoint.port), to_tag=f"bob-{number}", via_branch=branch)
            (for_alice,) = ports(answered)
            told.append((for_alice, port))
        return alice, bobs, told

    @pytest.mark.parametrize("is_offer", [True, False])
    async def test_a_media_rejected_in_one_goes_on_in_the_other(self, proxy, phones, is_offer):
        alice, (first, second), (_, (for_alice, for_second)) = await self.fork(proxy, phones)
        if is_offer:
            proxy.offer(sdp(0), to_tag="bob-0")
            proxy.answer(sdp(0), to_tag="bob-0")
        else:
            proxy.offer(sdp(first.endpoint.port), from_tag="bob-0", to_tag="alice")
            proxy.answer(sdp(0), from_tag="bob-0", to_tag="alice")
        assert await heard(proxy, alice, for_alice, second) == [(rtp(1), for_second)]
        assert await heard(proxy, second, for_second, alice) == [(rtp(1), for_alice)]
        assert first.is_silent()


class TestPorts:
    async def test_an_endpoint_that_comes_back_gives_the_same_ports_again(self, proxy, phones, interfaces):
        alice, elsewhere, bob = phones(), phones(), phones()
        offered, answered = connect(proxy, sdp(alice.endpoint.port), sdp(bob.endpoint.port))
        moved = proxy.offer(sdp(elsewhere.endpoint.port), to_tag="bob")
        proxy.answer(sdp(bob.endpoint.port))
        back = proxy.offer(sdp(alice.endpoint.port), to_tag="bob")
        proxy.answer(sdp(bob.endpoint.port))
        assert ports(moved) != ports(offered) == ports(back)
        assert interfaces.pools[0].in_use == 6
        (for_bob,), (for_alice,) = ports(back), ports(answered)
        assert await heard(proxy, alice, for_alice, bob) == [(rtp(1), for_bob)]
        assert await heard(proxy, bob, for_bob, alice) == [(rtp(1), for_alice)]
        states = [face.state for face in proxy.call().find_leg("bob").media[0].faces]
        assert states == [FaceState.SUPERSEDED, FaceState.CURRENT]

    async def test_an_endpoint_that_moves_back_before_the_answer_keeps_the_ports(self, proxy):
        offered, _ = connect(proxy)
        proxy.offer(sdp(4020), to_tag="bob")
        assert ports(proxy.offer(sdp(4000), to_tag="bob")) == ports(offered)
        proxy.answer(sdp(5000))
        (sink,) = proxy.call().find_leg("alice").media[0].faces[0].rtp.sinks
        assert [sink.port.endpoint.port] == ports(offered)

    async def test_port_latching_keeps_the_ports_whatever_moves(self, proxy):
        offered, _ = connect(proxy)
        assert ports(proxy.offer(sdp(4020), to_tag="bob", flags=["port-latching"])) == ports(offered)
        proxy.answer(sdp(5000))
        # Either endpoint is that of these ports now.
        assert ports(proxy.offer(sdp(4020), to_tag="bob")) == ports(offered)
        assert ports(proxy.offer(sdp(4000), to_tag="bob")) == ports(offered)
        assert ports(proxy.offer(sdp(4040), to_tag="bob")) != ports(offered)

    async def test_a_phone_with_ice_keeps_the_ports_unless_told_otherwise(self, proxy):
        offered, _ = connect(proxy)
        with_ice = sdp(4020, attributes=["ice-ufrag:abcd", "ice-pwd:" + 22 * "x"])
        assert ports(proxy.offer(with_ice, to_tag="bob")) == ports(offered)
        proxy.answer(sdp(5000))
        moved = with_ice.replace("4020", "4040")
        assert ports(proxy.offer(moved, to_tag="bob", flags=["no-port-latching"])) != ports(offered)

    @pytest.mark.parametrize("direction", ["sendonly", "inactive"])
    async def test_a_music_server_moves_no_ports_of_who_only_listens(self, proxy, direction):
        offered, _ = connect(proxy)
        held = proxy.offer(sdp(4060, direction=direction), to_tag="bob")
        proxy.answer(sdp(5000, direction="recvonly"))
        resumed = proxy.offer(sdp(4000), to_tag="bob")
        assert ports(offered) == ports(held) == ports(resumed)

    async def test_no_number_of_endpoints_is_remembered_for_ever(self, proxy):
        connect(proxy)
        for number in range(20):
            proxy.offer(sdp(4000 + 2 * number), to_tag="bob", flags=["port-latching"])
            proxy.answer(sdp(5000))
        (face,) = proxy.call().find_leg("bob").media[0].faces
        assert len(face.keys) == 4


class TestMediaByName:
    A, V = ("a", "audio", 4000), ("v", "video", 4100)
    TO_A, TO_V = ("a", "audio", 5000), ("v", "video", 5100)

    def connect(self, proxy):
        return connect(proxy, media(self.A, self.V), media(self.TO_A, self.TO_V))

    async def test_media_in_another_order_keep_their_ports(self, proxy, interfaces):
        offered, answered = self.connect(proxy)
        reoffered = proxy.offer(media(self.V, self.A), to_tag="bob")
        reanswered = proxy.answer(media(self.TO_V, self.TO_A))
        assert kinds(reoffered) == kinds(reanswered) == ["video", "audio"]
        assert ports(reoffered) == ports(offered)[::-1]
        assert ports(reanswered) == ports(answered)[::-1]
        assert interfaces.pools[0].in_use == 8

    async def test_media_in_another_order_reach_their_own_kind(self, proxy, phones):
        alice, alice_video, bob, bob_video = phones(), phones(), phones(), phones()
        a, v = ("a", "audio", alice.endpoint.port), ("v", "video", alice_video.endpoint.port)
        to_a, to_v = ("a", "audio", bob.endpoint.port), ("v", "video", bob_video.endpoint.port)
        connect(proxy, media(a, v), media(to_a, to_v))
        video, audio = ports(proxy.offer(media(v, a), to_tag="bob"))
        for_video, for_audio = ports(proxy.answer(media(to_v, to_a)))
        assert await heard(proxy, alice, for_audio, bob) == [(rtp(1), audio)]
        assert await heard(proxy, alice_video, for_video, bob_video) == [(rtp(1), video)]
        assert await heard(proxy, bob, audio, alice) == [(rtp(1), for_audio)]

    async def test_the_callee_who_names_nothing_is_understood_by_place(self, proxy):
        self.connect(proxy)
        reoffered = proxy.offer(media(self.V, self.A), to_tag="bob")
        reanswered = proxy.answer(sdp(0, media=[("video", 5100, ()), ("audio", 5000, ())]))
        turned = proxy.offer(
            sdp(0, media=[("video", 5100, ()), ("audio", 5000, ())]), from_tag="bob", to_tag="alice"
        )
        assert ports(turned) == ports(reanswered)
        again = proxy.answer(media(self.V, self.A), from_tag="bob", to_tag="alice")
        assert ports(again) == ports(reoffered)

    async def test_a_name_that_turns_up_with_another_kind_is_another_media(self, proxy):
        offered, _ = self.connect(proxy)
        swapped = media(("v", "audio", 4000), ("a", "video", 4100))
        assert ports(proxy.offer(swapped, to_tag="bob")) == ports(offered)

    async def test_a_media_that_is_left_out_is_closed(self, proxy, interfaces):
        offered, answered = self.connect(proxy)
        assert ports(proxy.offer(media(self.V), to_tag="bob")) == ports(offered)[1:]
        assert ports(proxy.answer(media(self.TO_V))) == ports(answered)[1:]
        await wait_all_tasks_blocked()
        assert interfaces.pools[0].in_use == 4
        # It may come back, with ports of its own.
        restored = proxy.offer(media(self.V, self.A), to_tag="bob")
        assert ports(restored)[0] == ports(offered)[1]
        assert ports(proxy.answer(media(self.TO_V, self.TO_A)))[0] == ports(answered)[1]
        await wait_all_tasks_blocked()
        assert interfaces.pools[0].in_use == 8

    async def test_a_media_is_added_in_front_of_another(self, proxy, phones):
        alice, bob = phones(), phones()
        a, to_a = ("a", "audio", alice.endpoint.port), ("a", "audio", bob.endpoint.port)
        offered, answered = connect(proxy, media(a), media(to_a))
        assert ports(proxy.offer(media(self.V, a), to_tag="bob"))[1:] == ports(offered)
        assert ports(proxy.answer(media(self.TO_V, to_a)))[1:] == ports(answered)
        (for_bob,), (for_alice,) = ports(offered), ports(answered)
        assert await heard(proxy, alice, for_alice, bob) == [(rtp(1), for_bob)]

    async def test_a_named_media_keeps_its_ports_when_a_new_one_comes_in_front(self, proxy):
        audio, video, screen = (
            ("audio", 4000, ["mid:a"]),
            ("video", 4010, ["mid:v"]),
            ("video", 4020, ["mid:s"]),
        )
        proxy.offer(sdp(0, media=[audio, video]))
        proxy.answer(sdp(0, media=[audio, video], address="127.0.0.2"))
        for_video = ports(proxy.offer(sdp(0, media=[video]), to_tag="bob"))
        proxy.answer(sdp(0, media=[video], address="127.0.0.2"))
        offered = proxy.offer(sdp(0, media=[screen, video]), to_tag="bob")
        assert ports(offered)[1:] == for_video

    async def test_names_without_end_take_no_slots_without_end(self, proxy, interfaces):
        self.connect(proxy)
        for number in range(20):
            a = (f"a{number}", "audio", 4000)
            proxy.offer(media(self.V, a) if number % 2 else media(a, self.V), to_tag="bob")
            proxy.answer(media(self.TO_V, self.TO_A) if number % 2 else media(self.TO_A, self.TO_V))
        await wait_all_tasks_blocked()
        assert len(proxy.call().find_leg("alice").media) <= 3
        assert interfaces.pools[0].in_use == 8

    async def test_audio_gives_way_to_fax_in_its_place(self, proxy):
        offered, answered = connect(proxy)
        fax = sdp(0, media=[("image", 4000, ())])
        assert ports(proxy.offer(fax, to_tag="bob")) == ports(offered)
        assert ports(proxy.answer(sdp(0, media=[("image", 5000, ())]))) == ports(answered)
        assert proxy.call().find_leg("alice").media[0].faces[0].rtp.is_opaque


class TestBodies:
    async def test_two_sessions_in_one_body_are_refused(self, proxy, calls):
        with pytest.raises(InvalidSdp):
            proxy.offer(sdp(4000) + sdp(4100))
        assert len(calls) == 0

    async def test_what_follows_an_empty_line_is_none_of_it(self, proxy):
        offered = proxy.offer(sdp(4000) + "\r\nm=video 4100 RTP/AVP 96\r\n")
        assert kinds(offered) == ["audio"]
        assert "video" not in offered.text

    async def test_a_leg_cannot_talk_to_itself_under_two_names(self, proxy):
        proxy.offer(sdp(4000), alias_key="address")
        proxy.answer(sdp(5000))
        proxy.offer(sdp(4000), from_tag="alice-2", to_tag="bob", alias_key="address")
        with pytest.raises(InvalidSessionState):
            proxy.offer(sdp(4000), from_tag="alice-2", to_tag="alice")
