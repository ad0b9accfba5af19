"""RTCP compound packets (RFC 3550, 6; reduced size: RFC 5506; extended reports: RFC 3611).

Each packet of a compound begins with the same word, and is `length` + 1 words long:

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|  count  |  packet type  |            length             |

Types that are not known here are kept as they are, for a relay has to pass on what it does not understand.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

from attrs import frozen

from karl_trio.errors import Malformed

HEADER_SIZE = 4
SHORTEST = 8
"""Octets of the shortest packet that says anything: a header and an SSRC."""

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_WORD = struct.Struct("!I")
_ITEM_END = 0

Buffer = bytes | bytearray | memoryview


class PacketType(IntEnum):
    """The packet types that are taken apart here."""

    SENDER_REPORT = 200
    RECEIVER_REPORT = 201
    SOURCE_DESCRIPTION = 202
    GOODBYE = 203
    APPLICATION = 204
    EXTENDED_REPORT = 207


@frozen
class ReportBlock:
    """What a receiver says of one source (RFC 3550, 6.4.1).

    Attributes:
        fraction_lost: since the report before, in 256ths.
        lost: since the beginning; negative when there were more duplicates than losses.
        highest: the extended sequence number received last.
        jitter_ticks: interarrival jitter in RTP timestamp units.
        last_report: the middle 32 bits of the NTP time in the last sender report received; 0 for none.
        delay: from receiving that report to sending this block, in 65536ths of a second.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter_ticks: int
    last_report: int
    delay: int


@frozen
class SenderReport:
    """SR.

    Attributes:
        ntp_time: 64 bits, seconds since 1900 in the upper 32.
        rtp_time: the same instant in RTP timestamp units.
        extension: what the profile adds at the end.
    """

    ssrc: int
    ntp_time: int
    rtp_time: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...]
    extension: bytes = b""


@frozen
class ReceiverReport:
    """RR; `extension` is what the profile adds at the end."""

    ssrc: int
    blocks: tuple[ReportBlock, ...]
    extension: bytes = b""


@frozen
class SourceChunk:
    """What SDES says of one source: pairs of item type (1 is CNAME) and value."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...]


@frozen
class SourceDescription:
    """SDES."""

    chunks: tuple[SourceChunk, ...]


@frozen
class Goodbye:
    """BYE: these sources have left; it ends no call."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""


@frozen
class Application:
    """APP: whatever an application with a name of four octets means by it."""

    subtype: int
    ssrc: int
    name: bytes
    data: bytes


@frozen
class ExtendedBlock:
    """One block of an extended report (RFC 3611, 3)."""

    block_type: int
    specific: int
    data: bytes


@frozen
class ExtendedReport:
    """XR."""

    ssrc: int
    blocks: tuple[ExtendedBlock, ...]


@frozen
class OtherPacket:
    """A packet of another type, such as feedback (RFC 4585), with everything after its header."""

    packet_type: int
    count: int
    body: bytes


Packet = (
    SenderReport | ReceiverReport | SourceDescription | Goodbye | Application | ExtendedReport | OtherPacket
)


def check_compound(data: Buffer, *, is_encrypted: bool = False) -> None:
    """Check that a datagram is RTCP from its first octet to its last.

    Args:
        is_encrypted: this is SRTCP, in which only the first header and SSRC are readable (RFC 3711, 3.4).

    Raises:
        Malformed: it is not.
    """
    size = len(data)
    if size < SHORTEST:
        raise Malformed("RTCP ends before its first SSRC", size)
    offset = 0
    while offset < size:
        end = offset + _check_header(data, offset)
        if is_encrypted:
            return
        # Only the last one should have padding, in whole words (RFC 3550, 6.4.1); browsers do as they like.
        if data[offset] & 0x20 and not 1 <= data[end - 1] <= end - offset - HEADER_SIZE:
            raise Malformed(f"RTCP padding of {data[end - 1]} octets", end - 1)
        offset = end


def parse_compound(data: Buffer) -> tuple[Packet, ...]:
    """Take a compound packet apart.

    Raises:
        Malformed: something in it is not as long as it says, or not RTCP.
    """
    check_compound(data)
    packets: list[Packet] = []
    offset = 0
    while offset < len(data):
        first, packet_type, words = _HEADER.unpack_from(data, offset)
        end = offset + HEADER_SIZE + 4 * words
        body = bytes(data[offset + HEADER_SIZE : end - (data[end - 1] if first & 0x20 else 0)])
        parse = _PARSERS.get(packet_type)
        count = first & 0x1F
        try:
            packets.append(OtherPacket(packet_type, count, body) if parse is None else parse(body, count))
        except _TooShort as fault:
            name = PacketType(packet_type).name.lower().replace("_", " ")
            raise Malformed(f"RTCP {name} ends within {fault}", offset) from None
        offset = end
    return tuple(packets)


class _TooShort(Exception):
    """A packet's body ends before what it has to hold; the message says within what."""


def _check_header(data: Buffer, offset: int) -> int:
    """Check the header at an offset; return how long its packet is, in octets."""
    size = len(data)
    if size - offset < HEADER_SIZE:
        raise Malformed("RTCP ends within a header", offset)
    first, packet_type, words = _HEADER.unpack_from(data, offset)
    if first >> 6 != 2:
        raise Malformed(f"RTCP version {first >> 6}", offset)
    if not 192 <= packet_type <= 223:
        # All types that can share a port with RTP (RFC 5761, 4).
        raise Malformed(f"RTCP packet type {packet_type}", offset)
    length: int = HEADER_SIZE + 4 * words
    if offset + length > size:
        raise Malformed(f"RTCP packet of {length} octets reaches past the end", offset)
    return length


def _parse_sender_report(body: bytes, count: int) -> SenderReport:
    if len(body) < _SENDER.size:
        raise _TooShort("its sender information")
    ssrc, ntp_time, rtp_time, packets, octets = _SENDER.unpack_from(body)
    blocks, extension = _parse_blocks(body, _SENDER.size, count)
    return SenderReport(ssrc, ntp_time, rtp_time, packets, octets, blocks, extension)


def _parse_receiver_report(body: bytes, count: int) -> ReceiverReport:
    ssrc = _word(body, 0, "its SSRC")
    return ReceiverReport(ssrc, *_parse_blocks(body, 4, count))


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[tuple[ReportBlock, ...], bytes]:
    end = offset + count * _BLOCK.size
    if end > len(body):
        raise _TooShort("its report blocks")
    return tuple(_report_block(*values) for values in _BLOCK.iter_unpack(body[offset:end])), body[end:]


def _report_block(ssrc: int, loss: int, highest: int, jitter: int, last: int, delay: int) -> ReportBlock:
    # Eight bits of fraction, then a signed number of 24 bits.
    lost = ((loss & 0xFFFFFF) ^ 0x800000) - 0x800000
    return ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay)


def _parse_source_description(body: bytes, count: int) -> SourceDescription:
    chunks = []
    offset = 0
    for _ in range(count):
        ssrc = _word(body, offset, "the SSRC of a chunk")
        items, offset = _parse_items(body, offset + 4)
        chunks.append(SourceChunk(ssrc, items))
    return SourceDescription(tuple(chunks))


def _parse_items(body: bytes, offset: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """Return a chunk's items, and where the chunk after it begins."""
    items: list[tuple[int, bytes]] = []
    while True:
        if offset >= len(body):
            raise _TooShort("a chunk")
        item_type = body[offset]
        if item_type == _ITEM_END:
            # Zeros fill the chunk up to a whole word.
            return tuple(items), offset + 4 - offset % 4
        end = offset + 2 + body[offset + 1] if offset + 1 < len(body) else len(body) + 1
        if end > len(body):
            raise _TooShort("an item")
        items.append((item_type, body[offset + 2 : end]))
        offset = end


def _parse_goodbye(body: bytes, count: int) -> Goodbye:
    end = 4 * count
    if end > len(body):
        raise _TooShort("its list of sources")
    ssrcs = struct.unpack_from(f"!{count}I", body)
    reason = b""
    if end < len(body):
        size = body[end]
        if end + 1 + size > len(body):
            raise _TooShort("its reason")
        reason = body[end + 1 : end + 1 + size]
    return Goodbye(ssrcs, reason)


def _parse_application(body: bytes, count: int) -> Application:
    ssrc = _word(body, 0, "its SSRC")
    _word(body, 4, "its name")
    return Application(count, ssrc, body[4:8], body[8:])


def _parse_extended_report(body: bytes, count: int) -> ExtendedReport:  # noqa: ARG001 - reserved in XR
    ssrc = _word(body, 0, "its SSRC")
    blocks = []
    offset = 4
    while offset < len(body):
        _word(body, offset, "the header of a block")
        block_type, specific, words = _HEADER.unpack_from(body, offset)
        end = offset + HEADER_SIZE + 4 * words
        if end > len(body):
            raise _TooShort("a block")
        blocks.append(ExtendedBlock(block_type, specific, body[offset + HEADER_SIZE : end]))
        offset = end
    return ExtendedReport(ssrc, tuple(blocks))


def _word(body: bytes, offset: int, what: str) -> int:
    if offset + 4 > len(body):
        raise _TooShort(what)
    word: int = _WORD.unpack_from(body, offset)[0]
    return word


_PARSERS: dict[int, Callable[[bytes, int], Packet]] = {
    PacketType.SENDER_REPORT: _parse_sender_report,
    PacketType.RECEIVER_REPORT: _parse_receiver_report,
    PacketType.SOURCE_DESCRIPTION: _parse_source_description,
    PacketType.GOODBYE: _parse_goodbye,
    PacketType.APPLICATION: _parse_application,
    PacketType.EXTENDED_REPORT: _parse_extended_report,
}
