"""What the RTP sources of a stream look like from here: packets, loss and jitter.

`Reception.packet` is called for every packet relayed, so the packet that is simply the next one has to cost
next to nothing; whatever is not is dealt with by methods of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from attrs import define, field, frozen

from .sequence import MAX_MISORDER, MODULUS, Step, extend, step
from .tally import PACKET, octets_of, packets_of

MAX_SOURCES = 8
"""Sources remembered for a stream: more than a phone has with video, comfort noise and a transfer or two, few
enough that a flood of made-up SSRCs costs nothing."""

DEFAULT_CLOCK_RATE = 8000
"""Ticks a second until the payload type's own is known: that of all telephone codecs of old."""

MAX_TRANSIT_CHANGE = 2.0
"""Seconds that one packet may be under way longer or shorter than the one before it. More is not the network
but the source's clock, which was set anew, and says nothing about jitter."""

_TIMESTAMP_MODULUS = 1 << 32


@frozen
class History:
    """Which of a source's latest packets have come, for somebody else to go on counting.

    Attributes:
        highest: the highest extended sequence number.
        seen: bit n tells whether that number minus n has come.
        known: for how many numbers below the highest it tells.
    """

    highest: int
    seen: int
    known: int


@frozen(kw_only=True)
class Progress:
    """What somebody else has found out about a source since it was last told, besides the tally.

    Attributes:
        advanced: by how much the highest sequence number has grown.
        lost, reordered, duplicates: as in `Reception`; less may be lost than before.
        missing: by how much the numbers that may still come late are below the highest.
        known: for how many numbers below the highest that tells.
        timestamp: the newest.
        jitter_ticks: interarrival jitter now.
    """

    advanced: int
    lost: int
    reordered: int
    duplicates: int
    missing: tuple[int, ...]
    known: int
    timestamp: int
    jitter_ticks: float


@define
class Reception:
    """Running figures for one RTP source.

    What the constructor takes is the state to write down and to rebuild it from. The clock of arrivals is
    that of this process, so after that jitter goes on from the second packet.

    Attributes:
        ssrc: the source.
        tally: all packets that came, duplicates too, and their size.
        lost: sequence numbers that were passed over and have not come late either.
        duplicates: packets that came before.
        reordered: packets that came late, but came.
        jitter_ticks: interarrival jitter in ticks of `clock_rate` (RFC 3550, 6.4.1).
        last_timestamp: of the newest packet; None before the first.
    """

    ssrc: int
    _clock_rate: int = DEFAULT_CLOCK_RATE
    tally: int = field(default=0, kw_only=True)
    lost: int = field(default=0, kw_only=True)
    duplicates: int = field(default=0, kw_only=True)
    reordered: int = field(default=0, kw_only=True)
    jitter_ticks: float = field(default=0.0, kw_only=True)
    last_timestamp: int | None = field(default=None, kw_only=True)
    _cycles: int = field(default=0, kw_only=True)
    # The number that the next packet has: 65536, which none has, before a wrap; -1, which none has either,
    # until there were two packets in a row.
    _next: int = field(default=-1, kw_only=True)
    # The number that would prove a start, or after a jump, a restart.
    _restart: int | None = field(default=None, kw_only=True)
    # The extended number that counting began with, and those passed over that may still come late.
    _base: int = field(default=0, kw_only=True)
    _missing: set[int] = field(factory=set, kw_only=True)
    # Arrival minus timestamp of the newest packet, in ticks; no number compares with NaN.
    _transit: float = field(default=math.nan, init=False, eq=False, repr=False)
    _max_change: float = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._max_change = MAX_TRANSIT_CHANGE * self._clock_rate

    @property
    def clock_rate(self) -> int:
        """Ticks a second of the payload type in use; jitter measured so far is carried over to a new rate."""
        return self._clock_rate

    @clock_rate.setter
    def clock_rate(self, clock_rate: int) -> None:
        if clock_rate != self._clock_rate:
            self.jitter_ticks *= clock_rate / self._clock_rate
            self._clock_rate = clock_rate
            self._max_change = MAX_TRANSIT_CHANGE * clock_rate
            self._transit = math.nan

    @property
    def packets(self) -> int:
        return packets_of(self.tally)

    @property
    def bytes(self) -> int:
        return octets_of(self.tally)

    @property
    def highest(self) -> int | None:
        """The highest extended sequence number; None until there were two packets in a row.

        Its cycles are counted from 1 at the first packet or the newest restart of the source.
        """
        return self._cycles * MODULUS + self._next - 1 if self._next > 0 else None

    @property
    def last_sequence(self) -> int | None:
        """The highest sequence number as it stands in a packet; None before the first."""
        if self._next > 0:
            return self._next - 1
        return None if self._restart is None else (self._restart - 1) % MODULUS

    @property
    def jitter(self) -> float:
        """Interarrival jitter in seconds."""
        return self.jitter_ticks / self._clock_rate

    @property
    def expected(self) -> int:
        """How many packets the source has sent, as far as its sequence numbers tell."""
        return self.packets - self.duplicates + self.lost

    def packet(self, sequence: int, timestamp: int, size: int, arrival: float) -> None:
        """Count a packet.

        Args:
            sequence, timestamp: from its RTP header.
            size: in octets, counted however the caller wants to see it.
            arrival: in seconds on any clock that does not jump.
        """
        self.tally += PACKET + size
        if sequence == self._next:
            self._next = sequence + 1
        else:
            self._out_of_step(sequence)
        # The packets of a video frame or of a DTMF digit share a timestamp; how far they are apart is the
        # sender's choice and no jitter.
        if timestamp != self.last_timestamp:
            self.last_timestamp = timestamp
            transit = arrival * self._clock_rate - timestamp
            change = transit - self._transit
            self._transit = transit
            if change < 0.0:
                change = -change
            if change <= self._max_change:
                jitter = self.jitter_ticks
                self.jitter_ticks = jitter + (change - jitter) * 0.0625
            else:
                self._leap(change)

    def history(self, window: int) -> History | None:
        """Return which of the latest numbers have come; None until there were two packets in a row.

        Args:
            window: how many numbers to tell of, the highest one included.
        """
        highest = self.highest
        if highest is None:
            return None
        known = min(window - 1, highest - self._base)
        seen = sum(1 << behind for behind in range(known + 1) if highest - behind not in self._missing)
        return History(highest, seen, known)

    def take_over(self, progress: Progress) -> None:
        """Go on from where somebody else has counted to, who began at our `history`."""
        highest = self.highest
        assert highest is not None, "there was nothing to begin from"
        highest += progress.advanced
        self.lost += progress.lost
        self.reordered += progress.reordered
        self.duplicates += progress.duplicates
        self._cycles, self._next = highest // MODULUS, highest % MODULUS + 1
        oldest_known = highest - progress.known
        self._missing = {number for number in self._missing if number < oldest_known}
        self._missing.update(highest - behind for behind in progress.missing)
        self.last_timestamp = progress.timestamp
        self.jitter_ticks = progress.jitter_ticks
        # When that timestamp came is not known, so jitter goes on from the second packet.
        self._transit = math.nan

    def _out_of_step(self, sequence: int) -> None:
        """Deal with a packet that is not simply the next one (RFC 3550, A.1)."""
        highest = self.highest
        where = Step.JUMP if highest is None else step(sequence, highest)
        if highest is None or where is Step.JUMP:
            if sequence == self._restart:
                self._start(sequence)
            else:
                self._restart = (sequence + 1) % MODULUS
            return
        number = extend(sequence, highest)
        if where is Step.AHEAD:
            self._cycles, self._next = number // MODULUS, sequence + 1
            self._pass_over(highest + 1, number)
        elif number in self._missing:
            self._missing.remove(number)
            self.lost -= 1
            self.reordered += 1
        elif number < self._base:
            self.reordered += 1
        else:
            self.duplicates += 1

    def _start(self, sequence: int) -> None:
        """Begin to count with the second packet in a row; what was lost before stays counted."""
        # One cycle up, so that what came before the first packet has no negative number.
        self._cycles, self._next = 1, sequence + 1
        self._base = MODULUS + sequence - 1
        self._restart = None
        self._missing.clear()

    def _pass_over(self, begin: int, end: int) -> None:
        """Count the numbers from `begin` up to `end` as lost, though they may still come late."""
        self.lost += end - begin
        oldest = end - MAX_MISORDER
        self._missing.update(range(max(begin, oldest), end))
        # Forgotten some at a time: a source with gaps everywhere must not cost a sweep for each.
        if len(self._missing) > 2 * MAX_MISORDER:
            self._missing = {number for number in self._missing if number >= oldest}

    def _leap(self, change: float) -> None:
        """Deal with a transit time that changed by more than a network does, or that is the first."""
        change %= _TIMESTAMP_MODULUS
        change = min(change, _TIMESTAMP_MODULUS - change)
        if change <= self._max_change:
            # The timestamp only wrapped.
            self.jitter_ticks += (change - self.jitter_ticks) / 16


@define
class Receptions:
    """The sources of a stream, at most `MAX_SOURCES`, in the order of their last selection.

    Attributes:
        forgotten: how many were dropped to make room; `forgotten_tally` is what they had counted.
    """

    _sources: dict[int, Reception] = field(factory=dict)
    forgotten: int = 0
    forgotten_tally: int = 0

    def select(self, ssrc: int, clock_rate: int = DEFAULT_CLOCK_RATE) -> Reception:
        """Return the figures of a source; begin them when it is new, with this clock rate."""
        reception = self._sources.pop(ssrc, None)
        if reception is None:
            if len(self._sources) >= MAX_SOURCES:
                self._forget_one()
            reception = Reception(ssrc, clock_rate)
        self._sources[ssrc] = reception
        return reception

    def _forget_one(self) -> None:
        # Sources that never sent two packets in a row go first, so that made-up ones push out each other.
        oldest = next(iter(self._sources))
        unproven = (ssrc for ssrc, reception in self._sources.items() if reception.highest is None)
        self.forgotten_tally += self._sources.pop(next(unproven, oldest)).tally
        self.forgotten += 1

    @property
    def tally(self) -> int:
        """What all sources there ever were add up to."""
        total = self.forgotten_tally
        for reception in self._sources.values():
            total += reception.tally
        return total

    @property
    def newest(self) -> Reception | None:
        """The one selected last; None before the first."""
        return next(reversed(self._sources.values()), None)

    def __iter__(self) -> Iterator[Reception]:
        """Iterate over them, the one selected last at the end."""
        return iter(self._sources.values())

    def __len__(self) -> int:
        return len(self._sources)
