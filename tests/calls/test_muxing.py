"""RTP and RTCP on one port (RFC 5761): what each side is told, and where RTCP really arrives."""

import pytest
import trio

from karl_trio.calls.statistics import query_reply
from karl_trio.errors import NotSupported

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


async def rtcp_arrives(speaker, listener, from_port, at_socket, *, at_port, mux):
    """Send RTCP as the speaker would, and see at which socket of the listener it arrives, and from where."""
    (speaker.rtp if mux else speaker.rtcp).sendto(
        receiver_report(), ("127.0.0.1", from_port if mux else from_port + 1)
    )
    assert await listener.hear(1, at_socket) == [(receiver_report(), at_port)]


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
    (for_bob,), (for_alice,) = ports(offered), ports(answered)
    alice_muxes, bob_muxes = alice_told == ONE, answer == MUX
    alice.say(rtp(1), for_alice)
    bob.say(rtp(1, ssrc=9), for_bob)
    await bob.hear(1)
    await alice.hear(1)
    if bob_muxes or bob_told != ONE:
        await rtcp_arrives(
            alice,
            bob,
            for_alice,
            bob.rtp if bob_muxes else bob.rtcp,
            at_port=for_bob if bob_muxes else for_bob + 1,
            mux=alice_muxes,
        )
        await rtcp_arrives(
            bob,
            alice,
            for_bob,
            alice.rtp if alice_muxes else alice.rtcp,
            at_port=for_alice if alice_muxes else for_alice + 1,
            mux=bob_muxes,
        )


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
    (for_bob,), (for_alice,) = ports(offered), ports(answered)
    for sequence in range(3):
        alice.say(rtp(sequence), for_alice)
        bob.say(rtp(sequence, ssrc=9), for_bob)
    await bob.hear(3)
    await alice.hear(3)
    await rtcp_arrives(alice, bob, for_alice, bob.rtcp, at_port=for_bob + 1, mux=False)
    await rtcp_arrives(bob, alice, for_bob, alice.rtcp, at_port=for_alice + 1, mux=False)

    # And back.
    offered = proxy.offer(shared, to_tag="bob")
    assert told(offered.media[0]) == BOTH
    answered = proxy.answer(sdp(bob.endpoint.port, attributes=MUX))
    assert told(answered.media[0]) == ONE
    await trio.testing.wait_all_tasks_blocked()
    assert (ports(offered), ports(answered)) == ([for_bob], [for_alice])
    await rtcp_arrives(alice, bob, for_alice, bob.rtp, at_port=for_bob, mux=True)
    await rtcp_arrives(bob, alice, for_bob, alice.rtp, at_port=for_alice, mux=True)


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
