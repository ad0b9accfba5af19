"""A3: RTP of a payload type that nobody has agreed to."""

import pytest

from karl_trio.client import NgClient

from .hosts import begin, rtp, sdp

FOREIGN = [rtp(number, ssrc=0xA11CE, payload_type=96) for number in range(100, 150)]


async def heard_from(talk, phone, listener, datagrams):
    listener.heard()
    await talk.send(phone.rtp, datagrams, (talk.for_alice if phone is talk.alice else talk.for_bob).rtp)
    return listener.heard()


@pytest.mark.parametrize(("strict", "is_heard"), [(True, False), (False, True)])
async def test_what_was_not_negotiated_is_not_relayed_even_from_the_phone_itself(
    autojump_clock, start, hosts, alice, bob, strict, is_heard
):
    daemon = await start(strict_source=strict)
    async with NgClient(daemon.ng_addresses) as client:
        talk = await begin(daemon, client, alice, bob)
        await talk.chat(0.1)
        assert (await heard_from(talk, alice, bob, FOREIGN) == FOREIGN) == is_heard
        stream = talk.stream(talk.for_alice.rtp)
        assert stream.drops.get("unknown_payload_type", 0) == (0 if is_heard else len(FOREIGN))
        assert await talk.is_intact()


async def test_each_phone_may_send_in_its_own_numbers_or_in_those_of_the_other(
    autojump_clock, daemon, client, alice, bob
):
    """Asymmetric payload types (RFC 3264, 5.1), and phones that get them wrong."""
    own = [
        sdp(phone.address, phone.port, media=f"m=audio {phone.port} RTP/AVP 0 {number}")
        for phone, number in ((alice, 96), (bob, 97))
    ]
    talk = await begin(daemon, client, alice, bob, alice_says=own[0], bob_says=own[1])
    said = [rtp(number, payload_type=kind) for number, kind in enumerate((0, 96, 97, 13))]
    assert await heard_from(talk, alice, bob, said) == said
    assert await heard_from(talk, bob, alice, said) == said


async def test_what_is_under_way_when_codecs_change_is_still_heard(
    autojump_clock, daemon, client, alice, bob
):
    talk = await begin(daemon, client, alice, bob)
    for number in (96, 97):
        alice_says, bob_says = (
            sdp(it.address, it.port, media=f"m=audio {it.port} RTP/AVP {number}") for it in (alice, bob)
        )
        await client.offer("call-1", "alice", alice_says, to_tag="bob")
        said = [rtp(n, payload_type=kind) for n, kind in enumerate((0, 96, number))]
        assert await heard_from(talk, bob, alice, said) == said
        await client.answer("call-1", "alice", "bob", bob_says)
        assert await heard_from(talk, alice, bob, said) == said


async def test_a_keepalive_of_a_made_up_type_keeps_a_call_and_opens_its_way(
    autojump_clock, daemon, client, alice, bob
):
    """A phone that only listens behind a NAT: its keepalives (RFC 6263, 4.6) are all that comes from it."""
    talk = await begin(daemon, client, alice, bob, alice_says=sdp("127.0.9.9", 4000))
    keepalives = [rtp(number, ssrc=0xA11CE, payload_type=127, payload=b"") for number in range(5)]
    for keepalive in keepalives:
        assert await heard_from(talk, alice, bob, [keepalive]) == []
        await talk.chat(0.02, alice=False)
    alice.heard()
    said = talk.say(bob)
    await talk.settle()
    assert alice.heard() == [said]
