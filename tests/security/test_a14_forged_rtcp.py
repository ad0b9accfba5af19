"""A14: forged RTCP, to end a call or to break what reads it."""

import logging

import pytest

from .hosts import begin, goodbye, rtp, sdp

LONG = goodbye() + b"\x81\xca\x00\x05" + b"\x00\x00\x12\x34\x01\x08somebody" + bytes(6) + bytes(64)
TRUNCATED = [LONG[:size] for size in range(65)]


async def test_a_goodbye_from_a_stranger_goes_nowhere(autojump_clock, daemon, client, alice, bob, mallory):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    bob.heard()
    for port in (talk.for_alice.rtp, talk.for_alice.rtcp):
        await talk.send(mallory.socket, [goodbye(0xA11CE)] * 3, port)
    assert bob.heard() == bob.heard_rtcp() == []
    assert await talk.is_intact()


async def test_a_goodbye_from_the_phone_is_passed_on_and_ends_no_call(
    autojump_clock, daemon, client, alice, bob
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    await talk.send(alice.rtcp, [goodbye(0xA11CE)], talk.for_alice.rtcp)
    assert bob.heard_rtcp() == [goodbye(0xA11CE)]
    assert talk.call.end_reason is None
    assert await talk.is_intact()


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP"])
@pytest.mark.parametrize("attributes", [(), ("a=rtcp-mux",)])
async def test_rtcp_cut_off_anywhere_raises_nothing(
    autojump_clock, daemon, client, alice, bob, mallory, caplog, protocol, attributes
):
    def says(phone):
        return sdp(
            phone.address,
            phone.port,
            media=f"m=audio {phone.port} {protocol} 0",
            attributes=attributes,
        )

    talk = await begin(daemon, client, alice, bob, alice_says=says(alice), bob_says=says(bob))
    await talk.chat(0.1)
    for sender in (mallory.socket, alice.rtp):
        await talk.send(sender, TRUNCATED, talk.for_alice.rtp)
    if not attributes:
        for sender in (mallory.socket, alice.rtcp):
            await talk.send(sender, TRUNCATED, talk.for_alice.rtcp)
    bob.heard(), bob.heard_rtcp()
    assert await talk.is_intact()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_rtcp_in_the_guise_of_rtp_is_not_relayed_as_such(autojump_clock, daemon, client, alice, bob):
    """Payload types 64 to 95 are RTCP, marker or not, and have to be well-formed."""
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    bob.heard()
    guises = [rtp(1, payload_type=kind) for kind in (*range(64, 96), *range(192, 224))]
    await talk.send(alice.rtp, guises, talk.for_alice.rtp)
    assert bob.heard() == bob.heard_rtcp() == []
