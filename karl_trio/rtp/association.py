"""Which media a packet belongs to, where several share a port (RFC 9143, 9.2)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from typing import Generic, TypeVar

from attrs import define, field, frozen

from .extension import Packet, elements_of, has_extension
from .rtcp import HEADER_SIZE, SHORTEST, PacketType

T = TypeVar("T")

MAX_SOURCES = 64
"""Sources remembered for a port, each way: enough for simulcast and retransmissions of many media. What is
forgotten is learned anew from the next packet with a MID or a payload type that tells."""

TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 205, 206
"""RTCP packet types whose second SSRC is the source that they are about (RFC 4585, 6.1)."""

_WORD = struct.Struct("!I")
_BLOCK_SIZE = 24
_REPORTS = {PacketType.SENDER_REPORT: 28, PacketType.RECEIVER_REPORT: 8}
"""RTCP packet types with report blocks, and where those begin."""


@frozen(kw_only=True)
class Marks(Generic[T]):
    """What the packets of one media are known by.

    Attributes:
        media: whatever stands for the media.
        mid: its name, as it stands in the packets; None if it has none.
        mid_id: the identifier of the header extension that the name is in.
        payload_types: of its packets.
        sources: their SSRCs, as far as the SDP tells them.
    """

    media: T
    mid: bytes | None = None
    mid_id: int | None = None
    payload_types: Collection[int] = ()
    sources: Collection[int] = ()


@define
class Association(Generic[T]):
    """Sorts the packets that a leg sends to one port, by their media."""

    _by_mid: dict[bytes, T] = field(factory=dict, init=False)
    _mid_ids: frozenset[int] = field(default=frozenset(), init=False)
    _by_payload_type: dict[int, T] = field(factory=dict, init=False)
    _payload_types: dict[T, Collection[int]] = field(factory=dict, init=False)
    # By SSRC, oldest first: what the leg sends, and what it is sent.
    _sources: dict[int, T] = field(factory=dict, init=False)
    _sent: dict[int, T] = field(factory=dict, init=False)

    def describe(self, marks: Iterable[Marks[T]]) -> None:
        """Take note of what there is to know of the media; what was learned of those that remain stays."""
        every = tuple(marks)
        media = {each.media for each in every}
        self._by_mid = {each.mid: each.media for each in every if each.mid is not None}
        self._mid_ids = frozenset([each.mid_id for each in every if each.mid_id is not None])
        self._payload_types = {each.media: frozenset(each.payload_types) for each in every}
        # A payload type that several media have tells nothing.
        numbers = [number for each in every for number in set(each.payload_types)]
        self._by_payload_type = {
            number: each.media
            for each in every
            for number in each.payload_types
            if numbers.count(number) == 1
        }
        for table in (self._sources, self._sent):
            for ssrc in [ssrc for ssrc, owner in table.items() if owner not in media]:
                del table[ssrc]
        for each in every:
            for ssrc in each.sources:
                self._remember(self._sources, ssrc, each.media)

    def media_of(self, packet: Packet) -> T | None:
        """Return which media an RTP packet belongs to; None if that cannot be told."""
        payload_type = packet[1] & 0x7F
        (ssrc,) = _WORD.unpack_from(packet, 8)
        if self._mid_ids and has_extension(packet):
            for identifier, value in elements_of(packet):
                if identifier in self._mid_ids:
                    if value not in self._by_mid:
                        return None
                    self._remember(self._sources, ssrc, self._by_mid[value])
        media = self._sources.get(ssrc)
        if media is not None:
            return media if payload_type in self._payload_types[media] else None
        media = self._by_payload_type.get(payload_type)
        if media is not None:
            self._remember(self._sources, ssrc, media)
        return media

    def sends(self, ssrc: int, media: T) -> None:
        """Take note that the leg is sent a source: its reports of it belong to that media."""
        if self._sent.get(ssrc) != media:
            self._remember(self._sent, ssrc, media)

    def media_of_rtcp(self, packet: Packet, *, is_encrypted: bool = False) -> list[T]:
        """Return which media an RTCP compound packet is about, each once.

        Args:
            is_encrypted: only its first sender can be read, so it may be about any (RFC 3711, 3.4).
        """
        found: dict[T, None] = {}
        if is_encrypted:
            sender = self._sources.get(_WORD.unpack_from(packet, HEADER_SIZE)[0])
            return list(self._payload_types) if sender is None else [sender]
        for ssrc, is_sender in _named_in(packet):
            media = (self._sources if is_sender else self._sent).get(ssrc)
            if media is not None:
                found[media] = None
        return list(found)

    @staticmethod
    def _remember(table: dict[int, T], ssrc: int, media: T) -> None:
        if ssrc not in table and len(table) >= MAX_SOURCES:
            del table[next(iter(table))]
        table[ssrc] = media


def _named_in(packet: Packet) -> Iterator[tuple[int, bool]]:
    """Go through the SSRCs in an RTCP compound packet, each with whether it is a sender's."""
    offset, size = 0, len(packet)
    while offset + SHORTEST <= size:
        end = offset + 4 * (int.from_bytes(packet[offset + 2 : offset + 4]) + 1)
        if end > size:
            return
        count, kind = packet[offset] & 0x1F, packet[offset + 1]
        yield _WORD.unpack_from(packet, offset + HEADER_SIZE)[0], True
        about: Iterable[int] = ()
        if kind in _REPORTS:
            first = offset + _REPORTS[PacketType(kind)]
            about = range(first, first + _BLOCK_SIZE * count, _BLOCK_SIZE)
        elif kind in (TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK):
            about = (offset + 2 * HEADER_SIZE,)
        for place in about:
            if place + HEADER_SIZE <= end:
                yield _WORD.unpack_from(packet, place)[0], False
        offset = end
