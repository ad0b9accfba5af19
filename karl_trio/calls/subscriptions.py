"""The commands `subscribe request`, `subscribe answer` and `unsubscribe`: whoever listens to a call.

A listener is a leg of its own, which we make an offer to. Its answer opens no way into the call: unless the
request lets it be heard (`bidirectional`), nothing that it sends goes anywhere. It is sent to where its SDP
says, and that is not learned: one that sends nothing cannot be told from a stranger who does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import attrs
from attrs import frozen

from karl_trio.config import Settings
from karl_trio.errors import CodecNegotiationFailed, InvalidSessionState, NotSupported
from karl_trio.media.latch import Learning
from karl_trio.ng.leg_requests import SubscribeAnswerRequest, SubscribeRequest, UnsubscribeRequest
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.codecs import PAYLOAD_TYPES
from karl_trio.sdp.description import MAX_MEDIA, MediaSection, parse
from karl_trio.sdp.own import NAME, describe, rejection, retold_section
from karl_trio.sdp.selection import SUPPLEMENTAL_CODECS, OfferedCodecs

from .audience import MAX_SUBSCRIBERS, end_subscriptions, subscriptions_of
from .call import Call
from .capabilities import check_capabilities
from .codecs import Negotiated, choose_codecs
from .deletion import remove_leg
from .direct import OwnSdp, codecs_of, find_interface, judge_answer, known_media, made_up_name, own_offer
from .faces import close_faces
from .hidden import reveal
from .leg import Heard, Leg, Subscription
from .media import Media, SourceRules
from .offer_answer import DRY_RUN
from .participants import find_parties
from .plan import source_rules
from .table import CallTable
from .wiring import wire

MIXING = frozenset({"mix"})
"""Flags that take a decoder and an encoder to obey."""


class Source(NamedTuple):
    """A media that is listened to."""

    leg: Leg
    media: Media
    section: MediaSection


@frozen(kw_only=True)
class SubscribeReply:
    """Our offer to a listener.

    Attributes:
        sources: what is listened to, media by media of the offer.
        to_tag: the listener's.
        labels: of the media of the offer, if it is for a recording server (RFC 7866), or else empty.
    """

    sdp: str
    sources: Sequence[Source]
    to_tag: str
    labels: Sequence[str]
    warnings: tuple[str, ...]


def subscribe_request(calls: CallTable, request: SubscribeRequest, now: float) -> SubscribeReply:
    """Make an offer to a listener; subscriptions that it has already end.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: there is no such call.
        NgError: it could not be done; everything is as it was before.
    """
    call = calls.find(request.call_id)
    if not MIXING.isdisjoint(request.flags):
        raise NotSupported("mix: transcoding is not there yet; without it each source has a media of its own")
    listener = None if request.to_tag is None else call.find_leg(request.to_tag)
    if listener is None:
        call.admit_leg()
    elif listener.peers or not any(subscriptions_of(call, listener)):
        raise InvalidSessionState(f"{listener!r} does more than to listen")
    sources = _sources(call, request, listener)
    labels = [str(place + 1) if "siprec" in request.flags else "" for place in range(len(sources))]
    family = request.address_family or (sources[0].leg.family if listener is None else listener.family)
    interface, notes = find_interface(calls, request, listener, family)
    sections = [_retell(request, source, label) for source, label in zip(sources, labels, strict=True)]
    if listener is not None and listener.sent is not None:
        # Neither side ever sees the number of m= lines shrink (RFC 3264, 8).
        sections += [rejection(section) for section in parse(listener.sent.body).media[len(sections) :]]
    warnings = check_capabilities(request, describe("0", 0, interface.advertised, NAME, sections))
    ready = OwnSdp(
        request=request,
        leg=listener,
        interface=interface,
        media=[own_offer(request, section, place, listener) for place, section in enumerate(sections)],
        rules=_rules(request, calls.settings, is_heard="bidirectional" in request.flags),
    ).prepare(now)
    tag = request.to_tag or made_up_name()
    warnings = (*warnings, *notes)
    if request.dry_run:
        warnings = (*warnings, DRY_RUN)
    else:
        call.heed(request)
        if listener is not None:
            end_subscriptions(call, listener)
        listener = ready.carry_out(calls, call, tag, now)
        listener.label = request.set_label or request.to_label or listener.label
        _subscribe(request, sources, listener)
        wire(call)
    return SubscribeReply(sdp=ready.sent.body, sources=sources, to_tag=tag, labels=labels, warnings=warnings)


def subscribe_answer(calls: CallTable, request: SubscribeAnswerRequest, now: float) -> tuple[str, ...]:
    """Take a listener's answer, and let it hear; return warnings.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: there is no such call.
        CodecNegotiationFailed: it does not accept all codecs that its sources may use.
        NgError: it could not be done; everything is as it was before.
    """
    call = calls.find(request.call_id)
    listener = call.find_leg(request.to_tag)
    if listener is None or not any(subscriptions_of(call, listener)):
        raise InvalidSessionState(f"no listener has the tag {request.to_tag!r}")
    answer = judge_answer(listener, request)
    warnings = check_capabilities(request, answer.description)
    assert listener.sent is not None
    for (advertised, _, accepted), offered in zip(answer.media, listener.sent.codecs, strict=False):
        if not advertised.is_rejected:
            _check_accepted(accepted, offered, may_transcode="allow-transcoding" in request.flags)
    if request.dry_run:
        return (*warnings, DRY_RUN)
    call.heed(request)
    listener.said = request.sdp
    is_heard = any(each.heard is not Heard.RTCP for each in listener.subscribers)
    answer.carry_out(call, _rules(request, calls.settings, is_heard=is_heard), now)
    wire(call)
    return warnings


def unsubscribe(calls: CallTable, request: UnsubscribeRequest) -> None:
    """End what a listener listens to; with nothing left, it is no leg of the call any more.

    Raises:
        UnknownCall: there is no such call.
        InvalidSessionState: there is no such listener, or it does not listen to the leg that is named.
    """
    call = calls.find(request.call_id)
    listener = call.find_leg(request.to_tag)
    source = None
    if "directional" in request.flags and request.from_tag is not None:
        source = call.find_leg(request.from_tag)
        if source is None:
            raise InvalidSessionState(f"no leg has the tag {request.from_tag!r}")
    if listener is None or not any(source in (None, leg) for leg, _ in subscriptions_of(call, listener)):
        raise InvalidSessionState(f"{request.to_tag!r} does not listen to {source or 'anybody'}")
    end_subscriptions(call, listener, source)
    if not listener.peers and not any(subscriptions_of(call, listener)):
        remove_leg(call, listener)
        calls.forget_unused(call)
        return
    used = {subscription.listener_media for _, subscription in subscriptions_of(call, listener)}
    for media in listener.media:
        if not listener.peers and media.index not in used:
            close_faces(call, media)
    wire(call)


def _sources(call: Call, request: SubscribeRequest, listener: Leg | None) -> list[Source]:
    """Return the media that a request wants to listen to.

    Raises:
        InvalidParameters, InvalidSessionState: there are none, too many, or too many listeners to one.
        NotSupported: one is encrypted.
    """
    legs = find_parties(call, request.sources)
    if request.all == "all":
        legs = tuple(leg for leg in legs if leg is not listener and not leg.only_listens)
    if listener in legs:
        raise InvalidSessionState(f"{listener!r} cannot listen to itself")
    found: list[Source] = []
    for leg in legs:
        if leg.said is None:
            continue
        others = {each.listener for each in leg.subscribers if each.listener is not listener}
        if len(others) >= MAX_SUBSCRIBERS:
            raise InvalidSessionState(f"{len(others)} listeners to {leg!r} already")
        description = parse(leg.said)
        if leg.sent is not None:
            description = reveal(description, leg.sent.hidden)
        places = leg.slots or range(len(description.media))
        for slot, section in zip(places, description.media, strict=False):
            media = known_media(leg, slot)
            if media is not None and media.faces and media.kind == section.kind and section.is_rtp:
                found.append(Source(leg, media, section))
    if not found:
        raise InvalidSessionState("nothing to listen to")
    if len(found) > MAX_MEDIA:
        raise InvalidSessionState(f"{len(found)} media in one offer")
    if any(source.media.advertised is not None and source.media.advertised.is_secure for source in found):
        raise NotSupported("a source is encrypted: SRTP is not there yet")
    return found


def _retell(request: SubscribeRequest, source: Source, label: str) -> MediaSection:
    """Return the section that offers a source to the listener.

    Raises:
        NotSupported: the request wants codecs out of it that the source may use.
    """
    section, agreed = source.section, source.media.agreed
    if agreed is not None:
        formats = tuple([each for each in section.formats if each in agreed.formats])
        section = attrs.evolve(section, formats=formats)
    offered = codecs_of(section)
    negotiated = Negotiated(place=0, section=section, names=offered.names)
    choice = choose_codecs(request, [negotiated], is_answer=False)
    formats = choice.formats.get(0, section.formats)
    refused = _carrying(offered) - set(formats)
    if refused:
        raise NotSupported(f"codecs {sorted(refused)} of a source taken out: transcoding is not there yet")
    flags = request.flags
    direction = Direction.of(
        sends="inactive" not in flags, receives="bidirectional" in flags and "inactive" not in flags
    )
    return retold_section(section, formats, direction, label or None)


def _carrying(codecs: OfferedCodecs) -> set[str]:
    """Return those formats that carry media, and do not just go beside what does."""
    return {
        each
        for each in codecs.formats
        if codecs.names.get(PAYLOAD_TYPES[each], "").partition("/")[0].lower() not in SUPPLEMENTAL_CODECS
    }


def _rules(request: SdpRequest, settings: Settings, *, is_heard: bool) -> SourceRules:
    """Return how a listener's endpoints are learned: by its SDP, unless the request says otherwise."""
    rules = source_rules(request, settings)
    if is_heard or request.endpoint_learning is not None:
        return rules
    return attrs.evolve(rules, learning=Learning.OFF)


def _subscribe(request: SubscribeRequest, sources: Sequence[Source], listener: Leg) -> None:
    """Write down who listens to whom from now on."""
    heard = Heard.EGRESS if "egress" in request.flags else Heard.SAID
    back = Heard.SAID if "bidirectional" in request.flags else Heard.RTCP
    has_back_channel = not {"bidirectional", "rtcp-mirror"}.isdisjoint(request.flags)
    for place, (leg, media, section) in enumerate(sources):
        own = listener.media[place]
        if own.kind != section.kind:
            own.advertised = None
        leg.subscribers.append(
            Subscription(media=media.index, listener=listener, listener_media=own.index, heard=heard)
        )
        if has_back_channel:
            listener.subscribers.append(
                Subscription(
                    media=own.index,
                    listener=leg,
                    listener_media=media.index,
                    heard=back,
                    is_back_channel=True,
                )
            )
    for leftover in listener.media[len(sources) :]:
        leftover.advertised = None


def _check_accepted(accepted: OfferedCodecs, offered: OfferedCodecs, *, may_transcode: bool) -> None:
    """Check that a listener understands whatever its source may use.

    Raises:
        CodecNegotiationFailed, NotSupported: it does not.
    """
    missing = _carrying(offered) - set(accepted.formats)
    if missing and may_transcode:
        raise NotSupported(f"payload types {sorted(missing)} not accepted: transcoding is not there yet")
    if missing:
        raise CodecNegotiationFailed(f"payload types {sorted(missing)} not accepted by the listener")
