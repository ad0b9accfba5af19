"""What an offer and its answer do to ports, SDP and streams."""

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.media import FaceState
from karl_trio.endpoint import Endpoint
from karl_trio.errors import (
    InvalidParameters,
    InvalidSdp,
    InvalidSessionState,
    NotSupported,
    OutOfPorts,
    SessionLimitReached,
    UnknownCall,
)
from karl_trio.sdp.attributes import Direction

from .conftest import PORTS, make_interfaces
from .proxy import ports, sdp


def faces(proxy, tag):
    """Our faces toward a leg, for its first media."""
    return proxy.call().find_leg(tag).media[0].faces


def sinks(stream):
    return [sink.port.endpoint.port for sink in stream.sinks]


async def test_media_comes_to_us_in_both_directions(proxy):
    offered = proxy.offer(sdp(4000))
    answered = proxy.answer(sdp(5000))
    (to_bob,), (to_alice,) = ports(offered), ports(answered)
    assert {to_bob, to_alice} < set(PORTS)
    assert to_bob % 2 == to_alice % 2 == 0
    assert offered.media[0].rtcp_endpoint == Endpoint("127.0.0.1", to_bob + 1)
    alice, bob = faces(proxy, "alice")[0], faces(proxy, "bob")[0]
    assert (alice.rtp.port.endpoint.port, bob.rtp.port.endpoint.port) == (to_alice, to_bob)
    assert (sinks(alice.rtp), sinks(bob.rtp)) == ([to_bob], [to_alice])
    assert alice.rtp.latch.destination == Endpoint("127.0.0.1", 4000)
    assert bob.rtp.latch.destination == Endpoint("127.0.0.1", 5000)
    assert bob.rtcp.latch.destination == Endpoint("127.0.0.1", 5001)


async def test_the_same_answer_again_changes_nothing(proxy, interfaces):
    proxy.offer(sdp(4000))
    first = proxy.answer(sdp(5000))
    again = proxy.answer(sdp(5000))
    assert again == first
    assert interfaces.pools[0].in_use == 4


async def test_a_reoffer_keeps_its_ports_if_the_endpoint_stays(proxy, interfaces):
    offered, answered = proxy.offer(sdp(4000)), proxy.answer(sdp(5000))
    assert ports(proxy.offer(sdp(4000, version=2), to_tag="bob")) == ports(offered)
    assert ports(proxy.answer(sdp(5000, version=2))) == ports(answered)
    assert interfaces.pools[0].in_use == 4


async def test_a_moved_endpoint_gives_the_other_side_new_ports(proxy):
    offered, answered = proxy.offer(sdp(4000)), proxy.answer(sdp(5000))
    reoffered = proxy.offer(sdp(4020), to_tag="bob")
    assert ports(reoffered) != ports(offered)
    assert faces(proxy, "alice")[0].rtp.latch.destination == Endpoint("127.0.0.1", 4020)
    # Until Bob answers, he is spoken to from the port that he knows.
    assert sinks(faces(proxy, "alice")[0].rtp) == ports(offered)
    reanswered = proxy.answer(sdp(5000))
    assert ports(reanswered) == ports(answered)
    assert sinks(faces(proxy, "alice")[0].rtp) == ports(reoffered)
    # What Bob still sends to the old port is heard.
    assert [face.state for face in faces(proxy, "bob")] == [FaceState.SUPERSEDED, FaceState.CURRENT]
    assert sinks(faces(proxy, "bob")[0].rtp) == ports(answered)


async def test_a_reoffer_from_the_callee_moves_his_endpoint(proxy):
    offered, answered = proxy.offer(sdp(4000)), proxy.answer(sdp(5000))
    reoffered = proxy.offer(sdp(5020), from_tag="bob", to_tag="alice")
    assert not {*ports(reoffered)} & {*ports(offered), *ports(answered)}
    reanswered = proxy.answer(sdp(4000), from_tag="bob", to_tag="alice")
    assert ports(reanswered) == ports(offered)
    assert sinks(faces(proxy, "bob")[0].rtp) == ports(reoffered)


async def test_a_storm_of_reoffers_holds_a_bounded_number_of_ports(proxy, interfaces):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    for number in range(30):
        proxy.offer(sdp(4002 + 2 * number), to_tag="bob")
        proxy.answer(sdp(5002 + 2 * number))
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use <= 20


async def test_hold_stops_media_and_resume_starts_it_again(proxy):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    held = proxy.offer(sdp(4000, direction="sendonly"), to_tag="bob")
    assert held.media[0].direction is Direction.SENDONLY
    proxy.answer(sdp(5000, direction="recvonly"))
    alice, bob = faces(proxy, "alice")[0], faces(proxy, "bob")[0]
    assert alice.rtp.sinks == (bob.rtp,)
    assert bob.rtp.sinks == ()
    assert bob.rtcp.rtcp_sinks == (alice.rtcp,)
    proxy.offer(sdp(4000, direction="inactive"), to_tag="bob")
    proxy.answer(sdp(5000, direction="inactive"))
    assert (alice.rtp.sinks, bob.rtp.sinks) == ((), ())
    proxy.offer(sdp(4000), to_tag="bob")
    proxy.answer(sdp(5000))
    assert (alice.rtp.sinks, bob.rtp.sinks) == ((bob.rtp,), (alice.rtp,))


async def test_hold_by_zero_address_sends_nothing_and_keeps_the_ports(proxy):
    offered = proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    held = proxy.offer(sdp(4000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"), to_tag="bob")
    assert held.media[0].is_on_hold
    assert ports(held) == ports(offered)
    proxy.answer(sdp(5000))
    alice, bob = faces(proxy, "alice")[0], faces(proxy, "bob")[0]
    assert bob.rtp.sinks == ()
    assert alice.rtp.latch.destination == Endpoint("127.0.0.1", 4000)
    proxy.offer(sdp(4000), to_tag="bob")
    proxy.answer(sdp(5000))
    assert bob.rtp.sinks == (alice.rtp,)


async def test_a_call_may_begin_on_hold_by_zero_address(proxy):
    on_hold = sdp(4000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
    offered = proxy.offer(on_hold)
    proxy.answer(sdp(5000))
    assert faces(proxy, "alice")[0].rtp.latch.destination is None
    assert ports(proxy.offer(sdp(4000), to_tag="bob")) == ports(offered)
    proxy.answer(sdp(5000))
    assert faces(proxy, "alice")[0].rtp.latch.destination == Endpoint("127.0.0.1", 4000)


async def test_a_rejected_media_frees_its_ports(proxy, interfaces):
    media = [("audio", 4000, ()), ("video", 4002, ())]
    proxy.offer(sdp(0, media=media))
    assert interfaces.pools[0].in_use == 8
    answered = proxy.answer(sdp(0, media=[("audio", 5000, ()), ("video", 0, ())]))
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 4
    assert ports(answered)[1] == 0
    proxy.offer(sdp(0, media=[("audio", 4000, ()), ("video", 0, ())]), to_tag="bob")
    assert ports(proxy.answer(sdp(0, media=[("audio", 5000, ()), ("video", 0, ())])))[1] == 0
    assert interfaces.pools[0].in_use == 4


async def test_media_can_be_added_by_a_reoffer(proxy):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    offered = proxy.offer(sdp(0, media=[("audio", 4000, ()), ("video", 4002, ())]), to_tag="bob")
    answered = proxy.answer(sdp(0, media=[("audio", 5000, ()), ("video", 5002, ())]))
    assert len({*ports(offered), *ports(answered)}) == 4
    video = proxy.call().find_leg("alice").media[1].faces[0]
    assert sinks(video.rtp) == [ports(offered)[1]]


async def test_an_offer_of_rejected_media_only_is_answered(proxy, interfaces):
    assert ports(proxy.offer(sdp(0))) == [0]
    assert interfaces.pools[0].in_use == 0


async def test_fax_is_relayed_unread(proxy):
    proxy.offer(sdp(0, media=[("image", 4000, ())]))
    proxy.answer(sdp(0, media=[("image", 5000, ())]))
    assert faces(proxy, "alice")[0].rtp.is_opaque
    assert sinks(faces(proxy, "alice")[0].rtp) == [faces(proxy, "bob")[0].rtp.port.endpoint.port]


async def test_muxed_rtcp_is_settled_for_each_side_by_itself(proxy, interfaces):
    offered = proxy.offer(sdp(4000, attributes=["rtcp-mux"]))
    assert offered.media[0].rtcp_mux
    answered = proxy.answer(sdp(5000))
    assert not answered.media[0].rtcp_mux
    assert interfaces.pools[0].in_use == 4
    proxy.offer(sdp(4000, attributes=["rtcp-mux"]), to_tag="bob")
    answered = proxy.answer(sdp(5000, attributes=["rtcp-mux"]))
    assert answered.media[0].rtcp_mux
    await wait_all_tasks_blocked()
    alice, bob = faces(proxy, "alice")[0], faces(proxy, "bob")[0]
    assert alice.rtcp is None
    assert bob.rtcp is None
    assert alice.rtp.rtcp_sinks == (bob.rtp,)


@pytest.mark.parametrize(
    ("wish", "told", "settled"), [("demux", False, True), ("reject", True, False), ("accept", True, True)]
)
async def test_rtcp_mux_can_be_demultiplexed_rejected_or_accepted(proxy, wish, told, settled):
    offered = proxy.offer(sdp(4000, attributes=["rtcp-mux"]), rtcp_mux=[wish])
    assert offered.media[0].rtcp_mux is told
    answered = proxy.answer(sdp(5000, attributes=["rtcp-mux"] if told and wish != "accept" else []))
    assert answered.media[0].rtcp_mux is settled
    alice, bob = faces(proxy, "alice")[0], faces(proxy, "bob")[0]
    assert (alice.rtcp is None) is settled
    if bob.rtcp is not None:
        assert bob.rtcp.rtcp_sinks == (alice.rtp if settled else alice.rtcp,)


async def test_no_call_is_left_by_a_first_offer_that_fails(proxy, calls, interfaces):
    for body, error in (
        ("rubbish", InvalidSdp),
        (sdp(4000, address="224.0.0.1"), InvalidSdp),
        (sdp(4000, address="2001:db8::1"), InvalidParameters),
    ):
        with pytest.raises(error):
            proxy.offer(body)
    with pytest.raises(NotSupported):
        proxy.offer(sdp(4000), ICE="force")
    assert len(calls) == 0
    assert interfaces.pools[0].in_use == 0


async def test_a_failing_reoffer_leaves_the_call_as_it_was(proxy, calls, interfaces):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    before = [(face.state, face.rtp.sinks) for tag in ("alice", "bob") for face in faces(proxy, tag)]
    for body in ("rubbish", sdp(4000, address="239.1.1.1")):
        with pytest.raises(InvalidSdp):
            proxy.offer(body, to_tag="bob")
    with pytest.raises(NotSupported):
        proxy.offer(sdp(4020), to_tag="bob", transport_protocol="RTP/SAVP")
    with pytest.raises(InvalidSessionState):
        proxy.offer(sdp(4020), to_tag="alice")
    after = [(face.state, face.rtp.sinks) for tag in ("alice", "bob") for face in faces(proxy, tag)]
    assert after == before
    assert interfaces.pools[0].in_use == 4


class TestWithSixPorts:
    @pytest.fixture
    def interfaces(self):
        return make_interfaces("127.0.0.1", low=24400, high=24405)

    async def test_an_offer_that_finds_no_ports_for_all_its_media_takes_none(self, proxy, calls, interfaces):
        with pytest.raises(OutOfPorts):
            proxy.offer(sdp(0, media=[("audio", 4000, ()), ("video", 4002, ())]))
        assert len(calls) == 0
        assert interfaces.pools[0].in_use == 0
        proxy.offer(sdp(4000))
        assert interfaces.pools[0].in_use == 4

    async def test_a_reoffer_that_finds_no_ports_leaves_the_call_talking(self, proxy, interfaces):
        proxy.offer(sdp(4000))
        proxy.answer(sdp(5000))
        with pytest.raises(OutOfPorts):
            proxy.offer(sdp(0, media=[("audio", 4000, ()), ("video", 4002, ())]), to_tag="bob")
        assert len(faces(proxy, "alice")[0].rtp.sinks) == 1
        assert interfaces.pools[0].in_use == 4


async def test_an_answer_needs_an_offer(proxy):
    with pytest.raises(UnknownCall):
        proxy.answer(sdp(5000))
    proxy.offer(sdp(4000))
    with pytest.raises(InvalidSessionState):
        proxy.answer(sdp(5000), from_tag="mallory")
    with pytest.raises(InvalidSessionState):
        proxy.answer(sdp(5000), to_tag="alice")
    with pytest.raises(InvalidSdp):
        proxy.answer(sdp(0, media=[("audio", 5000, ()), ("video", 5002, ())]))


async def test_new_calls_beyond_the_limit_are_refused_and_known_ones_go_on(proxy, calls):
    calls.settings = type(calls.settings)(max_sessions=1)
    proxy.offer(sdp(4000))
    with pytest.raises(SessionLimitReached):
        proxy.offer(sdp(4100), call_id="call-2")
    proxy.answer(sdp(5000))
    proxy.offer(sdp(4020), to_tag="bob")
    assert calls.totals.rejected == 1


async def test_branches_of_a_forked_call_have_ports_of_their_own(proxy):
    first = proxy.offer(sdp(4000), via_branch="z9hG4bK-1")
    second = proxy.offer(sdp(4000), via_branch="z9hG4bK-2")
    assert ports(first) != ports(second)
    early = proxy.answer(sdp(5000), to_tag="bob-1", via_branch="z9hG4bK-1")
    final = proxy.answer(sdp(6000), to_tag="bob-2", via_branch="z9hG4bK-2")
    assert ports(early) != ports(final)
    call = proxy.call()
    assert {leg.tag for leg in call.legs} == {"alice", "bob-1", "bob-2"}
    # Alice is heard by both, and hears each from the port that he was announced with.
    for face in faces(proxy, "alice"):
        assert sorted(sinks(face.rtp)) == sorted([*ports(first), *ports(second)])
    assert sinks(faces(proxy, "bob-1")[0].rtp) == ports(early)
    assert sinks(faces(proxy, "bob-2")[0].rtp) == ports(final)


async def test_a_changed_to_tag_is_another_name_of_the_same_leg(proxy):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000), to_tag="early")
    proxy.answer(sdp(5000), to_tag="final")
    legs = proxy.call().legs
    assert len(legs) == 2
    assert legs[1].goes_by("early")
    assert legs[1].goes_by("final")
    assert legs[1].media[0].faces[0].rtp.latch.destination == Endpoint("127.0.0.1", 5000)


@pytest.mark.parametrize(
    "received_from", [["IP4", "127.0.0.77"], ["127.0.0.77"], "127.0.0.77", "IP4 127.0.0.77"]
)
async def test_sip_source_address_counts_instead_of_the_sdps(proxy, received_from):
    body = sdp(4000, address="127.0.0.9")
    proxy.offer(body, flags=["SIP-source-address"], received_from=received_from)
    assert faces(proxy, "alice")[0].rtp.latch.destination == Endpoint("127.0.0.77", 4000)
    # Without the flag, the SDP is believed.
    proxy.offer(body, call_id="call-2", received_from=received_from)
    (face,) = proxy.call("call-2").find_leg("alice").media[0].faces
    assert face.rtp.latch.destination == Endpoint("127.0.0.9", 4000)


class TestBetweenNetworks:
    @pytest.fixture
    def interfaces(self):
        return make_interfaces("inside/127.0.0.1", "outside/127.0.0.2!192.0.2.9", "six/::1")

    async def test_each_leg_sees_the_address_of_its_own_network(self, proxy):
        offered = proxy.offer(sdp(4000), direction=["inside", "outside"], replace=["origin"])
        answered = proxy.answer(sdp(5000, address="127.0.0.5"), replace=["origin"])
        assert offered.media[0].address == "192.0.2.9"
        assert offered.origin.address == "192.0.2.9"
        assert answered.media[0].address == "127.0.0.1"
        assert "127.0.0.2" not in offered.text + answered.text
        reoffered = proxy.offer(sdp(4020), to_tag="bob")
        assert reoffered.media[0].address == "192.0.2.9"

    async def test_calls_cross_between_ipv4_and_ipv6(self, proxy):
        offered = proxy.offer(sdp(4000), address_family="IP6")
        assert offered.media[0].address == "::1"
        answered = proxy.answer(sdp(5000, address="::1"))
        assert answered.media[0].address == "127.0.0.1"
        assert faces(proxy, "bob")[0].rtp.latch.destination == Endpoint("::1", 5000)

    async def test_media_address_is_what_the_other_side_is_told(self, proxy):
        offered = proxy.offer(sdp(4000), media_address="198.51.100.7")
        assert offered.media[0].address == "198.51.100.7"


async def test_the_version_in_the_origin_is_ours_if_asked_for(proxy):
    replace = ["origin-full"]
    first = proxy.offer(sdp(4000, version=10), replace=replace)
    proxy.answer(sdp(5000))
    unchanged = proxy.offer(sdp(4000, version=11), to_tag="bob", replace=replace)
    changed = proxy.offer(sdp(4000, version=12, direction="sendonly"), to_tag="bob", replace=replace)
    assert [first.origin.version, unchanged.origin.version, changed.origin.version] == [10, 10, 11]
    forced = proxy.offer(
        sdp(4000, version=12, direction="sendonly"), to_tag="bob", replace=["force-increment-sdp-ver"]
    )
    assert forced.origin.version == 12


async def test_loop_protect_marks_our_sdp_and_leaves_alone_what_bears_the_mark(proxy, calls):
    offered = proxy.offer(sdp(4000), flags=["loop-protect"])
    assert offered.loop_marks == [calls.loop_mark]
    again = proxy.offer(offered.text, call_id="call-2", from_tag="elsewhere", flags=["loop-protect"])
    assert again.text == offered.text
    assert len(calls) == 1


async def test_what_is_asked_for_in_vain_is_said(proxy):
    proxy.offer(sdp(4000, attributes=["ice-ufrag:abcd"]), flags=["inject-DTMF", "trust-address"])
    assert proxy.warnings == ("flag 'inject-dtmf' has no effect yet", "ICE is not there yet: it was removed")


async def test_ended_calls_give_back_their_ports(proxy, calls, interfaces):
    for number in range(20):
        proxy.offer(sdp(4000), call_id=f"call-{number}")
        proxy.answer(sdp(5000), call_id=f"call-{number}")
    assert interfaces.pools[0].in_use == 80
    for number in range(20):
        proxy.delete(call_id=f"call-{number}")
    assert len(calls) == 0
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 0
    assert calls.totals.managed == 20


async def test_an_answer_calls_the_media_what_the_offer_called_it(proxy):
    offered = proxy.offer(sdp(4000), flags=["generate-mid"])
    assert offered.media[0].mid == "1"
    assert proxy.answer(sdp(5000, attributes=["mid:1"])).media[0].mid is None
    proxy.offer(sdp(4000, attributes=["mid:voice"]), call_id="call-2")
    assert proxy.answer(sdp(5000), call_id="call-2").media[0].mid == "voice"


async def test_keys_pass_between_ends_that_encrypt_for_each_other(proxy):
    crypto = "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    secure = sdp(4000, attributes=[crypto]).replace("RTP/AVP", "RTP/SAVP")
    offered = proxy.offer(secure)
    assert f"a={crypto}" in offered.text
    proxy.answer(secure.replace("4000", "5000"))
    assert all(stream.is_secure for stream in proxy.call().streams)


async def test_an_answer_of_another_kind_of_media_is_refused(proxy):
    proxy.offer(sdp(0, media=[("image", 4000, ())]))
    with pytest.raises(InvalidSdp):
        proxy.answer(sdp(5000))
    assert ports(proxy.answer(sdp(0))) == [0]


async def test_rtcp_is_never_sent_to_a_zero_address(proxy):
    proxy.offer(sdp(4000, attributes=["rtcp:22222 IN IP4 0.0.0.0"]))
    proxy.answer(sdp(5000))
    assert faces(proxy, "alice")[0].rtp.latch.destination == Endpoint("127.0.0.1", 4000)
    assert faces(proxy, "alice")[0].rtcp.latch.destination is None
