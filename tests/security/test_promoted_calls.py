"""A1, A2, A3, A9 and A12 once more, when the kernel relays the call: nothing gets past it either, and nothing
but the phones' own packets can bring the call back to userspace.
"""

from __future__ import annotations

import pytest

from .conftest import SETTINGS
from .hosts import Attacker, begin, goodbye, rtp

PORTS = range(SETTINGS.port_min, SETTINGS.port_max + 1)

FORGED = [rtp(number, ssrc=0xBAD, payload=b"\x55" * 160) for number in range(100)]
PERFECT = [rtp(number, ssrc=0xA11CE, payload=b"\x55" * 160) for number in range(100)]
SHORT = [
    b"",
    b"\x80",
    b"\x80\xc9\x00\x01",
    goodbye()[:4],
    goodbye()[:8],
    rtp(1)[:11],
    bytes(200),
    b"\x16\xfe\xfd",
]


@pytest.fixture
def road(kernel_road):
    """Here only the one of the two."""
    return kernel_road


@pytest.fixture
async def talk(daemon, client, alice, bob):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(2.0)
    assert len(talk.promoted) == 2
    assert await talk.is_intact()
    return talk


async def test_a_call_is_promoted_within_two_seconds_and_its_figures_go_on(
    autojump_clock, talk, alice, bob, client
):
    await talk.chat(5.0)
    said = alice.sequence
    stream, other = talk.stream(talk.for_alice.rtp), talk.stream(talk.for_bob.rtp)
    assert (stream.packets, stream.octets) == (said, 172 * said)
    assert (other.packets_out, other.octets_out) == (said, 172 * said)
    assert stream.tally_kernel == other.tally_kernel_out
    assert stream.tally_kernel > stream.tally * 0.6
    (reception,) = stream.receptions
    assert (reception.lost, reception.duplicates, reception.reordered) == (0, 0, 0)
    assert reception.last_sequence == said


@pytest.mark.parametrize("address", ["127.0.66.6", "127.0.1.1"])
async def test_a3_rtp_from_elsewhere_is_not_relayed(autojump_clock, talk, hosts, bob, address):
    attacker = hosts(Attacker, address)
    bob.heard()
    await talk.send(attacker.socket, FORGED + PERFECT, talk.for_alice.rtp)
    assert (bob.heard(), attacker.booty()) == ([], [])
    assert talk.stream(talk.for_alice.rtp).drops["foreign_source"] == len(FORGED + PERFECT)
    assert await talk.is_intact()
    assert len(talk.promoted) == 2


async def test_a1_spraying_all_ports_gets_nothing(autojump_clock, talk, mallory):
    await talk.chat(2.0, beside=lambda: mallory.spray(FORGED[0], PORTS))
    assert mallory.booty() == []
    assert await talk.is_intact()
    assert len(talk.promoted) == 2


async def test_a2_a9_what_is_no_media_gets_nothing_and_ends_nothing(
    autojump_clock, talk, mallory, alice, bob
):
    for _ in range(20):
        await talk.send(mallory.socket, SHORT, talk.for_alice.rtp)
        await talk.send(alice.rtp, SHORT, talk.for_alice.rtp)
    assert (mallory.booty(), bob.heard()) == ([], [])
    assert await talk.is_intact()
    assert len(talk.promoted) == 2


async def test_a12_other_sources_in_the_phone_s_name_are_heard_and_fill_nothing(
    autojump_clock, talk, alice, bob
):
    """Who can forge address and port is heard, as in userspace; the stream goes back there for a while."""
    bob.heard()
    flood = [rtp(7, ssrc=number) for number in range(1, 150)]
    await talk.send(alice.rtp, flood, talk.for_alice.rtp)
    assert sorted(bob.heard()) == sorted(flood)
    stream = talk.stream(talk.for_alice.rtp)
    assert stream not in talk.promoted
    assert len(stream.receptions) <= 8
    await talk.chat(3.0)
    assert stream in talk.promoted
    assert await talk.is_intact()
