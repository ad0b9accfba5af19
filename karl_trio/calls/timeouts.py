"""Calls that have gone silent, and their end."""

from __future__ import annotations

import math
from contextlib import aclosing

import trio
import trio_util
from attrs import field, frozen

from karl_trio.config import Settings

from .call import Call, EndReason
from .faces import close_face
from .media import FaceState, Media
from .table import CallTable
from .wiring import wire

SWEEP_INTERVAL = 1.0
"""Seconds between two sweeps, as in rtpengine: a time-out is late by at most this."""

SWEEP_SLICE = 50
"""Calls looked at before other tasks get a turn: about 10 µs each, so media waits half a millisecond."""

LONGEST_UNCHECKED = 10.0
"""Seconds until a call is looked at again before its time is up: other settings may hold by then."""

SUPERSEDED_SILENCE = 30.0
"""Seconds that a replaced face stays open unheard: longer than a re-INVITE takes to be answered."""


@frozen(order=True)
class Deadline:
    """When a call ends if nothing is heard until then, in seconds on Trio's clock, and why."""

    at: float
    reason: EndReason = field(order=False)


def deadline_of(call: Call, settings: Settings) -> Deadline:
    """Say when a call ends if nothing is heard any more.

    A call lives while any of its streams does. A stream that its leg is expected to send on may be
    silent for `timeout` seconds, one that it holds or was muted on for `silent-timeout`. One that the leg
    only listens on does not count: whoever listens to a dead call does not keep it alive.
    """
    final = Deadline(_after(call.created_at, settings.final_timeout), EndReason.FINAL_TIMEOUT)
    if not call.is_answered:
        unanswered = _after(call.last_signal_at, settings.offer_timeout)
        return min(final, Deadline(unanswered, EndReason.OFFER_TIMEOUT))
    timeout = settings.timeout if call.media_timeout is None else call.media_timeout
    silent = Deadline(_after(call.last_signal_at, settings.silent_timeout), EndReason.SILENT_TIMEOUT)
    heard = [media for leg, media in call.media if media.faces and not leg.only_listens]
    if not heard:
        return min(final, silent)
    ends = [_end_of(media, timeout, settings.silent_timeout) for media in heard]
    is_expected = any(media.is_sending for media in heard)
    return min(final, Deadline(max(ends), EndReason.TIMEOUT if is_expected else EndReason.SILENT_TIMEOUT))


def _end_of(media: Media, timeout: float, silent_timeout: float) -> float:
    last_packet = max([face.rtp.last_packet for face in media.faces])
    return _after(last_packet, timeout if media.is_sending else silent_timeout)


def _after(since: float, allowed: float) -> float:
    """Return when a time is up; an allowance of 0 is for ever."""
    return since + allowed if allowed > 0 else math.inf


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
    """End the calls whose time is up, and let go of what circles no longer hold.

    Packets only ever put a deadline off, so a call need not be looked at before the last one known.
    """
    seconds = 0.0
    pending = list(calls)
    for first in range(0, len(pending), SWEEP_SLICE):
        now = trio.current_time()
        for call in pending[first : first + SWEEP_SLICE]:
            # It may have been absorbed since the sweep began.
            if now >= call.next_check and not call.is_ending and call.absorbed_by is None:
                _check(calls, call, now)
        seconds += trio.current_time() - now
        await trio.lowlevel.checkpoint()
    calls.circles.look_again()
    calls.sweep_seconds = seconds


def _check(calls: CallTable, call: Call, now: float) -> None:
    deadline = deadline_of(call, calls.settings)
    if deadline.at <= now:
        calls.end(call, deadline.reason, now=now)
        return
    close_superseded(call, now)
    call.next_check = min(deadline.at, now + LONGEST_UNCHECKED)
