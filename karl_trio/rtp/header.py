"""The header of an RTP packet (RFC 3550, 5.1 and 5.3.1).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|V=2|P|X|  CC   |M|     PT      |       sequence number         |
|                           timestamp                           |
|           synchronization source (SSRC) identifier            |
|        contributing sources (CSRC), CC of them ...            |
|  profile of the extension, X  |     its length in words       |
|  the extension ...                                            |
|  the payload, and if P padding, its last octet the count of it|
"""

from __future__ import annotations

import struct

from attrs import frozen

from karl_trio.errors import Malformed

FIXED_SIZE = 12
"""Octets before the CSRC list."""

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@frozen
class Extension:
    """The header extension: what RFC 8285 puts its elements into."""

    profile: int
    data: bytes


@frozen(kw_only=True)
class Header:
    """What stands around the payload of an RTP packet.

    Attributes:
        timestamp: in ticks of the payload type's clock.
        csrcs: the sources that a mixer mixed.
        padding: octets of padding after the payload, the count octet among them; 0 for none.
        payload_offset: where the payload begins.
        payload_size: its octets, without padding.
    """

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    csrcs: tuple[int, ...] = ()
    extension: Extension | None = None
    padding: int = 0
    payload_offset: int = FIXED_SIZE
    payload_size: int = 0


def parse_header(data: bytes | bytearray | memoryview) -> Header:
    """Read the header of an RTP packet and check that it fits the packet.

    Raises:
        Malformed: it is not RTP version 2, or something in it reaches past the end.
    """
    size = len(data)
    if size < FIXED_SIZE:
        raise Malformed("RTP packet ends within its fixed header", size)
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        raise Malformed(f"RTP version {first >> 6}")
    offset = FIXED_SIZE + 4 * (first & 0x0F)
    if offset > size:
        raise Malformed("RTP packet ends within its list of contributing sources", FIXED_SIZE)
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, FIXED_SIZE)
    extension = None
    if first & 0x10:
        extension = _parse_extension(data, offset)
        offset += _EXTENSION.size + len(extension.data)
    padding = 0
    if first & 0x20:
        padding = data[size - 1]
        if not 1 <= padding <= size - offset:
            raise Malformed(f"RTP padding of {padding} octets", size - 1)
    return Header(
        marker=second >= 0x80,
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        csrcs=csrcs,
        extension=extension,
        padding=padding,
        payload_offset=offset,
        payload_size=size - offset - padding,
    )


def _parse_extension(data: bytes | bytearray | memoryview, offset: int) -> Extension:
    start = offset + _EXTENSION.size
    if start > len(data):
        raise Malformed("RTP packet ends within the header of its extension", offset)
    profile, words = _EXTENSION.unpack_from(data, offset)
    end = start + 4 * words
    if end > len(data):
        raise Malformed(f"RTP header extension of {words} words", offset)
    return Extension(profile, bytes(data[start:end]))
