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
    section, offered = media.section, media.offered
    formats = section.formats
    if offered is not None and not _is_within(media, offered):
        formats = answered(section, offered, by_name="allow-asymmetric-codecs" in flags)
        if not carries_media(section, formats):
            # Under other payload types is better than not at all, and the phones may well understand.
            formats = answered(section, offered, by_name=True)
    before = media.before if offered is None else offered
    if before is not None:
        if "static-codecs" in flags and offered is None:
            formats = _static(section, before)
        elif "reuse-codecs" in flags:
            kept = tuple(payload_type for payload_type in settled(section, before) if payload_type in formats)
            formats = kept + tuple(payload_type for payload_type in formats if payload_type not in kept)
    if wishes is None:
        return formats
    formats = select(section, formats, wishes)
    if section.kind == "audio":
        for codec in missing(section, formats, wishes.transcode):
            raise NotSupported(
                f"transcode {codec}: no such codec to pass on, and transcoding is not there yet"
            )
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


def _static(section: MediaSection, before: OfferedCodecs) -> Formats:
    """Return what the listener's codecs were, as far as the speaker still has them."""
    formats = settled(section, before)
    if _is_lost(section, formats):
        raise NotSupported("static-codecs: none of them is offered now, and transcoding is not there yet")
    return formats


def _is_within(media: Negotiated, offered: OfferedCodecs) -> bool:
    """Whether an answer has only what was offered, in the very same words: so it is nearly always."""
    return media.names.items() <= offered.names.items() and set(offered.formats).issuperset(
        media.section.formats
    )
