"""A session description as the model that offers and answers are worked out on.

Only what a media proxy must understand is understood; everything else is kept as it was written.
`parse` is total: any text gives a `Description` or raises `InvalidSdp`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from attrs import field, frozen

from karl_trio.endpoint import Family
from karl_trio.errors import InvalidSdp

from .addresses import connection_address
from .attributes import Attributes, parse_port
from .codecs import PAYLOAD_TYPES
from .lines import Line, split
from .section import RTP_PROTOCOLS, Fields, MediaSection

__all__ = ["Description", "MediaSection", "Origin", "parse"]

MAX_LENGTH = 65_536
"""Characters in one SDP: what fits in the UDP datagram that carries a SIP message or an NG request."""

MAX_MEDIA = 64
"""m= lines: each costs ports. The largest conference clients stay below half of it."""

MAX_ATTRIBUTES = 256
"""a= lines in one section: WebRTC offers with every codec, candidate and simulcast layer have about 150."""

MAX_FORMATS = 128
"""Formats of one media: RTP has no more payload types (RFC 3550, 5.1)."""

MAX_PORT_COUNT = 10
"""Consecutive port pairs of one m= line; nobody but layered video on multicast ever used it."""

LONGEST_VERSION = 20
"""Digits of a session version: it is meant to be an NTP timestamp, 64 bits (RFC 8866, 5.2)."""

# k=, r= and z= are allowed and forgotten: obsolete, or about broadcast times (RFC 8866, 5.10 to 5.12).
_SESSION_LETTERS = frozenset("vosiuepcbtrzk")
_MEDIA_LETTERS = frozenset("icbkrz")
_ONCE = frozenset("vosc")

_PAYLOAD_TYPES = frozenset(PAYLOAD_TYPES)


@frozen
class Origin:
    """Who made this session, and which version of it this is (RFC 8866, 5.2).

    Attributes:
        version: 0 if what was written is not a number.
        family: of `address`.
        address: as it was written; it may be a host name, and nothing is ever sent there.
        version_text: as it was written.
    """

    username: str
    session_id: str
    version: int
    family: Family
    address: str
    version_text: str = field(repr=False)


@frozen
class Description:
    """A whole session description.

    Attributes:
        fields: the lines of the session section other than a=.
        attributes: the a= lines of the session section.
        text: everything, as it was.
    """

    origin: Origin
    media: tuple[MediaSection, ...]
    fields: Fields = field(repr=False)
    attributes: Attributes = field(repr=False)
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The session name; a dash, which means none, if there is no s= line."""
        return self.fields.get("s", ("-",))[0]

    @property
    def bundle(self) -> Sequence[str]:
        """The names (a=mid) of the media that are to share a port (a=group:BUNDLE, RFC 9143).

        There may be several such groups; the first one counts.
        """
        for value in self.attributes.every("group"):
            kind, *mids = value.split()
            if kind == "BUNDLE":
                return mids
        return ()

    @property
    def loop_marks(self) -> Sequence[str]:
        """The marks of the media proxies that this SDP went through with ``loop-protect``."""
        return self.attributes.every("rtpengine")

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every line of the text, also those behind an empty line that ended the SDP."""
        return split(self.text)


class _Section(NamedTuple):
    """The lines of one section; `start` is the value of its m= line."""

    start: str
    fields: dict[str, list[str]]
    entries: list[tuple[str, str]]
    values: dict[str, list[str]]

    def attributes(self) -> Attributes:
        if len(self.entries) > MAX_ATTRIBUTES:
            raise InvalidSdp(f"{len(self.entries)} attributes in one section")
        return Attributes(self.entries, self.values)


def parse(text: str) -> Description:
    """Read an SDP.

    Raises:
        InvalidSdp: it is not one, or one that a media proxy cannot work with.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidSdp(f"{len(text)} characters long")
    if not text.startswith(("v=0\r\n", "v=0\n")):
        raise InvalidSdp("does not begin with v=0")
    first, *rest = _sections(text)
    if not rest:
        raise InvalidSdp("no media")
    if "o" not in first.fields:
        raise InvalidSdp("no o= line")
    _refuse_repeated(first.fields)
    origin = _origin(first.fields["o"][0])
    attributes = first.attributes()
    address = connection_address(first.fields["c"][0]) if "c" in first.fields else None
    media = tuple([_media(section, address, attributes) for section in rest])
    return Description(origin, media, first.fields, attributes, text)


def _bodies(text: str) -> list[str]:
    """Return the lines without their endings."""
    lines = text.split("\r\n")
    pairs = len(lines) - 1
    if text.count("\n") != pairs:  # not CRLF throughout
        lines = text.replace("\r\n", "\n").split("\n")
    # Both are forbidden everywhere in SDP (RFC 8866, 9), and what they do to a phone is anybody's guess.
    if "\0" in text or text.count("\r") != pairs:
        raise InvalidSdp("a NUL, or a CR that ends no line")
    return lines


def _sections(text: str) -> list[_Section]:
    """Sort the lines into sections, the session's first; the grammar of lines is checked here."""
    sections = []
    letters = _SESSION_LETTERS
    start = ""
    fields: dict[str, list[str]] = defaultdict(list)
    entries: list[tuple[str, str]] = []
    values: dict[str, list[str]] = defaultdict(list)
    append = entries.append
    for line in _bodies(text):
        if line[:2] == "a=":  # most lines are, and this loop is most of the time that parsing takes
            name, _, value = line[2:].partition(":")
            append((name, line))
            values[name].append(value)
            continue
        if not line:
            break
        letter = line[0]
        if line[1:2] != "=":
            raise InvalidSdp(f"not a line of SDP: {line[:80]!r}")
        if letter == "m":
            sections.append(_Section(start, fields, entries, values))
            if len(sections) > MAX_MEDIA:
                raise InvalidSdp(f"more than {MAX_MEDIA} media")
            start, fields, entries, values = line[2:], defaultdict(list), [], defaultdict(list)
            append = entries.append
            letters = _MEDIA_LETTERS
        elif letter not in letters:
            raise InvalidSdp(f"{letter}= in the wrong place or unknown")
        else:
            fields[letter].append(line[2:])
    sections.append(_Section(start, fields, entries, values))
    return sections


def _refuse_repeated(fields: Fields) -> None:
    for letter, values in fields.items():
        if len(values) > 1 and letter in _ONCE:
            raise InvalidSdp(f"second {letter}= in one section")


def _origin(value: str) -> Origin:
    # From the right: there are phones that put a name with spaces in front.
    words = value.rstrip(" ").rsplit(" ", 5)
    if len(words) != 6:
        raise InvalidSdp(f"bad o= line: {value[:80]!r}")
    username, session_id, version, _, family, address = words
    if family not in ("IP4", "IP6"):
        raise InvalidSdp(f"bad o= line: {value[:80]!r}")
    number = (
        int(version) if version.isascii() and version.isdigit() and len(version) <= LONGEST_VERSION else 0
    )
    return Origin(username, session_id, number, "IP6" if family == "IP6" else "IP4", address, version)


def _media(section: _Section, session_address: str | None, session: Attributes) -> MediaSection:
    words = section.start.split(" ")
    if "" in words:
        words = [word for word in words if word]
    if len(words) < 3:
        raise InvalidSdp(f"bad m= line: {section.start[:80]!r}")
    kind, ports, protocol, *formats = words
    port_text, slash, count_text = ports.partition("/")
    port = parse_port(port_text)
    count = parse_port(count_text) if slash else 1
    if port is None or count is None or not 1 <= count <= MAX_PORT_COUNT:
        raise InvalidSdp(f"bad port in m= line: {ports[:80]!r}")
    # Those who reject a media often leave out the formats.
    if len(formats) > MAX_FORMATS or (port and not formats):
        raise InvalidSdp(f"{len(formats)} formats in m= line")
    if protocol.upper() in RTP_PROTOCOLS:
        if not _PAYLOAD_TYPES.issuperset(formats):
            raise InvalidSdp(f"bad payload types: {section.start[:80]!r}")
        # Each is explained once when it is written, however often it came.
        formats = list(dict.fromkeys(formats))
    _refuse_repeated(section.fields)
    own = section.fields.get("c")
    address = connection_address(own[0]) if own else session_address
    if port and address is None:
        raise InvalidSdp("no c= line for a media")
    return MediaSection(
        kind, port, count, protocol, tuple(formats), address, section.fields, section.attributes(), session
    )
