"""A12: a new SSRC with every packet, to fill the memory."""

import tracemalloc

import pytest

from karl_trio.rtp.reception import MAX_SOURCES

from .hosts import begin, rtp

SMALL = 32 * 1024
"""Octets; with no bound, a thousand sources would take a quarter of a million."""


def flood(first):
    return [rtp(number, ssrc=number, payload=b"") for number in range(first, first + 1000)]


@pytest.mark.parametrize("is_forged", [True, False])
async def test_a_flood_of_sources_does_not_grow_the_books(
    autojump_clock, daemon, client, alice, bob, mallory, is_forged
):
    """In the phone's name, once it is believed; in anybody's, while nobody is."""
    talk = await begin(daemon, client, alice, bob)
    sender = alice.rtp if is_forged else mallory.socket
    if is_forged:
        await talk.chat(0.1)
    tracemalloc.start()
    try:
        await talk.send(sender, flood(1), talk.for_alice.rtp)
        before = tracemalloc.get_traced_memory()[0]
        for first in (1001, 2001, 3001):
            await talk.send(sender, flood(first), talk.for_alice.rtp)
            bob.heard()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    receptions = talk.stream(talk.for_alice.rtp).receptions
    assert len(receptions) == MAX_SOURCES
    assert receptions.forgotten > 3900
    assert grown < SMALL
    assert len((await client.query("call-1"))["SSRC"]) <= MAX_SOURCES + 1  # and Bob's
    assert await talk.is_intact()
