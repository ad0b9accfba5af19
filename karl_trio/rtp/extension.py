"""Elements of the RTP header extension, one-byte and two-byte (RFC 8285, 4.2 and 4.3), and their removal.

 one-byte, profile 0xBEDE                  two-byte, profile 0x1000 + application bits
+-+-+-+-+-+-+-+-+-+-+-+-+-                +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
|  ID   | len-1 |  data ...               |      ID       |      len      |  data ...
+-+-+-+-+-+-+-+-+-+-+-+-+-                +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-

ID 0 is one octet of padding; all elements together are padded to a multiple of four octets. Everything here
is total: whatever an extension holds, there is an answer, and no exception.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

Packet = bytes | memoryview
Element = tuple[int, bytes]
"""An identifier, and the data that goes by it."""

ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000
"""Profiles; in the second, the last four bits are the application's."""

MAX_ONE_BYTE_ID = 14
"""15 is reserved (RFC 8285, 4.2)."""

MAX_ONE_BYTE_LENGTH = 16
MAX_ID = MAX_LENGTH = 255
"""Of the two-byte form."""

_FIXED_SIZE = 12
_HAS_EXTENSION = 0x10
_HEADER_SIZE = 4


def is_two_byte(profile: int) -> bool:
    return profile & 0xFFF0 == TWO_BYTE


def has_extension(packet: Packet) -> bool:
    """Whether an RTP packet says that it has a header extension."""
    return bool(packet[0] & _HAS_EXTENSION)


def read_elements(profile: int, data: Packet) -> Iterator[Element]:
    """Go through the elements of a header extension, up to the first that makes no sense.

    There are none if the profile is not one of RFC 8285.
    """
    if profile == ONE_BYTE:
        return _one_byte(data)
    return _two_byte(data) if is_two_byte(profile) else iter(())


def _one_byte(data: Packet) -> Iterator[Element]:
    at, end = 0, len(data)
    while at < end:
        octet = data[at]
        at += 1
        if octet == 0:
            continue
        identifier, length = octet >> 4, (octet & 0x0F) + 1
        # After 0 with a length, and after 15, nothing counts any more (RFC 8285, 4.2).
        if not 1 <= identifier <= MAX_ONE_BYTE_ID or at + length > end:
            return
        yield identifier, bytes(data[at : at + length])
        at += length


def _two_byte(data: Packet) -> Iterator[Element]:
    at, end = 0, len(data)
    while at < end:
        identifier = data[at]
        at += 1
        if identifier == 0:
            continue
        if at == end or at + 1 + data[at] > end:
            return
        length = data[at]
        at += 1
        yield identifier, bytes(data[at : at + length])
        at += length


def write_elements(elements: Iterable[Element], *, two_byte: bool) -> bytes:
    """Return the data of a header extension, padded."""
    data = bytearray()
    for identifier, value in elements:
        data += bytes((identifier, len(value)) if two_byte else (identifier << 4 | len(value) - 1,)) + value
    data += bytes(-len(data) % 4)
    return bytes(data)


def _fits_one_byte(element: Element) -> bool:
    identifier, value = element
    return identifier <= MAX_ONE_BYTE_ID and 1 <= len(value) <= MAX_ONE_BYTE_LENGTH


def locate(packet: Packet) -> tuple[int, int] | None:
    """Return where the header extension of an RTP packet would begin, and where it ends.

    None if the packet ends before that.
    """
    if len(packet) < _FIXED_SIZE:
        return None
    start = _FIXED_SIZE + 4 * (packet[0] & 0x0F)
    end = start
    if has_extension(packet):
        end += _HEADER_SIZE
        if end > len(packet):
            return None
        end += 4 * int.from_bytes(packet[end - 2 : end])
    return (start, end) if end <= len(packet) else None


def elements_of(packet: Packet) -> Iterator[Element]:
    """Go through the header extension elements of an RTP packet; none if it is not well-formed."""
    place = locate(packet)
    if place is None or not has_extension(packet):
        return iter(())
    start, end = place
    return read_elements(int.from_bytes(packet[start : start + 2]), packet[start + _HEADER_SIZE : end])


def with_elements(packet: Packet, keep: Container[int], add: Iterable[Element] = ()) -> Packet:
    """Return an RTP packet with no other header extension elements than those kept and those added.

    The order of what is kept stays; a packet that has just that already, or whose extension is not one of
    RFC 8285, is returned as it is. Without an element left there is no header extension.

    Args:
        keep: the identifiers of the elements that stay.
        add: elements to append, in place of any that the packet has under the same identifiers.
    """
    place = locate(packet)
    if place is None:
        return packet
    start, end = place
    profile = ONE_BYTE
    old: list[Element] = []
    if has_extension(packet):
        profile = int.from_bytes(packet[start : start + 2])
        if profile != ONE_BYTE and not is_two_byte(profile):
            return packet
        old = list(read_elements(profile, packet[start + _HEADER_SIZE : end]))
    added = list(add)
    replaced = {identifier for identifier, _ in added}
    new = [element for element in old if element[0] in keep and element[0] not in replaced] + added
    if new == old:
        return packet
    first = packet[0] | _HAS_EXTENSION if new else packet[0] & ~_HAS_EXTENSION
    extension = b""
    if new:
        two_byte = profile != ONE_BYTE or not all(map(_fits_one_byte, new))
        data = write_elements(new, two_byte=two_byte)
        if profile == ONE_BYTE and two_byte:
            profile = TWO_BYTE
        extension = profile.to_bytes(2) + (len(data) // 4).to_bytes(2) + data
    return b"".join((bytes((first,)), packet[1:start], extension, packet[end:]))
