"""What may stand before a stream and change or withhold what goes to it.

Each is a sink with another sink behind it, put there for one flow when the call changes; the other flows,
and calls that ask for nothing of the kind, pay nothing for it. What is withheld is no error: it is counted
by its reason at the stream that it was meant for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from karl_trio.errors import Malformed
from karl_trio.rtp.header import parse_header

from .relay import RTP_HEADER, Stream
from .sinks import Datagram, Sink

Treatment = str | Callable[[Datagram], bytes | None] | None
"""What is done to a packet: None to pass it on, a reason to withhold it, or what to make of it."""

PAYLOAD_TYPES = 128

UNREADABLE = "unreadable"
"""Why a packet is withheld that nothing else can be made of."""

SIZE_SETTLED = 3
"""Packets in a row of one size that make it the expected one: the last packet of a talk spurt, which may be
short, is not repeated."""

SIZE_CHANGED = 50
"""Packets in a row, a second's worth, after which a smaller size is the expected one: the phone has changed
its packet time."""


def is_rtp(datagram: Datagram) -> bool:
    """Whether a datagram may be RTP, of what a stream passes to its sinks; DTLS is not (RFC 7983)."""
    return datagram[0] >> 6 == 2


@define(eq=False)
class PayloadFilter:
    """Treats the RTP packets on their way to a stream by payload type.

    Attributes:
        stream: where they go in the end.
        sink: where they go next.
        treatments: one for each payload type.
    """

    stream: Stream
    sink: Sink
    treatments: Sequence[Treatment]

    def send(self, datagram: Datagram) -> None:
        treatment = self.treatments[datagram[1] & 0x7F] if is_rtp(datagram) else None
        if treatment is None:
            self.sink.send(datagram)
        elif isinstance(treatment, str):
            self.stream.withhold(treatment)
        else:
            treated = treatment(datagram)
            if treated is None:
                self.stream.withhold(UNREADABLE)
            else:
                self.sink.send(treated)


@define(eq=False)
class UntilHeard:
    """Withholds everything from a stream whose leg has not been heard yet (flag `NAT-wait`)."""

    stream: Stream
    sink: Sink

    def send(self, datagram: Datagram) -> None:
        if self.stream.tally:
            self.sink.send(datagram)
        else:
            self.stream.withhold("nat_wait")


@define(eq=False)
class ShortFilter:
    """Withholds RTP packets that are shorter than packets of their payload type usually are (`block-short`).

    Attributes:
        payload_types: those of codecs that need as many octets for any audio of the same length.
    """

    stream: Stream
    sink: Sink
    payload_types: frozenset[int]
    _expected: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _row: int = field(default=0, init=False)

    def send(self, datagram: Datagram) -> None:
        if is_rtp(datagram) and datagram[1] & 0x7F in self.payload_types and self._is_short(datagram):
            self.stream.withhold("short")
        else:
            self.sink.send(datagram)

    def _is_short(self, datagram: Datagram) -> bool:
        try:
            size = parse_header(datagram).payload_size
        except Malformed:
            return True
        self._row = self._row + 1 if size == self._size else 1
        self._size = size
        if self._row >= (SIZE_SETTLED if size > self._expected else SIZE_CHANGED):
            self._expected = size
        return size < self._expected


@define(eq=False)
class Echo:
    """Sends RTP back to the leg that it came from, as that of another source (key `media-echo`)."""

    stream: Stream

    def send(self, datagram: Datagram) -> None:
        if len(datagram) < RTP_HEADER or not is_rtp(datagram):
            self.stream.withhold("no_echo")
            return
        packet = bytearray(datagram)
        # A phone that finds its own SSRC in what it hears takes it for a loop (RFC 3550, 8.2). Turned over,
        # each one becomes another, and always the same.
        for place in range(8, 12):
            packet[place] ^= 0xFF
        self.stream.send(bytes(packet))
