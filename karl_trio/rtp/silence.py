"""Silence in the place of audio, for the codecs in which it can be written without an encoder."""

from __future__ import annotations

from collections.abc import Callable

from karl_trio.errors import Malformed

from .header import parse_header

Silencer = Callable[[memoryview], bytes | None]
"""Makes as much silence as a payload is long in time; None if the payload cannot be understood."""

_PADDING_BIT = 0x20


def _repeat(octet: int) -> Silencer:
    pattern = bytes([octet])
    return lambda payload: pattern * len(payload)


_OPUS_LONGEST = 48
"""An Opus packet lasts 120 ms at most (RFC 6716, 3.2.5), in units of 2.5 ms."""

_OPUS_CELT = 28
"""The first of the four full-band CELT configurations, of 2.5, 5, 10 and 20 ms (RFC 6716, 3.1, table 2)."""

_OPUS_SILENT_FRAME = b"\xff\xfe"
"""A CELT frame begins with the flag `silence` (RFC 6716, 4.3), and this is a range coder's "yes"."""


def _opus_duration(config: int) -> int:
    """Return how long a frame of a configuration lasts, in units of 2.5 ms (RFC 6716, 3.1, table 2)."""
    if config < 12:
        return (4, 8, 16, 24)[config % 4]
    if config < 16:
        return (4, 8)[config % 2]
    return (1, 2, 4, 8)[config % 4]


def _opus(payload: memoryview) -> bytes | None:
    """Make an Opus packet of silent frames which lasts as long as the one given (RFC 6716, 3.2)."""
    if not payload:
        return None
    toc = payload[0]
    code = toc & 3
    if code == 3 and len(payload) < 2:
        return None
    frames = payload[1] & 0x3F if code == 3 else (1, 2, 2)[code]
    total = frames * _opus_duration(toc >> 3)
    if not 0 < total <= _OPUS_LONGEST:
        return None
    size = next(size for size in (3, 2, 1, 0) if total % (1 << size) == 0)
    count = total >> size
    # Mono or stereo is kept, or the decoder would begin anew.
    head = ((_OPUS_CELT + size) << 3) | (toc & 4)
    if count == 1:
        return bytes([head]) + _OPUS_SILENT_FRAME
    return bytes([head | 3, count]) + _OPUS_SILENT_FRAME * count


_SILENCERS: dict[str, Silencer] = {
    "PCMU": _repeat(0xFF),
    "PCMA": _repeat(0xD5),
    "G722": _repeat(0xFA),
    "L16": _repeat(0),
    # It says what background noise to make (RFC 3389): none, so as to tell nothing of what there is.
    "CN": lambda _: b"\x7f",
    "OPUS": _opus,
}


def silencer_of(encoding: str) -> Silencer | None:
    """Return what makes silence in a codec; None if that takes an encoder.

    Args:
        encoding: as a=rtpmap names it: ``PCMU/8000``.
    """
    return _SILENCERS.get(encoding.partition("/")[0].upper())


def silenced(packet: bytes | memoryview, silencer: Silencer) -> bytes | None:
    """Return an RTP packet with silence for its payload; None if it is malformed."""
    view = memoryview(packet)
    try:
        header = parse_header(view)
    except Malformed:
        return None
    start = header.payload_offset
    payload = silencer(view[start : start + header.payload_size])
    if payload is None:
        return None
    head = bytearray(view[:start])
    head[0] &= ~_PADDING_BIT
    return bytes(head) + payload
