"""A1: a stranger who is there before a NATed phone, or right after it, and hopes to be taken for it."""

import trio

from karl_trio.cli.synthetic import destination_in

from .conftest import SETTINGS
from .hosts import Talk, everything, open_socket, rtp, sdp

PORTS = range(SETTINGS.port_min, SETTINGS.port_max + 1)

NATED = sdp("127.0.9.9", 4000)
"""What a phone behind a NAT says: an address that nothing comes from."""


async def test_a_stranger_who_sends_while_it_rings_is_not_taken_for_the_caller(
    autojump_clock, daemon, client, alice, bob, mallory
):
    offer = await client.offer("call-1", "alice", NATED)
    for number in range(250):
        mallory.spray(rtp(number, ssrc=0xBAD), PORTS)
        await trio.sleep(0.02)
    answer = await client.answer("call-1", "alice", "bob", sdp(bob.address, bob.port))
    call = daemon.calls.find("call-1")
    talk = Talk(call, alice, bob, destination_in(answer.sdp), destination_in(offer.sdp))
    assert talk.stream(talk.for_alice.rtp).drops["foreign_source"] == 250
    await talk.chat(1.0)
    assert mallory.booty() == []
    assert await talk.is_intact()


async def test_a_stranger_who_knows_the_port_in_sdp_does_not_displace_a_phone_that_sends(
    autojump_clock, daemon, client, alice, bob
):
    offer = await client.offer("call-1", "alice", NATED)
    answer = await client.answer("call-1", "alice", "bob", sdp(bob.address, bob.port))
    call = daemon.calls.find("call-1")
    talk = Talk(call, alice, bob, destination_in(answer.sdp), destination_in(offer.sdp))
    with open_socket("127.0.66.6", 4000) as stranger:
        await talk.chat(0.1)
        bob.heard()
        said = set()

        def send():
            said.add(rtp(len(said), ssrc=0xBAD))
            stranger.sendto(rtp(len(said) - 1, ssrc=0xBAD), talk.for_alice.rtp.sockaddr)

        await talk.chat(2.5, beside=send)
        assert said.isdisjoint(bob.heard())
        assert await talk.is_intact()
        assert everything(stranger) == []
