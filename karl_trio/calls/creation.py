"""The commands `create` and `create answer`: an offer of our own to a leg, and its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from karl_trio.errors import CodecNegotiationFailed, InvalidParameters, InvalidSessionState, NotSupported
from karl_trio.ng.leg_requests import CreateAnswerRequest, CreateRequest
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.description import MAX_MEDIA, MediaSection
from karl_trio.sdp.own import NAME, codec_section, describe
from karl_trio.sdp.selection import carries_media

from .capabilities import check_capabilities
from .direct import (
    DirectAnswer,
    DirectReply,
    OwnSdp,
    conclude,
    find_interface,
    find_leg,
    judge_answer,
    own_offer,
)
from .leg import Leg
from .offer_answer import DRY_RUN
from .plan import source_rules
from .table import CallTable
from .wiring import wire

USUAL_CODECS = ("PCMU", "PCMA")
"""What every phone has; offered if the request names none."""

USUAL_KIND = "audio"
USUAL_PROTOCOL = "RTP/AVP"


def create(calls: CallTable, request: CreateRequest, now: float) -> DirectReply:
    """Make an offer to a leg, which is made if it is not there.

    Args:
        now: seconds on Trio's clock.

    Raises:
        NgError: it could not be done; everything is as it was before.
    """
    sections = tuple(_sections(request))
    if any(section.is_secure for section in sections):
        raise NotSupported(f"transport-protocol {request.transport_protocol}: SRTP is not there yet")
    leg = find_leg(calls, request)
    if leg is not None and not _fits(leg, sections):
        raise InvalidSessionState(f"{leg!r} talks to others, or about other media")
    interface, notes = find_interface(calls, request, leg, request.address_family)
    description = describe("0", 0, interface.advertised, NAME, sections)
    warnings = check_capabilities(request, description)
    media = [own_offer(request, section, place, leg) for place, section in enumerate(sections)]
    rules = source_rules(request, calls.settings)
    ready = OwnSdp(request=request, leg=leg, interface=interface, media=media, rules=rules).prepare(now)
    return conclude(calls, ready, (*warnings, *notes), now)


def create_answer(calls: CallTable, request: CreateAnswerRequest, now: float) -> tuple[str, ...]:
    """Take the answer to an offer of ours; return warnings.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: there is no such call.
        CodecNegotiationFailed: it accepts nothing that was offered.
        NgError: it could not be done; everything is as it was before.
    """
    call = calls.find(request.call_id)
    answer = judge_answer(call.find_leg(request.from_tag), request)
    warnings = check_capabilities(request, answer.description)
    if not any(_has_common_codec(answer)):
        raise CodecNegotiationFailed("the answer accepts none of the codecs offered")
    if request.dry_run:
        return (*warnings, DRY_RUN)
    call.take_signal(request, now)
    answer.leg.said = request.sdp
    answer.carry_out(call, source_rules(request, calls.settings), now)
    wire(call)
    return warnings


def _sections(request: CreateRequest) -> Iterator[MediaSection]:
    """Go through the media that are to be offered.

    Raises:
        InvalidParameters: they cannot be understood.
    """
    protocol = request.transport_protocol or USUAL_PROTOCOL
    codecs = request.codec.get("offer") or USUAL_CODECS
    if len(request.medias) > MAX_MEDIA:
        raise InvalidParameters(f"{len(request.medias)} medias")
    for media in request.medias or ({},):
        kind, own_codecs = media.get("type", USUAL_KIND), _codecs(media)
        if not isinstance(kind, str) or not kind.isalnum():
            raise InvalidParameters(f"medias: type: {kind!r}")
        if not own_codecs and kind != USUAL_KIND:
            raise InvalidParameters(f"medias: no codecs for {kind}")
        yield codec_section(kind, protocol, own_codecs or codecs, Direction.SENDRECV)


def _codecs(media: Mapping[str, Any]) -> tuple[str, ...]:
    codecs = media.get("codecs", ())
    if isinstance(codecs, str):
        codecs = [part.strip() for part in codecs.split(",")]
    if not isinstance(codecs, (list, tuple)) or not all(isinstance(codec, str) for codec in codecs):
        raise InvalidParameters("medias: codecs: not a list of strings")
    return tuple(codecs)


def _fits(leg: Leg, sections: tuple[MediaSection, ...]) -> bool:
    """Whether a leg that there is can be made this offer: it is ours alone, and no media changes its kind."""
    if leg.peers or leg.sent is None or len(sections) < len(leg.sent.codecs):
        return False
    return all(media.kind in ("", section.kind) for media, section in zip(leg.media, sections, strict=False))


def _has_common_codec(answer: DirectAnswer) -> Iterator[bool]:
    for section, (advertised, _, accepted) in zip(answer.description.media, answer.media, strict=True):
        yield not advertised.is_rejected and carries_media(section, accepted.formats)
