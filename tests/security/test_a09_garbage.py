"""A9: packets that mean nothing, by the thousand; once, a hundred of them hung a call up."""

from random import Random

import pytest

from .hosts import begin, rtp, sdp

PACKETS = 10_000


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP"])
async def test_ten_thousand_packets_of_garbage_leave_a_call_intact(
    autojump_clock, daemon, client, alice, bob, mallory, protocol
):
    def says(phone):
        return sdp(phone.address, phone.port, media=f"m=audio {phone.port} {protocol} 0")

    talk = await begin(daemon, client, alice, bob, alice_says=says(alice), bob_says=says(bob))
    await talk.chat(0.1)
    bob.heard()
    random = Random(9)
    garbage = [random.randbytes(random.randrange(1, 60)) for _ in range(PACKETS // 4)]
    looks_like_rtp = [rtp(random.randrange(2**16), ssrc=random.randrange(2**32)) for _ in garbage]
    await talk.send(mallory.socket, garbage, talk.for_alice.rtp)
    await talk.send(mallory.socket, looks_like_rtp, talk.for_alice.rtp)
    await talk.send(mallory.socket, garbage, talk.for_alice.rtcp)
    # The phone's own address can be forged; what is no media still goes no further than here.
    is_no_media = [bytes([random.randrange(64, 128)]) + datagram[1:] for datagram in garbage]
    await talk.send(alice.rtp, is_no_media, talk.for_alice.rtp)
    assert bob.heard() == bob.heard_rtcp() == []
    assert talk.call.end_reason is None
    assert await talk.is_intact()
