"""A2: RTCP too short to be any, which once got round the first remedies against A1."""

import pytest

from .hosts import begin

SHORT = [b"\x80\xc8\x00\x01\x00\x00\x00\x01"[:size] for size in range(8)]
SHORTEST_REPORT = b"\x80\xc9\x00\x01\x00\x00\x00\x01"


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_short_rtcp_of_a_stranger_is_neither_learned_nor_relayed(
    autojump_clock, daemon, client, alice, bob, mallory, seconds
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(seconds)
    bob.heard()
    before = [(stream.latch.state, stream.latch.source) for stream in talk.streams]
    for port in (talk.for_alice.rtp, talk.for_alice.rtcp):
        await talk.send(mallory.socket, [*SHORT, SHORTEST_REPORT] * 5, port)
    assert [(stream.latch.state, stream.latch.source) for stream in talk.streams] == before
    assert bob.heard() == bob.heard_rtcp() == []
    bob.rtcp.sendto(SHORTEST_REPORT, talk.for_bob.rtcp.sockaddr)
    await talk.chat(0.2)
    assert mallory.booty() == []
    assert alice.heard_rtcp() == [SHORTEST_REPORT]
    assert await talk.is_intact()


async def test_short_rtcp_of_a_phone_goes_no_further(autojump_clock, daemon, client, alice, bob):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    bob.heard()
    await talk.send(alice.rtp, SHORT, talk.for_alice.rtp)
    await talk.send(alice.rtcp, SHORT, talk.for_alice.rtcp)
    assert bob.heard() == bob.heard_rtcp() == []
    assert await talk.is_intact()
