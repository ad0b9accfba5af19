"""A call, and the nursery that everything of it lives in."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import Enum

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidSessionState
from karl_trio.media.circles import Circles
from karl_trio.media.poller import Poller
from karl_trio.media.relay import Stream, relay
from karl_trio.ng.requests import SdpRequest

from .controls import Controls
from .leg import Leg
from .media import Media

log = logging.getLogger(__name__)

MAX_LEGS = 64
"""Legs of one call: branches, listeners, members of a conference. Whoever needs more needs a mixer; and with
each having ports of its own, nobody shall take them all with a single call (SECURITY: A21)."""


class EndReason(Enum):
    """Why a call ended, in the words of the log and of `statistics`."""

    REGULAR = "regular"
    TIMEOUT = "timeout"
    SILENT_TIMEOUT = "silent-timeout"
    OFFER_TIMEOUT = "offer-timeout"
    FINAL_TIMEOUT = "final-timeout"
    FORCED = "forced"
    FAILED = "failed"


@define(eq=False, kw_only=True)
class Call:
    """Everything under one call-id: its legs, and a nursery with a relay task for each stream.

    Ending a call is cancelling its scope; each relay closes its own port on the way out.

    A call may absorb another one. It has the legs of both then, and both call-ids mean it. The relays of the
    other stay in the other's nursery, for tasks cannot move; it lives for nothing else any more, and ends
    with the call that absorbed it.

    Attributes:
        call_id: the one that it was made for, or if that is gone, another one that means it.
        aliases: further call-ids that mean it.
        created: Unix time in seconds.
        created_at: the same on Trio's clock.
        last_signal: Unix time of the last offer or answer.
        last_signal_at: the same on Trio's clock.
        circles: what knows the streams of all calls.
        count_closed: told of every stream that has closed, for the totals.
        media_timeout: seconds without media after which the call is reaped, where the proxy asked
            for another time than the configured one.
        delete_delay: likewise, seconds that the call goes on after `delete`.
        controls: what commands ask to be done to its media.
        drops_traffic: nothing of its media is passed on (key `drop-traffic`).
        tos: type of service of everything it sends.
        pierces_until: when empty packets to its legs end, on Trio's clock.
        next_check: when the reaper has to look at it again, on Trio's clock.
        end_reason: why it is ending or about to; None while it is not.
        absorbed_by: the call that has its legs now.
    """

    call_id: str
    aliases: list[str] = field(factory=list, init=False)
    created: float
    created_at: float
    last_signal: float
    last_signal_at: float
    poller: Poller = field(repr=False)
    circles: Circles = field(repr=False)
    count_closed: Callable[[Stream], None] = field(repr=False)
    legs: list[Leg] = field(factory=list)
    media_timeout: float | None = None
    delete_delay: float | None = None
    metadata: str | None = None
    controls: Controls = field(factory=Controls, init=False)
    drops_traffic: bool = False
    tos: int = 0
    pierces_until: float = -math.inf
    next_check: float = -math.inf
    end_reason: EndReason | None = None
    absorbed_by: Call | None = field(default=None, init=False, repr=False)
    _absorbed: list[Call] = field(factory=list, init=False, repr=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False, repr=False)
    # Tasks that wait for the call to run.
    _begun: list[Callable[[], Awaitable[object]]] = field(factory=list, init=False, repr=False)
    # Of all streams, also those whose tasks are in the nursery of an absorbed call.
    _relays: dict[Stream, trio.CancelScope] = field(factory=dict, init=False, repr=False)
    # Those whose tasks wait for the nursery to be there.
    _waiting: list[Stream] = field(factory=list, init=False, repr=False)

    async def run(self) -> None:
        """Keep the call, with its relays, until it is ended."""
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    for stream in self._waiting:
                        self._nursery.start_soon(self._relay, stream, self._relays[stream])
                    self._waiting.clear()
                    for task in self._begun:
                        self._nursery.start_soon(task)
                    self._begun.clear()
                    await trio.sleep_forever()
        finally:
            for call in self._absorbed:
                call.cancel()

    def start(self, stream: Stream, advertised: Endpoint) -> None:
        """Relay a stream from now on; its port is closed when the relay or the call ends.

        Args:
            advertised: what SDP calls its port.
        """
        scope = self._relays[stream] = trio.CancelScope()
        self.circles.add(stream, advertised)
        if self._nursery is not None:
            self._nursery.start_soon(self._relay, stream, scope)
        else:
            self._waiting.append(stream)

    def begin(self, task: Callable[[], Awaitable[object]]) -> None:
        """Run a task, which ends with the call at the latest."""
        if self._nursery is None:
            self._begun.append(task)
        else:
            self._nursery.start_soon(task)

    def stop(self, stream: Stream) -> None:
        """End the relay of a stream."""
        # One that has not begun yet begins all the same, for only its own task closes its port.
        scope = self._relays.get(stream)
        if scope is not None:
            scope.cancel()

    def cancel(self) -> None:
        """End everything of the call now."""
        self._scope.cancel()

    def end(self, reason: EndReason, *, at: float) -> None:
        """Let the call end at a time on Trio's clock; of two times, the earlier counts."""
        if at < self._scope.deadline:
            self._scope.deadline = at
            self.end_reason = reason

    def keep(self) -> None:
        """Forget that the call was about to end or when it would: a new offer or answer came in time."""
        self.next_check = -math.inf
        self._scope.deadline = math.inf
        self.end_reason = None

    def absorb(self, other: Call, now: float) -> None:
        """Take over the legs of another call, all that goes on between them, and what was wanted for it.

        Where both were wanted something for, this call's holds.

        Args:
            now: seconds on Trio's clock.
        """
        if other.tos != self.tos:
            for stream in other.streams:
                stream.mark(self.tos, now)
        for leg in other.legs:
            self.legs.append(leg)
        other.legs.clear()
        self.controls.absorb(other.controls)
        self.drops_traffic |= other.drops_traffic
        self.metadata = self.metadata or other.metadata
        self.media_timeout = other.media_timeout if self.media_timeout is None else self.media_timeout
        self.delete_delay = other.delete_delay if self.delete_delay is None else self.delete_delay
        self.last_signal = max(self.last_signal, other.last_signal)
        self.last_signal_at = max(self.last_signal_at, other.last_signal_at)
        self._relays.update(other._relays)
        for call in (other, *other._absorbed):
            call.absorbed_by, call._relays = self, self._relays
            self._absorbed.append(call)
            # The time for both to end is this call's from now on.
            call.keep()
        other._absorbed.clear()
        self.keep()

    @property
    def call_ids(self) -> Iterator[str]:
        """Every call-id that means this call."""
        yield self.call_id
        yield from self.aliases

    def take_signal(self, request: SdpRequest, now: float) -> None:
        """Take note that signalling came for the call, with what it wants for the call as a whole.

        Args:
            now: seconds on Trio's clock.
        """
        self.keep()
        self.last_signal, self.last_signal_at = time.time(), now
        self.heed(request)

    def heed(self, request: SdpRequest) -> None:
        """Take over what a request wants for the call as a whole, which goes on or ends as it would have."""
        if request.media_timeout is not None:
            self.next_check = -math.inf
            self.media_timeout = request.media_timeout
        if request.delete_delay is not None:
            self.delete_delay = request.delete_delay
        if request.metadata is not None:
            self.metadata = request.metadata

    def admit_leg(self) -> None:
        """Check that there is room for one more leg.

        Raises:
            InvalidSessionState: there is not.
        """
        if len(self.legs) >= MAX_LEGS:
            raise InvalidSessionState(f"{len(self.legs)} legs in the call already")

    @property
    def is_ending(self) -> bool:
        return self.end_reason is not None

    @property
    def streams(self) -> Iterator[Stream]:
        """Every open stream of the call."""
        for leg in self.legs:
            for media in leg.media:
                yield from media.streams

    @property
    def relayed(self) -> Iterable[Stream]:
        """Every stream that is relayed at this moment; quicker to go through than `streams`."""
        return self._relays if self.absorbed_by is None else ()

    @property
    def media(self) -> Iterator[tuple[Leg, Media]]:
        for leg in self.legs:
            for media in leg.media:
                yield leg, media

    @property
    def is_answered(self) -> bool:
        """Whether two legs, or a leg and we, know of each other what they need."""
        return any(
            leg.has_answered
            and not leg.only_listens
            and (not leg.peers or any(peer.has_answered for peer in leg.peers))
            for leg in self.legs
        )

    def find_leg(self, tag: str) -> Leg | None:
        """Return the leg that a tag means, or None."""
        for leg in self.legs:
            if leg.goes_by(tag):
                return leg
        return None

    def fall_apart(self) -> None:
        """Let go of everything that refers to each other in a circle, once the call has ended.

        Its memory is free at once then. Left to the garbage collector, it would take a full collection,
        which stops all media for a tenth of a millisecond for each call there is.
        """
        for stream in self.streams:
            stream.sinks = stream.rtcp_sinks = ()
        for leg in self.legs:
            leg.peers.clear()
            leg.subscribers.clear()
            leg.media.clear()
        self.legs.clear()
        self._absorbed.clear()
        self.controls.clear()
        self._nursery = None

    async def _relay(self, stream: Stream, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await relay(stream, self.poller)
        finally:
            del self._relays[stream]
            self.circles.remove(stream)
            self.count_closed(stream)
