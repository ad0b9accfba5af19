"""Opening the NAT that we are behind: packets to a phone before it has sent any (flag `pierce-NAT`)."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from functools import partial

import trio

from karl_trio.media.relay import Component, Stream

from .call import Call
from .media import FaceState

PIERCE_INTERVAL = 0.5
"""Seconds between two packets: often enough for a phone in a hurry, and no flood for one that never sends."""

PIERCE_TIME = 60.0
"""Seconds after an offer or answer for which we go on: it may ring for that long."""


def pierce(call: Call, until: float, now: float) -> None:
    """Send empty packets to those legs of a call that ask for it, until something comes from them.

    Args:
        until: when to end at the latest, in seconds on Trio's clock, as is now.
    """
    is_under_way = now < call.pierces_until
    call.pierces_until = max(call.pierces_until, until)
    if now < until and not is_under_way:
        call.begin(partial(_pierce, call))


async def _pierce(call: Call) -> None:
    ssrc = secrets.randbits(32)
    packets = {
        # No payload, of a type that no codec has: nothing is heard of it.
        Component.RTP: struct.pack("!BBHII", 0x80, 127, 0, 0, ssrc),
        # A receiver report on nobody (RFC 3550, 6.4.2).
        Component.RTCP: struct.pack("!BBHI", 0x80, 201, 1, ssrc),
    }
    # For a call that has become part of another one, that one goes on.
    while trio.current_time() < call.pierces_until and call.absorbed_by is None:
        for stream in _unheard(call):
            stream.send(packets[stream.component])
        await trio.sleep(PIERCE_INTERVAL)


def _unheard(call: Call) -> Iterator[Stream]:
    for _, media in call.media:
        advertised = media.advertised
        if not media.handling.pierce_nat or advertised is None or not advertised.is_rtp:
            continue
        for face in media.faces:
            if face.state is not FaceState.SUPERSEDED:
                yield from (stream for stream in face.streams if not stream.tally)
