"""What is counted over the life of the daemon."""

from __future__ import annotations

import math
from collections import Counter

from attrs import define, field

from karl_trio.media.relay import Stream

from .call import Call, EndReason


@define(kw_only=True)
class Totals:
    """Figures of the calls that have ended; those in progress are added when somebody asks.

    Attributes:
        managed: calls that ended, for whatever reason; `ended` has them by reason.
        rejected: new calls that there was no room for.
        tally: packets relayed, with their octets; `errors` were dropped or not sent.
        tally_kernel: those of them that the kernel relayed.
        queue_drops: lost at our sockets' full queues.
        zero_way, one_way: media in which nobody, or only one side, was ever heard.
        duration, duration_squares: seconds, summed up.
    """

    managed: int = 0
    rejected: int = 0
    ended: Counter[EndReason] = field(factory=Counter)
    tally: int = 0
    tally_kernel: int = 0
    errors: int = 0
    queue_drops: int = 0
    zero_way: int = 0
    one_way: int = 0
    duration: float = 0.0
    duration_squares: float = 0.0

    def count_ended(self, call: Call, now: float) -> None:
        """Take a call that has ended into the figures."""
        self.managed += 1
        self.ended[call.end_reason or EndReason.FORCED] += 1
        duration = max(0.0, now - call.created_at)
        self.duration += duration
        self.duration_squares += duration * duration
        self._count_ways(call)

    def count_closed(self, stream: Stream) -> None:
        """Take a stream that has closed into the figures."""
        self.tally += stream.tally
        self.tally_kernel += stream.tally_kernel
        self.errors += stream.errors + stream.errors_out
        self.queue_drops += stream.queue_drops

    def _count_ways(self, call: Call) -> None:
        counted: set[tuple[int, int, int]] = set()
        for leg, media in call.media:
            for peer in leg.peers:
                first, second = sorted((id(leg), id(peer)))
                if len(peer.media) < media.index or (first, second, media.index) in counted:
                    continue
                counted.add((first, second, media.index))
                heard = [
                    any(face.rtp.packets for face in one.faces)
                    for one in (media, peer.media[media.index - 1])
                ]
                if not media.faces and not peer.media[media.index - 1].faces:
                    continue
                self.zero_way += not any(heard)
                self.one_way += any(heard) and not all(heard)

    @property
    def average_duration(self) -> float:
        """Seconds."""
        return self.duration / self.managed if self.managed else 0.0

    @property
    def deviation_of_duration(self) -> float:
        """Standard deviation, in seconds."""
        if not self.managed:
            return 0.0
        return math.sqrt(max(0.0, self.duration_squares / self.managed - self.average_duration**2))
