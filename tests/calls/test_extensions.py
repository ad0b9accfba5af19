"""RTP header extensions that a leg is not told of: neither in the SDP nor in the packets."""

import pytest
import trio

from karl_trio.calls.statistics import query_reply
from karl_trio.ng.requests import structure

from ..media.fakes import rtp
from ..rtp.test_extension import packet
from .proxy import ports, sdp

OFFERED = ("extmap:1 urn:a", "extmap:2 urn:b", "extmap:3/sendonly urn:c", "extmap:4 urn:d")
SENT = [(1, b"one"), (2, b"two"), (3, b"three"), (4, b"four")]


def extensions(description):
    return [str(extension) for extension in description.media[0].extensions]


async def connected(
    proxy, alice, bob, *, answer=OFFERED[:2], offer_keys=None, answer_keys=None, secure=False
):
    """Put a call through; return what Bob and Alice are told, and the ports that they are told."""
    bodies = [sdp(alice.endpoint.port, attributes=OFFERED), sdp(bob.endpoint.port, attributes=answer)]
    if secure:
        bodies = [body.replace("RTP/AVP", "RTP/SAVP") for body in bodies]
    offered = proxy.offer(bodies[0], **(offer_keys or {}))
    answered = proxy.answer(bodies[1], **(answer_keys or {}))
    await trio.testing.wait_all_tasks_blocked()
    (for_bob,), (for_alice,) = ports(offered), ports(answered)
    return extensions(offered), extensions(answered), for_alice, for_bob


CASES = {
    "nothing": (
        {},
        {},
        ["1 urn:a", "2 urn:b", "3/sendonly urn:c", "4 urn:d"],
        ["1 urn:a", "2 urn:b"],
        [1, 2, 3, 4],
    ),
    "strip": (
        {"extmap": {"strip": ["urn:c"]}},
        {},
        ["1 urn:a", "2 urn:b", "4 urn:d"],
        ["1 urn:a", "2 urn:b"],
        [1, 2],
    ),
    "strip in both": (
        {"extmap": {"strip": "urn:c,urn:d"}},
        {"extmap": {"strip": ["urn:a"]}},
        ["1 urn:a", "2 urn:b"],
        ["2 urn:b"],
        [2],
    ),
    "mask": (
        {"extmap": {"mask": ["urn:c"]}},
        # It counts in offers only.
        {"extmap": {"mask": ["urn:a"]}},
        ["1 urn:a", "2 urn:b", "4 urn:d"],
        ["3/recvonly urn:c", "1 urn:a", "2 urn:b"],
        [1, 2],
    ),
    "mask what is stripped": (
        {"extmap": {"strip": ["urn:c"], "mask": ["urn:c"]}},
        {},
        None,
        ["1 urn:a", "2 urn:b"],
        [1, 2],
    ),
    "mask all": (
        {"extmap": {"mask": ["all"]}},
        {},
        [],
        ["1 urn:a", "2 urn:b", "3/recvonly urn:c", "4 urn:d"],
        [],
    ),
    "strip-extmap": ({"flags": ["strip-extmap"]}, {"flags": ["strip-extmap"]}, [], [], []),
    "strip-extmap in the answer": ({}, {"flags": ["strip-extmap"]}, None, [], []),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_leg_gets_only_the_extensions_that_it_was_told_of(proxy, phones, case):
    offer_keys, answer_keys, bob_told, alice_told, passed = CASES[case]
    alice, bob = phones(), phones()
    for_bob_sdp, for_alice_sdp, for_alice, for_bob = await connected(
        proxy,
        alice,
        bob,
        answer=() if bob_told == [] else OFFERED[:2],
        offer_keys=offer_keys,
        answer_keys=answer_keys,
    )
    assert bob_told is None or for_bob_sdp == bob_told
    assert for_alice_sdp == alice_told
    assert proxy.warnings == ()
    whole = packet(SENT)
    left = packet([element for element in SENT if element[0] in passed] or None)
    for speaker, listener, port in ((alice, bob, for_alice), (bob, alice, for_bob)):
        speaker.say(whole, port)
        speaker.say(rtp(2), port)
        assert [datagram for datagram, _ in await listener.hear(2)] == [left, rtp(2)]


async def test_an_offer_without_the_key_tells_everything_again(proxy, phones):
    alice, bob = phones(), phones()
    keys = {"extmap": {"mask": ["all"]}}
    *_, for_alice, _ = await connected(proxy, alice, bob, answer=(), offer_keys=keys)
    offered = proxy.offer(sdp(alice.endpoint.port, attributes=OFFERED), to_tag="bob")
    assert extensions(offered) == [line.removeprefix("extmap:") for line in OFFERED]
    assert extensions(proxy.answer(sdp(bob.endpoint.port, attributes=OFFERED[:1]))) == ["1 urn:a"]
    alice.say(packet(SENT), for_alice)
    assert [datagram for datagram, _ in await bob.hear(1)] == [packet(SENT)]


async def test_srtp_passes_with_all_its_extensions(proxy, phones):
    alice, bob = phones(), phones()
    keys = {"extmap": {"strip": ["all"]}}
    told, _, for_alice, _ = await connected(proxy, alice, bob, answer=(), offer_keys=keys, secure=True)
    assert told == []
    alice.say(packet(SENT), for_alice)
    assert [datagram for datagram, _ in await bob.hear(1)] == [packet(SENT)]


async def test_the_key_can_be_written_into_rtpp_flags():
    body = {
        "command": "offer",
        "call-id": "c",
        "from-tag": "a",
        "sdp": "",
        "rtpp-flags": "extmap=[strip=[urn:a urn:b]]",
    }
    assert structure(body).extmap == {"strip": ("urn:a", "urn:b")}
    body = {**body, "rtpp-flags": "", "extmap": {"stripp": ["urn:a"]}}
    assert structure(body).warnings == ("unknown extmap operation 'stripp', did you mean 'strip'?",)


async def test_packets_whose_extensions_are_filtered_count_with_the_size_that_left(proxy, phones):
    alice, bob = phones(), phones()
    *_, for_alice, _ = await connected(proxy, alice, bob, offer_keys={"extmap": {"mask": ["all"]}}, answer=())
    alice.say(packet(SENT), for_alice)
    await bob.hear(1)
    tags = query_reply(proxy.call(), None, None)["tags"]
    assert tags["alice"]["medias"][0]["streams"][0]["stats"]["bytes"] == len(packet(SENT))
    assert tags["bob"]["medias"][0]["streams"][0]["stats_out"]["bytes"] == len(packet())
