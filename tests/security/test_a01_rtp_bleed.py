"""A1: a third host sends to the whole range of ports and hopes for the call's audio in return."""

import pytest
import trio

from .conftest import SETTINGS
from .hosts import begin, rtp, sdp

PORTS = range(SETTINGS.port_min, SETTINGS.port_max + 1)

PROBE = rtp(1, ssrc=0xBAD)
"""Twelve octets of header and 160 zeros, as the tools send them."""

HIDDEN = sdp("127.0.9.9", 4000)
"""What a phone behind a NAT says: an address that nothing comes from."""

PROBES_OF_A_SWEEP = 4
MOST_AT_THE_START = 5


async def test_spray_from_before_the_offer_gets_nothing_while_the_phones_talk(
    autojump_clock, daemon, client, alice, bob, mallory
):
    def spray():
        mallory.spray(PROBE, PORTS)

    spray()
    talk = await begin(daemon, client, alice, bob)
    for _ in range(25):
        spray()
        await trio.sleep(0.02)
    mallory.booty()  # its own probes: it passed for both phones while neither sent anything
    await talk.chat(1.0, beside=spray)
    assert len(mallory.booty()) <= MOST_AT_THE_START
    await talk.chat(2.0, beside=spray)
    assert mallory.booty() == []
    assert await talk.is_intact()


@pytest.mark.parametrize("alice_says", [None, HIDDEN])
async def test_spray_after_the_phones_have_begun_gets_nothing(
    autojump_clock, daemon, client, alice, bob, mallory, alice_says
):
    talk = await begin(daemon, client, alice, bob, alice_says=alice_says)
    await talk.chat(0.1)
    await talk.chat(2.0, beside=lambda: mallory.spray(PROBE, PORTS))
    assert mallory.booty() == []
    assert await talk.is_intact()


@pytest.mark.parametrize("alice_says", [None, HIDDEN])
async def test_sweep_after_sweep_while_it_rings_gets_nothing(
    autojump_clock, daemon, client, alice, bob, mallory, alice_says
):
    """What the usual tools do: a few packets to each port in turn, and all over again."""
    talk = await begin(daemon, client, alice, bob, alice_says=alice_says)
    for _ in range(20):
        for _ in range(PROBES_OF_A_SWEEP):
            mallory.spray(PROBE, PORTS)
            await trio.sleep(0.0002)
        await talk.chat(1.2, alice=False)
    assert mallory.booty() == []
    await talk.chat(0.2)
    assert await talk.is_intact()


@pytest.mark.parametrize("alice_says", [None, HIDDEN])
async def test_spray_in_a_silence_after_a_re_invite_gets_nothing(
    autojump_clock, daemon, client, alice, bob, mallory, alice_says
):
    talk = await begin(daemon, client, alice, bob, alice_says=alice_says)
    await talk.chat(0.2)
    await client.offer("call-1", "alice", alice_says or sdp(alice.address, alice.port))
    await client.answer("call-1", "alice", "bob", sdp(bob.address, bob.port))
    await talk.chat(5.0, alice=False, beside=lambda: mallory.spray(PROBE, PORTS))
    assert mallory.booty() == []
    assert await talk.is_intact()
