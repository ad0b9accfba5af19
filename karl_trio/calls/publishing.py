"""The command `publish`: media that we take ourselves, for whoever subscribes to it."""

from __future__ import annotations

import attrs

from karl_trio.errors import CodecNegotiationFailed, InvalidSessionState
from karl_trio.ng.leg_requests import PublishRequest
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.description import MediaSection, parse
from karl_trio.sdp.own import answer_section, rejection
from karl_trio.sdp.selection import (
    EVERY_CODEC,
    SUPPLEMENTAL_CODECS,
    CodecWishes,
    Formats,
    carries_media,
    select,
)

from .capabilities import check_capabilities
from .codecs import Negotiated, choose_codecs
from .direct import (
    DirectReply,
    OwnMedia,
    OwnSdp,
    answered_direction,
    conclude,
    find_interface,
    find_leg,
    known_media,
)
from .media import Advertised
from .plan import advertised_by, family_used, refuse_dangerous, source_rules
from .table import CallTable

ANY = "any"
"""In the list to accept, the first codec there is. We look into none, so each will do."""


def publish(calls: CallTable, request: PublishRequest, now: float) -> DirectReply:
    """Take what a leg publishes, and answer its offer.

    Args:
        now: seconds on Trio's clock.

    Raises:
        NgError: it could not be done; everything is as it was before.
    """
    description = parse(request.sdp)
    warnings = check_capabilities(request, description)
    leg = find_leg(calls, request)
    if leg is not None and (leg.peers or leg.said is None):
        raise InvalidSessionState(f"{leg!r} talks to others already")
    interface, notes = find_interface(calls, request, leg, family_used(description, request))
    refuse_dangerous(description, request, allow_loopback=interface.is_loopback)
    known = [known_media(leg, place) for place in range(len(description.media))]
    told = [
        advertised_by(section, request, None if media is None else media.advertised)
        for section, media in zip(description.media, known, strict=True)
    ]
    negotiated = [
        Negotiated(place=place, section=section, names=each.codec_names)
        for place, (section, each) in enumerate(zip(description.media, told, strict=True))
        if section.port and section.is_rtp
    ]
    choice = choose_codecs(request, negotiated, is_answer=False)
    media = [
        _answer(request, section, each, choice.formats.get(place))
        for place, (section, each) in enumerate(zip(description.media, told, strict=True))
    ]
    if any(section.port for section in description.media) and not any(each.is_open for each in media):
        raise CodecNegotiationFailed("no media has a codec to accept")
    rules = source_rules(request, calls.settings)
    ready = OwnSdp(request=request, leg=leg, interface=interface, media=media, rules=rules).prepare(now)
    return conclude(calls, ready, (*warnings, *choice.warnings, *notes), now)


def _answer(
    request: PublishRequest, section: MediaSection, advertised: Advertised, offered: Formats | None
) -> OwnMedia:
    formats: Formats = ()
    if section.port and section.is_rtp:
        formats = _accept(section, section.formats if offered is None else offered, request)
    if not formats:
        return OwnMedia(section=rejection(section), advertised=attrs.evolve(advertised, is_rejected=True))
    ours = Direction.of(sends="bidirectional" in request.flags, receives=True)
    ours = answered_direction(ours, advertised.direction)
    shares_port = advertised.offers_mux and "reject" not in request.rtcp_mux
    return OwnMedia(
        section=answer_section(section, formats, ours),
        advertised=attrs.evolve(advertised, direction=answered_direction(advertised.direction, ours)),
        tells_mux=shares_port,
        tells_rtcp=not shares_port,
    )


def _accept(section: MediaSection, offered: Formats, request: PublishRequest) -> Formats:
    """Return the formats to accept: of one codec, the first that is wished for, else the first there is."""
    for wish in request.codec.get("accept", ()):
        if wish.lower() in EVERY_CODEC:
            return offered if carries_media(section, offered) else ()
        if wish.lower() == ANY:
            break
        keep = (wish, *SUPPLEMENTAL_CODECS)
        formats = select(section, offered, CodecWishes(strip=("all",), keep=keep, is_single=True))
        if carries_media(section, formats):
            return formats
    formats = select(section, offered, CodecWishes(is_single=True))
    return formats if carries_media(section, formats) else ()
