"""Calls that have gone silent, and their end."""

from __future__ import annotations

from contextlib import aclosing

import trio
import trio_util

from karl_trio.config import Settings

from .call import Call, EndReason
from .exchange import close_face
from .media import FaceState
from .table import CallTable
from .wiring import wire

SWEEP_INTERVAL = 1.0
"""Seconds between two sweeps, as in rtpengine: a time-out is late by at most this."""

SWEEP_SLICE = 50
"""Calls looked at before other tasks get a turn: about 10 µs each, so media waits half a millisecond."""

SUPERSEDED_SILENCE = 30.0
"""Seconds that a replaced face stays open unheard: longer than a re-INVITE takes to be answered."""


def verdict(call: Call, settings: Settings, now: float) -> EndReason | None:
    """Say why a call should end now, or None if it should not.

    A call lives while any of its streams does. A stream that its leg is expected to send on may be
    silent for `timeout` seconds, one that it holds or was muted on for `silent-timeout`.
    """
    if _is_over(settings.final_timeout, call.created_at, now):
        return EndReason.FINAL_TIMEOUT
    if sum(leg.has_answered for leg in call.legs) < 2:
        if _is_over(settings.offer_timeout, call.last_signal_at, now):
            return EndReason.OFFER_TIMEOUT
        return None
    timeout = settings.timeout if call.media_timeout is None else call.media_timeout
    is_expected = False
    is_bare = True
    for _, media in call.media:
        if not media.faces:
            continue
        is_bare = False
        last_packet = max(face.rtp.last_packet for face in media.faces)
        allowed = timeout if media.is_sending else settings.silent_timeout
        is_expected |= media.is_sending
        if not _is_over(allowed, last_packet, now):
            return None
    if is_bare and not _is_over(settings.silent_timeout, call.last_signal_at, now):
        return None
    return EndReason.TIMEOUT if is_expected else EndReason.SILENT_TIMEOUT


def _is_over(allowed: float, since: float, now: float) -> bool:
    """Whether a time is up; an allowance of 0 is for ever."""
    return allowed > 0 and now - since >= allowed


def close_superseded(call: Call, now: float) -> None:
    """Close the replaced faces that nobody has used for a while."""
    closed = False
    for _, media in call.media:
        if len(media.faces) < 2:
            continue
        for face in list(media.faces):
            if face.state is FaceState.SUPERSEDED:
                used = max(face.superseded_at, face.last_packet)
                if now - used >= SUPERSEDED_SILENCE:
                    close_face(call, media, face)
                    closed = True
    if closed:
        wire(call)


async def reap(calls: CallTable) -> None:
    """Sweep the call table once a second, for ever."""
    # Cancelled inside the loop, the generator would be left to the garbage collector; Trio warns of that.
    async with aclosing(trio_util.periodic(SWEEP_INTERVAL)) as ticks:
        async for _ in ticks:
            await sweep(calls)


async def sweep(calls: CallTable) -> None:
    """Look at every call once and end those whose time is up."""
    seconds = 0.0
    pending = list(calls)
    for first in range(0, len(pending), SWEEP_SLICE):
        now = trio.current_time()
        for call in pending[first : first + SWEEP_SLICE]:
            if call.is_ending:
                continue
            reason = verdict(call, calls.settings, now)
            if reason is not None:
                calls.end(call, reason, now=now)
            else:
                close_superseded(call, now)
        seconds += trio.current_time() - now
        await trio.lowlevel.checkpoint()
    calls.sweep_seconds = seconds
