"""Descriptions that do not come from anybody: SDP that we write as one end of an exchange.

They are made as models, like those that parsing gives, so that `rewrite` writes them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from attrs import evolve

from karl_trio.endpoint import family_of
from karl_trio.errors import InvalidParameters

from .attributes import DIRECTION_NAMES, Attributes, Direction
from .codecs import STATIC_ENCODINGS, parse_encoding
from .description import MAX_FORMATS, Description, Origin
from .section import MediaSection

NAME = "karl-trio"
"""For s=, which has to say something (RFC 8866, 5.3); no version, for strangers get to read it."""

PLACEHOLDER_PORT = 9
"""In a section whose port is not known yet; any but 0 will do."""

FIRST_DYNAMIC = 96
"""The first payload type that means what SDP says it means (RFC 3551, 3)."""

USUAL_ENCODINGS = {
    name.partition("/")[0].lower(): name
    for name in (
        *("opus/48000/2", "telephone-event/8000", "speex/16000", "iLBC/8000", "AMR/8000", "AMR-WB/16000"),
        *("L16/44100", "EVS/16000", "VP8/90000", "VP9/90000", "H264/90000", "H265/90000"),
        "AV1/90000",
    )
}
"""What is meant by the bare name of a codec that has no payload type of its own."""

FMTP = 4
"""Where the fmtp is in rtpengine's long form of a codec, behind the name."""

_MADE_ANEW = DIRECTION_NAMES | {"label", "mid"}


def describe(
    session_id: str, version: int, address: str, name: str, media: Iterable[MediaSection]
) -> Description:
    """Return a description with an o= line of ours.

    Args:
        address: a literal address of ours.
        name: for s=.
    """
    origin = Origin("-", session_id, version, family_of(address), address, str(version))
    return Description(origin, tuple(media), {"s": (name,)}, NO_ATTRIBUTES, "")


def make_section(
    kind: str, protocol: str, formats: Sequence[str], direction: Direction, lines: Iterable[str]
) -> MediaSection:
    """Return a section of a media that is not rejected.

    Args:
        lines: attributes other than the direction, without ``a=``.
    """
    own = attributes([*lines, direction.value])
    return MediaSection(kind, PLACEHOLDER_PORT, 1, protocol, tuple(formats), None, {}, own, NO_ATTRIBUTES)


def rejection(section: MediaSection) -> MediaSection:
    """Return the section that rejects another one."""
    mid = () if section.mid is None else (f"mid:{section.mid}",)
    return evolve(section, port=0, address=None, fields={}, attributes=attributes(mid), session=NO_ATTRIBUTES)


def answer_section(section: MediaSection, formats: Sequence[str], direction: Direction) -> MediaSection:
    """Return the section that accepts some formats of another one."""
    lines = [line[2:] for name, line in section.attributes.entries if name in ("mid", "rtpmap", "fmtp")]
    return make_section(section.kind, section.protocol, formats, direction, lines)


def retold_section(
    section: MediaSection, formats: Sequence[str], direction: Direction, label: str | None
) -> MediaSection:
    """Return a section that offers somebody else the media that one describes.

    Args:
        label: for a=label (RFC 4574).
    """
    lines = [line[2:] for name, line in section.attributes.entries if name not in _MADE_ANEW]
    if label is not None:
        lines.append(f"label:{label}")
    made = make_section(section.kind, section.protocol, formats, direction, lines)
    return evolve(made, fields={"b": section.fields["b"]} if "b" in section.fields else {})


def codec_section(kind: str, protocol: str, codecs: Collection[str], direction: Direction) -> MediaSection:
    """Return a section that offers codecs.

    Args:
        codecs: each by its name, its encoding (``opus/48000/2``), or rtpengine's longer form, in which the
            sixth part is the fmtp.

    Raises:
        InvalidParameters: there are none, too many, or one whose clock rate nobody can know.
    """
    if not codecs:
        raise InvalidParameters(f"no codecs for a media of the kind {kind!r}")
    if not all(text.isprintable() for text in (kind, *codecs)):
        raise InvalidParameters("a line break in the name of a codec")
    formats: list[str] = []
    lines: list[str] = []
    dynamic = FIRST_DYNAMIC
    for codec in dict.fromkeys(codecs):
        name, *rest = codec.split("/")
        encoding = _encoding(name, rest[:2])
        payload_type = _STATIC_PAYLOAD_TYPES.get(encoding.lower())
        if payload_type is None:
            if dynamic >= MAX_FORMATS:
                raise InvalidParameters(f"more codecs than there are payload types: {len(codecs)}")
            payload_type, dynamic = str(dynamic), dynamic + 1
        if payload_type in formats:
            continue
        formats.append(payload_type)
        lines.append(f"rtpmap:{payload_type} {encoding}")
        if len(rest) > FMTP and rest[FMTP]:
            lines.append(f"fmtp:{payload_type} {rest[FMTP]}")
    return make_section(kind, protocol, formats, direction, lines)


def _encoding(name: str, numbers: Sequence[str]) -> str:
    usual = USUAL_ENCODINGS.get(name.lower()) or _STATIC_NAMES.get(name.lower())
    encoding = "/".join([name, *(number for number in numbers if number)]) if any(numbers) else usual
    parsed = None if encoding is None else parse_encoding(encoding)
    if parsed is None or " " in parsed[0]:
        raise InvalidParameters(f"what codec is {name[:80]!r}?")
    name, clock_rate, channels = parsed
    return f"{name}/{clock_rate}" + (f"/{channels}" if channels != 1 else "")


def attributes(lines: Iterable[str]) -> Attributes:
    """Return attributes from their lines without ``a=``."""
    entries = []
    values: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        name, _, value = line.partition(":")
        entries.append((name, f"a={line}"))
        values[name].append(value)
    return Attributes(entries, dict(values))


NO_ATTRIBUTES = attributes(())

_STATIC_PAYLOAD_TYPES = {encoding.lower(): number for number, encoding in STATIC_ENCODINGS.items()}
# The first of several payload types for the bare name: "DVI4" is the one at 8000 Hz.
_STATIC_NAMES = {
    encoding.partition("/")[0].lower(): encoding for encoding in reversed(tuple(STATIC_ENCODINGS.values()))
}
