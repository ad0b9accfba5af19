"""RTP and RTCP on one port (RFC 5761): what each side is told, and where RTCP really arrives."""

import socket

import pytest
import trio

from karl_trio.calls.statistics import query_reply
from karl_trio.errors import NotSupported
from karl_trio.sdp.description import parse

from ..media.fakes import receiver_report, rtp
from .proxy import ports, sdp

MUX = ("rtcp-mux",)
PLAIN = ()


def told(section):
    """What an SDP says: the words in which the reference describes it (NG_REFERENCE, 5)."""
    rtcp = section.attributes.first("rtcp")
    where = {None: "", str(section.port): "one port", str(section.port + 1): "two ports"}[rtcp]
    return where + (", mux" if "rtcp-mux" in section.attributes else "")


BOTH, ONE, TWO = "two ports, mux", "one port, mux", "two ports"

# Words of rtcp-mux, what Alice offers, what Bob is told, what he answers, what Alice is told.
EXCHANGES = [
    ([], PLAIN, TWO, PLAIN, TWO),
    ([], MUX, BOTH, PLAIN, TWO),
    ([], MUX, BOTH, MUX, ONE),
    (["offer"], PLAIN, BOTH, PLAIN, TWO),
    (["offer"], PLAIN, BOTH, MUX, TWO),
    (["offer"], MUX, BOTH, PLAIN, TWO),
    (["offer"], MUX, BOTH, MUX, ONE),
    (["require"], PLAIN, ONE, PLAIN, TWO),
    (["require"], PLAIN, ONE, MUX, TWO),
    (["require"], MUX, ONE, MUX, ONE),
    (["offer", "require"], PLAIN, ONE, MUX, TWO),
    (["demux"], PLAIN, TWO, PLAIN, TWO),
    (["demux"], MUX, TWO, PLAIN, ONE),
    (["demux", "reject"], MUX, TWO, PLAIN, TWO),
    (["offer", "demux"], MUX, BOTH, MUX, ONE),
    (["accept"], PLAIN, TWO, PLAIN, TWO),
    (["accept"], MUX, BOTH, PLAIN, ONE),
    (["accept"], MUX, BOTH, MUX, ONE),
    (["reject"], PLAIN, TWO, PLAIN, TWO),
    (["reject"], MUX, BOTH, PLAIN, TWO),
    (["reject"], MUX, BOTH, MUX, TWO),
    (["offer", "accept"], PLAIN, BOTH, MUX, TWO),
    (["offer", "accept"], MUX, BOTH, PLAIN, ONE),
    (["offer", "reject"], MUX, BOTH, MUX, TWO),
    (["require", "accept"], MUX, ONE, PLAIN, ONE),
    (["require", "reject"], MUX, ONE, MUX, TWO),
]


async def rtcp_arrives(speaker, its_socket, to_port, listener, at_socket, from_port):
    """Send RTCP as the speaker would, and see at which socket of the listener it arrives, and from where."""
    its_socket.sendto(receiver_report(), ("127.0.0.1", to_port))
    assert await listener.hear(1, at_socket) == [(receiver_report(), from_port)]
    assert speaker.is_silent()


async def rtcp_flows(alice, bob, for_alice, for_bob, *, alice_muxes, bob_muxes):
    """See that RTCP goes both ways, from and to the ports that each side was told."""
    ways = [
        (phone, phone.rtp, section.port) if muxes else (phone, phone.rtcp, section.rtcp_endpoint.port)
        for phone, section, muxes in ((alice, for_alice, alice_muxes), (bob, for_bob, bob_muxes))
    ]
    for one, other in (ways, ways[::-1]):
        await rtcp_arrives(*one, *other)


async def rtp_flows(alice, bob, for_alice, for_bob):
    alice.say(rtp(1), for_alice.port)
    bob.say(rtp(1, ssrc=9), for_bob.port)
    assert await bob.hear(1) == [(rtp(1), for_bob.port)]
    assert await alice.hear(1) == [(rtp(1, ssrc=9), for_alice.port)]


@pytest.mark.parametrize(("wishes", "offer", "bob_told", "answer", "alice_told"), EXCHANGES)
async def test_rtcp_arrives_where_each_side_was_told(
    proxy, phones, wishes, offer, bob_told, answer, alice_told
):
    alice, bob = phones(), phones()
    offered = proxy.offer(sdp(alice.endpoint.port, attributes=offer), rtcp_mux=wishes)
    assert told(offered.media[0]) == bob_told
    # The same words with the answer change nothing.
    answered = proxy.answer(sdp(bob.endpoint.port, attributes=answer), rtcp_mux=wishes)
    assert told(answered.media[0]) == alice_told
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = offered.media, answered.media
    await rtp_flows(alice, bob, for_alice, for_bob)
    await rtcp_flows(alice, bob, for_alice, for_bob, alice_muxes=alice_told == ONE, bob_muxes=answer == MUX)


async def test_sides_that_share_a_port_take_one_port_each(proxy, interfaces):
    proxy.offer(sdp(4000, attributes=MUX), rtcp_mux=["require"])
    assert interfaces.pools[0].in_use == 3
    proxy.answer(sdp(5000, attributes=MUX))
    await trio.testing.wait_all_tasks_blocked()
    assert sum(1 for _ in proxy.call().streams) == 2
    # Another one fits into the other half of Bob's pair.
    proxy.offer(sdp(4100, attributes=MUX), call_id="call-2", rtcp_mux=["require"])
    assert sorted(
        stream.port.endpoint.port % 2 for call in ("call-1", "call-2") for stream in proxy.call(call).streams
    ) == [0, 0, 0, 1, 1]


async def test_a_side_that_shares_a_port_is_offered_nothing_else_later(proxy):
    first = proxy.offer(sdp(4000, attributes=MUX))
    proxy.answer(sdp(5000, attributes=MUX))
    again = proxy.offer(sdp(4000, attributes=MUX), to_tag="bob")
    assert told(again.media[0]) == ONE
    assert ports(again) == ports(first)
    # Nor if the other side no longer shares its own.
    assert told(proxy.offer(sdp(4000), to_tag="bob").media[0]) == ONE


async def test_from_one_port_to_two_and_back_by_re_invite(proxy, phones):
    alice, bob = phones(), phones()
    shared = sdp(alice.endpoint.port, attributes=MUX)
    offered = proxy.offer(shared)
    answered = proxy.answer(sdp(bob.endpoint.port, attributes=MUX))
    assert told(answered.media[0]) == ONE

    # Alice wants two ports from now on, Bob is to have two as well.
    offered = proxy.offer(sdp(alice.endpoint.port), to_tag="bob", rtcp_mux=["demux"])
    assert told(offered.media[0]) == TWO
    answered = proxy.answer(sdp(bob.endpoint.port))
    assert told(answered.media[0]) == TWO
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = offered.media, answered.media
    await rtp_flows(alice, bob, for_alice, for_bob)
    await rtcp_flows(alice, bob, for_alice, for_bob, alice_muxes=False, bob_muxes=False)

    # And back.
    offered = proxy.offer(shared, to_tag="bob")
    assert told(offered.media[0]) == BOTH
    answered = proxy.answer(sdp(bob.endpoint.port, attributes=MUX))
    assert told(answered.media[0]) == ONE
    await trio.testing.wait_all_tasks_blocked()
    assert (ports(offered), ports(answered)) == ([for_bob.port], [for_alice.port])
    await rtcp_flows(alice, bob, *answered.media, *offered.media, alice_muxes=True, bob_muxes=True)


@pytest.mark.parametrize(
    ("wishes", "attributes", "alice_told"),
    [([], MUX, TWO), (["accept"], MUX, ONE), (["offer"], PLAIN, TWO)],
)
async def test_a_side_that_refuses_to_share_its_port_any_longer_keeps_its_rtcp(
    proxy, phones, interfaces, wishes, attributes, alice_told
):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port, attributes=attributes), rtcp_mux=wishes)
    proxy.answer(sdp(bob.endpoint.port, attributes=MUX))

    # Bob is told of one port only, and refuses.
    offered = proxy.offer(sdp(alice.endpoint.port, attributes=attributes), to_tag="bob", rtcp_mux=wishes)
    assert told(offered.media[0]) == ONE
    answered = proxy.answer(sdp(bob.endpoint.port))
    assert told(answered.media[0]) == alice_told
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = offered.media, answered.media
    await rtp_flows(alice, bob, for_alice, for_bob)
    await rtcp_flows(alice, bob, for_alice, for_bob, alice_muxes=alice_told == ONE, bob_muxes=False)
    await rtp_flows(alice, bob, for_alice, for_bob)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        stranger.sendto(receiver_report(), ("127.0.0.1", for_bob.port))
    await rtp_flows(alice, bob, for_alice, for_bob)
    assert alice.is_silent()
    total = proxy.query()["totals"]["RTCP"]
    assert (total["packets"], total["errors"]) == (1 if alice_told == ONE else 2, 1)

    # The next offer tells of two ports again.
    offered = proxy.offer(sdp(alice.endpoint.port, attributes=MUX), to_tag="bob", rtcp_mux=["accept"])
    assert told(offered.media[0]) == BOTH
    answered = proxy.answer(sdp(bob.endpoint.port))
    assert told(answered.media[0]) == ONE
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = offered.media, answered.media
    await rtp_flows(alice, bob, for_alice, for_bob)
    await rtcp_flows(alice, bob, for_alice, for_bob, alice_muxes=True, bob_muxes=False)

    proxy.delete(delete_delay=0)
    await trio.testing.wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 0


async def test_a_side_with_two_ports_that_refuses_to_share_one_has_its_rtcp_where_it_was_told(proxy, phones):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port))
    proxy.answer(sdp(bob.endpoint.port))
    offered = proxy.offer(sdp(alice.endpoint.port), to_tag="bob", rtcp_mux=["require"])
    assert told(offered.media[0]) == ONE
    answered = proxy.answer(sdp(bob.endpoint.port))
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = offered.media, answered.media
    await rtp_flows(alice, bob, for_alice, for_bob)
    await rtcp_flows(alice, bob, for_alice, for_bob, alice_muxes=False, bob_muxes=False)


async def test_rtcp_that_would_come_back_to_us_through_a_port_it_shares_goes_nowhere(proxy):
    (for_bob,) = ports(proxy.offer(sdp(4000, attributes=MUX)))
    (for_alice,) = ports(proxy.answer(sdp(5000, attributes=MUX)))
    latching = {"flags": ["port-latching"], "rtcp_mux": ["accept"]}
    offered = proxy.offer(sdp(for_bob, attributes=MUX), to_tag="bob", **latching)
    answered = proxy.answer(sdp(5000, attributes=[f"rtcp:{for_alice}"]), **latching)
    assert (ports(offered), ports(answered)) == ([for_bob], [for_alice])
    await trio.testing.wait_all_tasks_blocked()
    (face,) = proxy.call().find_leg("bob").media[0].faces
    face.rtcp.send(receiver_report())
    await trio.sleep(0.05)
    assert sum(stream.packets for stream in proxy.call().streams) < 10
    assert face.rtcp.drops == {"circle": 1}


async def test_a_side_that_refuses_what_we_offer_of_our_own_keeps_its_rtcp(proxy, phones, interfaces):
    alice, bob = phones(), phones()
    made = []
    for tag, phone in (("alice", alice), ("bob", bob)):
        made += parse(proxy.create(from_tag=tag, rtcp_mux=["require"]).sdp).media
        assert told(made[-1]) == ONE
        proxy.create_answer(sdp(phone.endpoint.port, attributes=MUX if phone is bob else PLAIN), from_tag=tag)
    assert interfaces.pools[0].in_use == 2
    proxy.connect("bob", from_tag="alice")
    await trio.testing.wait_all_tasks_blocked()
    await rtp_flows(alice, bob, *made)
    await rtcp_flows(alice, bob, *made, alice_muxes=False, bob_muxes=True)


async def test_what_an_earlier_offer_asked_for_does_not_bind_a_later_one(proxy):
    proxy.offer(sdp(4000, attributes=MUX), rtcp_mux=["accept"])
    assert told(proxy.answer(sdp(5000)).media[0]) == ONE
    proxy.offer(sdp(4000, attributes=MUX), to_tag="bob")
    assert told(proxy.answer(sdp(5000)).media[0]) == TWO


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "a=rtcp:{port}"),
        (["full-rtcp-attribute"], "a=rtcp:{port} IN IP4 127.0.0.1"),
        (["no-rtcp-attribute"], None),
        (["no-rtcp-attribute", "full-rtcp-attribute"], None),
    ],
)
async def test_the_rtcp_line_is_short_full_or_left_out(proxy, flags, line):
    offered = proxy.offer(sdp(4000, attributes=["rtcp:4001", *MUX]), flags=flags)
    lines = [text for text in offered.text.splitlines() if text.startswith("a=rtcp:")]
    assert lines == ([] if line is None else [line.format(port=offered.media[0].port + 1)])
    assert "a=rtcp-mux" in offered.text
    answered = proxy.answer(sdp(5000, attributes=MUX), flags=flags)
    lines = [text for text in answered.text.splitlines() if text.startswith("a=rtcp:")]
    assert lines == ([] if line is None else [line.format(port=answered.media[0].port)])


@pytest.mark.parametrize("direction", [None, "sendonly", "inactive"])
async def test_original_sendrecv_copies_the_direction_as_it_was_or_was_not(proxy, direction):
    offered = proxy.offer(sdp(4000, direction=direction), flags=["original-sendrecv"])
    found = [line for line in offered.text.splitlines() if line in {"a=sendrecv", "a=sendonly", "a=inactive"}]
    assert found == ([] if direction is None else [f"a={direction}"])


async def test_query_says_which_legs_share_their_port(proxy):
    proxy.offer(sdp(4000, attributes=MUX), rtcp_mux=["demux"])
    proxy.answer(sdp(5000))
    tags = query_reply(proxy.call(), None, None)["tags"]
    assert "rtcp-mux" in tags["alice"]["medias"][0]["flags"]
    assert "rtcp-mux" not in tags["bob"]["medias"][0]["flags"]


async def test_webrtc_is_short_for_what_a_browser_wants(proxy):
    """What of it needs ICE and DTLS is refused for now; the rest works when those are taken back."""
    with pytest.raises(NotSupported):
        proxy.offer(sdp(4000), flags=["WebRTC"])
    offered = proxy.offer(sdp(4000), flags=["WebRTC", "ICE=remove", "RTP/AVP"])
    assert told(offered.media[0]) == ", mux"
    assert offered.media[0].mid == "1"
    answered = proxy.answer(sdp(5000, attributes=[*MUX, "mid:1"]))
    assert told(answered.media[0]) == TWO
    assert answered.media[0].mid is None
