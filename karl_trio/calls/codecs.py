"""Which codecs of an offer or answer the listener is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from karl_trio.errors import CodecNegotiationFailed
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.description import MediaSection
from karl_trio.sdp.selection import CodecWishes, Formats, OfferedCodecs, answered, carries_media, select

Negotiated = tuple[int, MediaSection, Mapping[int, str]]
"""A media whose codecs are at stake: its place from 0, and the names and clock rates of those known."""


@frozen
class CodecChoice:
    """Which formats go on.

    Attributes:
        formats: by the place of the media, from 0; all go on of a media that is not there.
    """

    formats: Mapping[int, Formats] = {}
    warnings: tuple[str, ...] = ()


EVERYTHING = CodecChoice()


def choose_codecs(
    request: SdpRequest, media: Sequence[Negotiated], offered: Sequence[OfferedCodecs] | None
) -> CodecChoice:
    """Choose the formats that go on to the listener.

    rtpengine restores the codecs of a media that has lost them all. So do we, with a warning, as long as
    another media has kept some: video in a call whose audio codecs were chosen by name.

    Args:
        media: of the offer or answer, those that go through us as RTP.
        offered: for an answer what the speaker was offered of each media, if that is known.

    Raises:
        CodecNegotiationFailed: nothing is left of an offer, or an answer has nothing in common with it.
    """
    wishes = _wishes(request, is_answer=offered is not None)
    chosen: dict[int, Formats] = {}
    emptied = []
    for place, section, names in media:
        told = offered[place] if offered is not None and place < len(offered) else None
        if wishes is None and (told is None or _is_within(section.formats, names, told)):
            continue
        formats = _choose(section, names, wishes, told, by_name="allow-asymmetric-codecs" in request.flags)
        if formats != section.formats:
            chosen[place] = formats
            if carries_media(section, section.formats) and not carries_media(section, formats):
                emptied.append(place)
    if not chosen:
        return EVERYTHING
    if not emptied or "allow-no-codec-media" in request.flags:
        return CodecChoice(chosen)
    if len(emptied) == len(media):
        raise CodecNegotiationFailed(f"no codec is left of {len(emptied)} media")
    for place in emptied:
        del chosen[place]
    return CodecChoice(
        chosen, tuple(f"no codec was left of media {place + 1}: all were kept" for place in emptied)
    )


def _wishes(request: SdpRequest, *, is_answer: bool) -> CodecWishes | None:
    is_single = is_answer and "single-codec" in request.flags
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


def _choose(
    section: MediaSection,
    names: Mapping[int, str],
    wishes: CodecWishes | None,
    offered: OfferedCodecs | None,
    *,
    by_name: bool,
) -> Formats:
    formats = section.formats
    if offered is not None and not _is_within(formats, names, offered):
        formats = answered(section, offered, by_name=by_name)
        if not carries_media(section, formats):
            # Under other payload types is better than not at all, and the phones may well understand.
            formats = answered(section, offered, by_name=True)
    return formats if wishes is None else select(section, formats, wishes)


def _is_within(formats: Formats, names: Mapping[int, str], offered: OfferedCodecs) -> bool:
    """Whether an answer has only what was offered, in the very same words: so it is nearly always."""
    return names.items() <= offered.names.items() and set(offered.formats).issuperset(formats)
