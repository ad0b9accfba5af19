"""Codecs as SDP names them, and the payload types that need no naming (RFC 3551, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

PAYLOAD_TYPES: Mapping[str, int] = {str(number): number for number in range(128)}
"""Every RTP payload type by its spelling in SDP; RTP has seven bits for it (RFC 3550, 5.1)."""

LARGEST_CLOCK_RATE = 0xFFFFFFFF
"""In hertz: more would make even one second of RTP timestamps ambiguous."""

LARGEST_CHANNELS = 255
"""Far above any audio codec; keeps numbers made up by strangers small."""

LONGEST_ENCODING = 64
"""Characters of ``name/rate/channels``; registered names stay below 24 (RFC 4855 sets no limit)."""

CACHED_ENCODINGS = 256
"""About as many as there are registered; the same dozen comes in nearly every call."""

STATIC_ENCODINGS: Mapping[str, str] = {
    "0": "PCMU/8000",
    "3": "GSM/8000",
    "4": "G723/8000",
    "5": "DVI4/8000",
    "6": "DVI4/16000",
    "7": "LPC/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",  # the clock rate is a mistake of RFC 1890 that was kept; the audio has 16 kHz
    "10": "L16/44100/2",
    "11": "L16/44100",
    "12": "QCELP/8000",
    "13": "CN/8000",
    "14": "MPA/90000",
    "15": "G728/8000",
    "16": "DVI4/11025",
    "17": "DVI4/22050",
    "18": "G729/8000",
    "25": "CelB/90000",
    "26": "JPEG/90000",
    "28": "nv/90000",
    "31": "H261/90000",
    "32": "MPV/90000",
    "33": "MP2T/90000",
    "34": "H263/90000",
}
"""What a payload type means when no a=rtpmap says otherwise."""


class Codec(NamedTuple):
    """What one payload type carries.

    A named tuple: every offer and answer makes a handful, at a quarter of an attrs value's cost.

    Attributes:
        payload_type: 0 to 127.
        name: the encoding name as it was written; compare without regard to case (RFC 4855).
        clock_rate: of the RTP timestamps, in Hz.
        channels: 1 unless said otherwise; 1 for video too.
        fmtp: the format parameters as they were written, or None.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str | None

    @property
    def encoding(self) -> str:
        """The codec as a=rtpmap writes it, such as ``opus/48000/2``."""
        return f"{self.name}/{self.clock_rate}" + (f"/{self.channels}" if self.channels != 1 else "")


def parse_encoding(text: str) -> tuple[str, int, int] | None:
    """Take ``<name>/<clock rate>[/<channels>]`` apart; None if it is not that (RFC 8866, 6.6)."""
    return _parse_encoding(text) if len(text) <= LONGEST_ENCODING else None


@lru_cache(CACHED_ENCODINGS)
def _parse_encoding(text: str) -> tuple[str, int, int] | None:
    name, *numbers = text.rstrip(" ").split("/")
    if not name or not 1 <= len(numbers) <= 2:
        return None
    if not all(number.isascii() and number.isdigit() and len(number) <= 10 for number in numbers):
        return None
    clock_rate = int(numbers[0])
    channels = int(numbers[1]) if len(numbers) == 2 else 1
    if clock_rate > LARGEST_CLOCK_RATE or not 1 <= channels <= LARGEST_CHANNELS:
        return None
    return name, clock_rate, channels


def by_payload_type(values: Iterable[str]) -> dict[str, list[str]]:
    """Group the values of a=rtpmap, a=fmtp or a=rtcp-fb by the payload type that each begins with."""
    groups: dict[str, list[str]] = {}
    for value in values:
        payload_type, _, rest = value.lstrip(" ").partition(" ")
        rest = rest.lstrip(" ")
        if payload_type in groups:
            groups[payload_type].append(rest)
        else:
            groups[payload_type] = [rest]
    return groups


def known_codecs(formats: Iterable[str], rtpmaps: Iterable[str], fmtps: Iterable[str]) -> tuple[Codec, ...]:
    """Return the codecs of an m= line, in its order; payload types that nobody explained are left out."""
    encodings = by_payload_type(rtpmaps)
    parameters = by_payload_type(fmtps)
    codecs = []
    for payload_type in formats:
        parsed = parse_encoding(encodings[payload_type][0]) if payload_type in encodings else None
        if parsed is None and payload_type in STATIC_ENCODINGS:
            parsed = parse_encoding(STATIC_ENCODINGS[payload_type])
        if parsed is not None:
            fmtp = parameters[payload_type][0] if payload_type in parameters else None
            codecs.append(Codec(PAYLOAD_TYPES[payload_type], *parsed, fmtp))
    return tuple(codecs)
