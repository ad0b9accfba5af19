"""Which formats of a media go on to the other side, when nothing is transcoded.

Formats are only ever left out or put into another order: their payload types, and what the sender says of
each, stay. `select` carries out what a request wants, `answered` finds out what of an answer had been
offered, `settled` what of a re-offer is as it was. What has lost its purpose goes as well: retransmissions
of a format that is gone, and in `select` telephone events and comfort noise at a clock rate that no codec is
left for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import frozen

from .codecs import PAYLOAD_TYPES, Codec
from .section import MediaSection

Formats = tuple[str, ...]

EVERY_CODEC = frozenset({"all", "full"})
"""Words in the list to strip that mean every codec; they differ in transcoding only."""

SUPPLEMENTAL_CODECS = frozenset({"telephone-event", "cn"})
"""What goes beside a codec of the same clock rate and is no use without one (RFC 4733, RFC 3389)."""

_RETRANSMISSION = "rtx"
_RETRANSMITTED = re.compile(r"(?:^|[; ])apt=(\d{1,3})(?=$|[; ])", re.ASCII)
# The format parameter that says what is sent again (RFC 4588, 8.6).


@frozen(kw_only=True)
class CodecWishes:
    """What is to become of the codecs of an SDP, as lists of codecs.

    A codec is named by its encoding name in any case (``PCMU``), with the clock rate and, unless there is
    one only, the channels (``opus/48000/2``), or by its payload type.

    Attributes:
        ignore: taken for not being there at all.
        strip: left out; the words of `EVERY_CODEC` mean all but those in `keep`.
        keep: what is spared then.
        offer: put back in this order where it was stripped.
        transcode: to be there in any case; put back where ``all`` stripped it, and not its name or ``full``.
        is_single: only the first of the codecs that are left.
    """

    ignore: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    offer: tuple[str, ...] = ()
    transcode: tuple[str, ...] = ()
    is_single: bool = False


class OfferedCodecs(NamedTuple):
    """What a leg was offered for one media.

    Attributes:
        formats: the payload types.
        names: encoding name and clock rate, such as ``PCMU/8000``, of those that are known, and perhaps of
            others.
    """

    formats: Formats
    names: Mapping[int, str]


def carries_media(section: MediaSection, formats: Formats) -> bool:
    """Whether there is a codec among some formats of a section, or only what goes beside one."""
    codecs = _codecs(section)
    return any(_is_codec(codecs.get(payload_type)) for payload_type in formats)


def select(section: MediaSection, formats: Formats, wishes: CodecWishes) -> Formats:
    """Return what is left of some formats of a section, in the order in which to offer it."""
    codecs = _codecs(section)
    names = {payload_type: _names(payload_type, codecs.get(payload_type)) for payload_type in formats}
    present = _without(formats, names, wishes.ignore)
    left = _without(present, names, wishes.strip)
    if not EVERY_CODEC.isdisjoint(_lower(wishes.strip)):
        kept = _lower(wishes.keep)
        left = [payload_type for payload_type in left if not names[payload_type].isdisjoint(kept)]
    _put_back(left, present, wishes.offer, names, codecs)
    if "all" in _lower(wishes.strip):
        _put_back(left, _without(present, names, wishes.strip), wishes.transcode, names, codecs)
    if wishes.is_single:
        left = _first(left, codecs)
    gone = set(formats).difference(left)
    stranded = _clock_rates(gone, codecs) - _clock_rates(left, codecs)
    return _without_orphans(left, gone, stranded, codecs)


def missing(section: MediaSection, formats: Formats, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return those of some codecs that are not among some formats of a section."""
    codecs = _codecs(section)
    present = frozenset().union(*(_names(payload_type, codecs.get(payload_type)) for payload_type in formats))
    return tuple(wish for wish in wanted if _wish(wish) not in present)


def settled(section: MediaSection, before: OfferedCodecs) -> Formats:
    """Return the formats of an offer that mean what they meant before, in the order that they had then."""
    same = answered(section, before)
    return tuple(payload_type for payload_type in before.formats if payload_type in same)


def answered(section: MediaSection, offered: OfferedCodecs, *, by_name: bool = False) -> Formats:
    """Return the formats of an answer that had been offered to the one who answers.

    An answer should use the payload types of the offer (RFC 3264, 6.1), and one under which something else
    was offered is not taken for the same format.

    Args:
        by_name: take a codec that was offered under another payload type as well.
    """
    codecs = _codecs(section)
    names = {
        payload_type: offered.names[PAYLOAD_TYPES[payload_type]].lower()
        for payload_type in offered.formats
        if PAYLOAD_TYPES.get(payload_type) in offered.names
    }
    wanted = frozenset(names.values())
    left = []
    for payload_type in section.formats:
        codec = codecs.get(payload_type)
        name = None if codec is None else f"{codec.name}/{codec.clock_rate}".lower()
        is_known = payload_type in offered.formats
        # Some say only in one of offer and answer what a dynamic payload type is.
        is_same = is_known and (name is None or names.get(payload_type, name) == name)
        if is_same or (by_name and name in wanted):
            left.append(payload_type)
    # The one who answers may well mean its telephone events for a codec of another clock rate.
    return _without_orphans(left, set(section.formats).difference(left), set(), codecs)


def _codecs(section: MediaSection) -> dict[str, Codec]:
    return {str(codec.payload_type): codec for codec in section.codecs}


def _is_codec(codec: Codec | None) -> bool:
    # A format that nobody explained may well be one.
    return codec is None or (not _is_supplemental(codec) and codec.name.lower() != _RETRANSMISSION)


def _is_supplemental(codec: Codec | None) -> bool:
    return codec is not None and codec.name.lower() in SUPPLEMENTAL_CODECS


def _names(payload_type: str, codec: Codec | None) -> frozenset[str]:
    """Return, in lower case, everything that a format may be called in a wish."""
    if codec is None:
        return frozenset({payload_type})
    full = f"{codec.name}/{codec.clock_rate}/{codec.channels}"
    return frozenset({payload_type, codec.name.lower(), codec.encoding.lower(), full.lower()})


def _wish(wish: str) -> str:
    """Return what a wish names, without the bitrate, packet time and parameters that may stand behind it."""
    return "/".join(wish.lower().split("/")[:3]).rstrip("/")


def _lower(wishes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_wish(wish) for wish in wishes)


def _without(
    formats: Formats | list[str], names: Mapping[str, frozenset[str]], wishes: tuple[str, ...]
) -> list[str]:
    unwanted = _lower(wishes)
    return [payload_type for payload_type in formats if names[payload_type].isdisjoint(unwanted)]


def _put_back(
    left: list[str],
    present: list[str],
    wishes: tuple[str, ...],
    names: Mapping[str, frozenset[str]],
    codecs: Mapping[str, Codec],
) -> None:
    """Put wished codecs that are not left, of those that were present, back in the order of the wishes."""
    for wish in dict.fromkeys(_wish(wish) for wish in wishes):
        meant = [payload_type for payload_type in present if wish in names[payload_type]]
        if set(left).isdisjoint(meant):
            for payload_type in meant:
                left.insert(_place(payload_type, left, codecs), payload_type)


def _place(payload_type: str, formats: list[str], codecs: Mapping[str, Codec]) -> int:
    """Return where a format is put back: at the end, but a codec right behind the last one."""
    if _is_supplemental(codecs.get(payload_type)):
        return len(formats)
    places = [place for place, other in enumerate(formats) if _is_codec(codecs.get(other))]
    return places[-1] + 1 if places else 0


def _first(formats: list[str], codecs: Mapping[str, Codec]) -> list[str]:
    """Return the first codec and what goes beside it."""
    first = next((payload_type for payload_type in formats if _is_codec(codecs.get(payload_type))), None)
    return [
        payload_type
        for payload_type in formats
        if payload_type == first or not _is_codec(codecs.get(payload_type))
    ]


def _without_orphans(
    left: list[str], gone: set[str], stranded: set[int], codecs: Mapping[str, Codec]
) -> Formats:
    """Leave out what was there for the sake of a codec that is gone.

    Args:
        stranded: clock rates, in Hz, that no codec is left for.
    """
    if not gone:
        return tuple(left)
    return tuple(
        payload_type for payload_type in left if not _is_orphan(codecs.get(payload_type), gone, stranded)
    )


def _is_orphan(codec: Codec | None, gone: set[str], stranded: set[int]) -> bool:
    if codec is None or _is_codec(codec):
        return False
    if _is_supplemental(codec):
        return codec.clock_rate in stranded
    found = _RETRANSMITTED.search(codec.fmtp or "")
    return found is not None and found[1] in gone


def _clock_rates(formats: list[str] | set[str], codecs: Mapping[str, Codec]) -> set[int]:
    """Return the clock rates of the codecs among some formats, in Hz."""
    found = (codecs.get(payload_type) for payload_type in formats)
    return {codec.clock_rate for codec in found if codec is not None and _is_codec(codec)}
