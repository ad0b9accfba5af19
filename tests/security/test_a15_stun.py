"""A15: STUN to media ports, to be answered, learned from or reflected.

There is no ICE agent yet, so nobody has any business sending it.
"""

import struct

import pytest

from .hosts import begin

MAGIC_COOKIE = 0x2112A442


def binding_request(attributes=b""):
    """A Binding request (RFC 8489, 5)."""
    return struct.pack("!HHI12s", 0x0001, len(attributes), MAGIC_COOKIE, b"transaction!") + attributes


USERNAME = b"\x00\x06\x00\x03a:b\x00"
ROLE = b"\x80\x2a\x00\x08" + bytes(8)
REQUESTS = [
    binding_request(),
    binding_request(USERNAME + ROLE),
    binding_request(b"\x00\x01" * 300),
    binding_request()[:19],
    b"\x00\x01" + b"\xff" * 30,
    bytes(20),
]


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_stun_is_neither_answered_nor_learned_from_nor_passed_on(
    autojump_clock, daemon, client, alice, bob, mallory, seconds
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(seconds)
    alice.heard(), bob.heard()
    before = [(stream.latch.state, stream.latch.source) for stream in talk.streams]
    sent = sum(stream.octets_out for stream in talk.streams)
    for sender in (mallory.socket, alice.rtp):
        for port in (talk.for_alice.rtp, talk.for_alice.rtcp):
            await talk.send(sender, REQUESTS * 5, port)
    assert mallory.booty() == alice.heard() == bob.heard() == bob.heard_rtcp() == []
    assert sum(stream.octets_out for stream in talk.streams) == sent
    assert [(stream.latch.state, stream.latch.source) for stream in talk.streams] == before
    assert talk.stream(talk.for_alice.rtp).drops["stun"] == 2 * 5 * len(REQUESTS)
    await talk.chat(0.1)
    assert await talk.is_intact()
