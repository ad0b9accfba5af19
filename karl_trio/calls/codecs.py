"""Which codecs of an offer or answer the listener is told of.

There is no transcoder, so the listener is told of nothing that the speaker does not speak. What a request
wants of one beyond that is refused by name; it never ends in a call that one side cannot hear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from karl_trio.errors import CodecNegotiationFailed, NotSupported
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.description import MediaSection
from karl_trio.sdp.selection import (
    CodecWishes,
    Formats,
    OfferedCodecs,
    answered,
    carries_media,
    missing,
    select,
    settled,
)


@frozen(kw_only=True)
class Negotiated:
    """A media whose codecs are at stake.

    Attributes:
        place: in the SDP, from 0.
        names: encoding names and clock rates by payload type, of those that are known.
        offered: for an answer what the speaker was offered, if that is known.
        before: for an offer what the listener's codecs were until now, if there were any.
        spoken: for an answer the codecs that the listener named itself, as in `names`.
    """

    place: int
    section: MediaSection
    names: Mapping[int, str]
    offered: OfferedCodecs | None = None
    before: OfferedCodecs | None = None
    spoken: Mapping[int, str] | None = None


@frozen
class CodecChoice:
    """Which formats go on.

    Attributes:
        formats: by the place of the media, from 0; all go on of a media that is not there.
        emptied: the places of the media that are to be rejected, for they have no codec left.
    """

    formats: Mapping[int, Formats] = {}
    emptied: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()


EVERYTHING = CodecChoice()

KEEPING_CODECS = frozenset({"static-codecs", "reuse-codecs"})
"""Flags that look back at the codecs of before."""


def choose_codecs(request: SdpRequest, media: Sequence[Negotiated], *, is_answer: bool) -> CodecChoice:
    """Choose the formats that go on to the listener.

    rtpengine restores the codecs of a media that has lost them all. So do we, with a warning, as long as
    another media has kept some: video in a call whose audio codecs were chosen by name. What the listener
    of an answer does not speak is not restored, though; a media that has nothing else is rejected.

    Args:
        media: of the offer or answer, those that go through us as RTP.

    Raises:
        CodecNegotiationFailed: nothing is left of an offer, or an answer has nothing in common with it.
        NotSupported: a codec has to be made that was not offered.
    """
    wishes = _answer_wishes(request) if is_answer else _offer_wishes(request)
    chosen: dict[int, Formats] = {}
    emptied = []
    for each in media:
        formats = _choose(each, wishes, request.flags)
        if formats != each.section.formats:
            chosen[each.place] = formats
            if _is_lost(each.section, formats):
                emptied.append(each)
    if not chosen:
        return EVERYTHING
    if "allow-no-codec-media" in request.flags:
        return CodecChoice(chosen, frozenset(each.place for each in emptied))
    if emptied and len(emptied) == len(media):
        raise CodecNegotiationFailed(f"no codec is left of {len(emptied)} media")
    rejected = set()
    warnings = []
    for each in emptied:
        formats = chosen[each.place] = _restored(each)
        is_lost = _is_lost(each.section, formats)
        if is_lost:
            rejected.add(each.place)
        outcome = "it is rejected" if is_lost else "all were kept"
        warnings.append(f"no codec was left of media {each.place + 1}: {outcome}")
    return CodecChoice(chosen, frozenset(rejected), tuple(warnings))


def _offer_wishes(request: SdpRequest) -> CodecWishes | None:
    """Return what is to become of an offer.

    To mask or to consume a codec differs from stripping it in what a transcoder would do with it. To accept
    one, or to set its options, is about a transcoder only.
    """
    lists = request.codec
    if not lists:
        return None
    hidden = (*lists.get("strip", ()), *lists.get("consume", ()), *lists.get("mask", ()))
    return CodecWishes(
        ignore=lists.get("ignore", ()),
        strip=hidden,
        keep=lists.get("except", ()),
        offer=lists.get("offer", ()),
        transcode=lists.get("transcode", ()),
    )


def _answer_wishes(request: SdpRequest) -> CodecWishes | None:
    """Return what is to become of an answer, where transcoding is decided already."""
    is_single = "single-codec" in request.flags
    lists = request.codec
    if not lists and not is_single:
        return None
    return CodecWishes(
        ignore=lists.get("ignore", ()),
        strip=lists.get("strip", ()),
        keep=lists.get("except", ()),
        offer=lists.get("offer", ()),
        is_single=is_single,
    )


def _choose(media: Negotiated, wishes: CodecWishes | None, flags: frozenset[str]) -> Formats:
    section = media.section
    formats = _as_before(media, _in_common(media, flags), flags)
    if wishes is None:
        return formats
    formats = select(section, formats, wishes)
    if section.kind == "audio":
        for codec in missing(section, formats, wishes.transcode):
            raise NotSupported(
                f"transcode {codec}: no such codec to pass on, and transcoding is not there yet"
            )
    return formats


def _in_common(media: Negotiated, flags: frozenset[str]) -> Formats:
    """Return the formats of an answer that had been offered; of an offer, all."""
    section, offered = media.section, media.offered
    if offered is None or _is_within(media, offered):
        return section.formats
    formats = answered(section, offered, by_name="allow-asymmetric-codecs" in flags)
    if carries_media(section, formats):
        return formats
    # Under other payload types is better than not at all, and the phones may well understand.
    return answered(section, offered, by_name=True)


def _as_before(media: Negotiated, formats: Formats, flags: frozenset[str]) -> Formats:
    """Let the codecs that are in use already come first, or be the only ones, where the flags say so."""
    before = media.before if media.offered is None else media.offered
    if before is None or not before.formats or KEEPING_CODECS.isdisjoint(flags):
        return formats
    kept = tuple(payload_type for payload_type in settled(media.section, before) if payload_type in formats)
    if "static-codecs" in flags and media.offered is None:
        if _is_lost(media.section, kept):
            raise NotSupported("static-codecs: none of them is offered now, and transcoding is not there yet")
        return kept
    if "reuse-codecs" in flags:
        return kept + tuple(payload_type for payload_type in formats if payload_type not in kept)
    return formats


def _is_lost(section: MediaSection, formats: Formats) -> bool:
    """Whether some formats of a section are nothing to talk in; to begin with it may have had events only."""
    return not formats or (carries_media(section, section.formats) and not carries_media(section, formats))


def _restored(media: Negotiated) -> Formats:
    """Return all formats of a media, or of an answer those that the listener speaks."""
    if media.spoken is None:
        return media.section.formats
    spoken = OfferedCodecs(tuple(map(str, media.spoken)), media.spoken)
    return answered(media.section, spoken, by_name=True)


def _is_within(media: Negotiated, offered: OfferedCodecs) -> bool:
    """Whether an answer has only what was offered, in the very same words: so it is nearly always."""
    return media.names.items() <= offered.names.items() and set(offered.formats).issuperset(
        media.section.formats
    )
