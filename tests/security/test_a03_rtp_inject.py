"""A3: forged RTP, to be heard in the middle of a call.

The limit of plain RTP: who can forge the phone's own address and port is heard. Only encryption tells them
apart.
"""

import pytest

from .hosts import Attacker, begin, rtp, sdp

FORGED = [rtp(number, ssrc=0xBAD, payload=b"\x55" * 160) for number in range(100)]
PERFECT = [rtp(number, ssrc=0xA11CE, payload=b"\x55" * 160) for number in range(100)]
"""With the SSRC and the sequence numbers of the phone, as somebody who once saw a packet could make them."""


@pytest.mark.parametrize("alice_says", [None, sdp("127.0.9.9", 4000)])
@pytest.mark.parametrize("address", ["127.0.66.6", "127.0.1.1"])
async def test_rtp_from_elsewhere_is_not_relayed(
    autojump_clock, daemon, client, hosts, alice, bob, address, alice_says
):
    """From a third host, and from another port of the phone's own, such as its neighbour behind a NAT."""
    attacker = hosts(Attacker, address)
    talk = await begin(daemon, client, alice, bob, alice_says=alice_says)
    await talk.chat(0.2)
    bob.heard()
    await talk.send(attacker.socket, FORGED + PERFECT, talk.for_alice.rtp)
    assert bob.heard() == []
    assert attacker.booty() == []
    assert await talk.is_intact()
    stream = talk.stream(talk.for_alice.rtp)
    assert stream.drops["foreign_source"] == len(FORGED + PERFECT)
    assert [source.ssrc for source in stream.receptions] == [0xA11CE]


async def test_the_operator_can_see_it(autojump_clock, daemon, client, alice, bob, mallory):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    await talk.send(mallory.socket, FORGED, talk.for_alice.rtp)
    reply = await client.query("call-1")
    (stream,) = [
        it
        for it in reply["tags"]["alice"]["medias"][0]["streams"]
        if it["local port"] == talk.for_alice.rtp.port
    ]
    assert stream["drops"] == {"foreign_source": len(FORGED)}
