"""Several media of a leg on one port of ours (BUNDLE, RFC 9143).

Theory of operation. A bundle has one stream like any other, its transport: it owns the port, checks and
learns the source, and has a twin once one is believed, so a bundle is as hard to intrude upon as a single
media. Where that stream's packets go is the bundle itself, which sorts them by media and gives each to a
stream that has no port of its own, a `BundledStream`. That one has the sinks and the figures of its media;
what it is to send leaves by the transport.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from attrs import define, field

from karl_trio.rtp.association import Association, Marks
from karl_trio.rtp.demux import Protocol, classify
from karl_trio.rtp.tally import PACKET

from .relay import Stream, unpack_header
from .sinks import Datagram


@define(eq=False, repr=False)
class BundledStream(Stream):
    """The packets of one media among those of a bundle's transport.

    Attributes:
        transport: has the port, and knows the leg's endpoint.
        association: takes note of what is sent, so that reports of it can be told by media.
        number: what the media is called there; the streams themselves would refer to it in circles.
    """

    transport: Stream = field(kw_only=True)
    association: Association[int] = field(kw_only=True)
    number: int = field(kw_only=True)

    def __repr__(self) -> str:
        return f"<BundledStream {self.number} on {self.port.endpoint}: {self.packets} packets>"

    def refresh(self) -> None:
        """Let the transport take over what the latch knows."""
        self.transport.refresh()

    def settle_twin(self, now: float) -> None:
        """Open, move or close the twin of the transport."""
        self.transport.settle_twin(now)

    def take_rtp(self, datagram: Datagram, now: float) -> None:
        """Count an RTP packet of this media, and pass it on."""
        word, sequence, timestamp, ssrc = unpack_header(datagram)
        payload_type = word & 0x7F
        if ssrc != self._ssrc or payload_type != self.payload_type:
            self._expect(ssrc, payload_type)
        self._reception.packet(sequence, timestamp, len(datagram), now)
        self.last_user_packet = now
        for sink in self.sinks:
            sink.send(datagram)

    def take_rtcp(self, datagram: Datagram, now: float) -> None:
        """Count RTCP about this media, and pass it on."""
        self._tally_other += PACKET + len(datagram)
        self.last_user_packet = now
        for sink in self.rtcp_sinks:
            sink.send(datagram)

    def send(self, datagram: Datagram) -> None:
        """Send a datagram from the port that the media share."""
        transport = self.transport
        errors = transport.errors_out
        if classify(datagram[0], datagram[1]) is Protocol.RTP:
            self.association.sends(unpack_header(datagram)[3], self.number)
        transport.send(datagram)
        if transport.errors_out == errors:
            self.tally_out += PACKET + len(datagram)
        else:
            self.errors_out += 1


@define(eq=False, repr=False)
class Bundle:
    """A port that several media of a leg share.

    Attributes:
        transport: the stream with the port.
        members: the media's streams, by number.
    """

    transport: Stream
    members: dict[int, BundledStream] = field(factory=dict, init=False)
    _association: Association[int] = field(factory=Association, init=False)
    _marks: dict[int, Marks[int]] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)

    def __repr__(self) -> str:
        return f"<Bundle on {self.transport.port.endpoint}: {len(self.members)} media>"

    @classmethod
    def begin(cls, transport: Stream) -> Bundle:
        """Let a stream carry a bundle from now on, which has no members yet."""
        bundle = cls(transport)
        transport.is_muxed = True
        # Packets of several sources come in turns.
        transport.latch.is_shared = True
        # Which payload types may come is a matter of each media.
        transport.payload_types = frozenset()
        transport.sinks = transport.rtcp_sinks = (bundle,)
        return bundle

    def join(self) -> BundledStream:
        """Return a stream for one more media."""
        transport = self.transport
        member = BundledStream(
            port=transport.port,
            component=transport.component,
            latch=transport.latch,
            last_user_packet=transport.last_user_packet,
            is_muxed=True,
            transport=transport,
            association=self._association,
            number=next(self._numbers),
        )
        self.members[member.number] = member
        return member

    def leave(self, member: BundledStream) -> None:
        """Let a media go."""
        del self.members[member.number]
        member.sinks = member.rtcp_sinks = ()
        self._marks.pop(member.number, None)
        self._association.describe(self._marks.values())

    def is_first(self, stream: Stream) -> bool:
        """Whether a stream is the oldest member."""
        return next(iter(self.members.values()), None) is stream

    def describe(self, marks: Marks[int]) -> None:
        """Take note of what the packets of a member are known by."""
        self._marks[marks.media] = marks
        self._association.describe(self._marks.values())
        self.transport.is_secure = any(member.is_secure for member in self.members.values())

    def send(self, datagram: Datagram) -> None:
        """Sort what the transport received: its source has been checked, and RTCP for its form."""
        transport = self.transport
        now = transport.last_user_packet
        protocol = classify(datagram[0], datagram[1])
        numbers: list[int] = []
        if protocol is Protocol.RTP:
            number = self._association.media_of(datagram)
            if number is not None:
                numbers = [number]
                self.members[number].take_rtp(datagram, now)
        elif protocol is Protocol.RTCP:
            numbers = self._association.media_of_rtcp(datagram, is_encrypted=transport.is_secure)
            for number in numbers:
                self.members[number].take_rtcp(datagram, now)
        if not numbers:
            transport.drop("no_media")
