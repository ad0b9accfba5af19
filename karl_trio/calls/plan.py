"""Planning an offer or an answer: a pure decision, which changes nothing.

A plan says what each media will be, which faces are used again and which ports have to be opened.
`exchange` carries it out. A plan that cannot be made, or carried out, leaves the call as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import evolve, frozen

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint, Family
from karl_trio.errors import CodecNegotiationFailed, InvalidParameters, InvalidSdp
from karl_trio.media.interfaces import Interface, Interfaces
from karl_trio.media.latch import Learning
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.addresses import ZERO_ADDRESSES, danger
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.codecs import PAYLOAD_TYPES
from karl_trio.sdp.description import Description, MediaSection
from karl_trio.sdp.manipulation import AttributeChanges, is_media_kind, manipulations
from karl_trio.sdp.selection import OfferedCodecs

from .bundling import (
    BundlePlan,
    accepted_by,
    bundled,
    fill_in,
    is_bundle_wanted,
    is_bundled,
    media_of,
    offered_by,
    plan_answer,
    plan_offer,
    without_unbundled,
)
from .codecs import EVERYTHING, KEEPING_CODECS, CodecChoice, Negotiated, choose_codecs
from .extensions import ExtensionPlan, plan_extensions
from .facing import Facing, choose_facing
from .handling import handling_of
from .hidden import NOTHING_HIDDEN, HiddenMedia, hide, is_removed, reveal
from .leg import Leg, SentSdp
from .matching import Parties
from .media import Advertised, Face, Handling, Media, SourceRules
from .mids import answered_mids, offered_mids
from .muxing import MuxPlan, plan_mux
from .reuse import face_to_use_again
from .slots import Slots, slots_of_answer, slots_of_offer

_NO_CHANGES: Mapping[str, AttributeChanges] = {}


class Role(Enum):
    """Which half of an offer/answer exchange (RFC 3264) an SDP is."""

    OFFER = "offer"
    ANSWER = "answer"


@frozen(kw_only=True)
class MediaPlan:
    """What becomes of one m= section.

    Attributes:
        slot: of the legs' media that it is about.
        section: as it came.
        advertised: what it says of the speaker.
        is_relayed: packets go through us; not for a rejected media, nor for m=message.
        listener_face: the face toward the listener that is used again, if any.
        opens_listener_face, opens_speaker_face: which new faces are needed.
        told_direction: what the listener is told of sending and receiving.
        protocol: what the listener is told that the media runs over.
        mid: what the listener is told that the media is called; None for what the speaker calls it, ""
            for nothing.
        mux: whether RTCP shares the RTP port.
        packet_time: milliseconds of audio that the listener is told to put in a packet; None for what the
            speaker says.
        speaker_packet_time: what the speaker is to be told in the answer; None for nothing new.
        extensions: which RTP header extensions the listener is told of.
        joins_bundle: the face that the listener is told of is a new one on the port of its bundle.
    """

    slot: int
    section: MediaSection
    advertised: Advertised
    is_relayed: bool
    listener_face: Face | None
    opens_listener_face: bool
    opens_speaker_face: bool
    told_direction: Direction
    protocol: str
    mid: str | None
    mux: MuxPlan
    packet_time: int | None
    speaker_packet_time: int | None
    extensions: ExtensionPlan
    joins_bundle: bool = False

    @property
    def told_mid(self) -> str:
        """What the listener is told that the media is called, "" for nothing."""
        return (self.section.mid if self.mid is None else self.mid) or ""

    @property
    def rejected(self) -> MediaPlan:
        """The plan for the media when it is shown as rejected after all."""
        return evolve(
            self,
            is_relayed=False,
            listener_face=None,
            opens_listener_face=False,
            opens_speaker_face=False,
            joins_bundle=False,
        )

    @property
    def needs_rtcp_port(self) -> bool:
        """Whether a new face toward the listener is a pair of ports."""
        return self.mux.tells_rtcp or not self.advertised.is_rtp


@frozen(kw_only=True)
class Plan:
    """What an offer or answer will do.

    Attributes:
        description: what came, with the media put back that the speaker was not told of.
        codecs: which formats of each media go on.
        hidden: the media that the listener is not told of, by their place from 0.
        attribute_changes: to make to the SDP that goes out, by kind of media.
        source_rules: how the speaker's real endpoints are learned.
        handling: what else is to be done with the speaker's media.
        facing: the interfaces that new faces toward the legs are opened on.
        bundle: which media share a port.
    """

    role: Role
    parties: Parties
    request: SdpRequest
    description: Description
    media: Sequence[MediaPlan]
    codecs: CodecChoice
    hidden: Mapping[int, HiddenMedia]
    attribute_changes: Mapping[str, AttributeChanges]
    source_rules: SourceRules
    handling: Handling
    facing: Facing
    bundle: BundlePlan

    def told_codecs(self, place: int) -> OfferedCodecs:
        """Return what the listener is told of the codecs of a media, given by its place from 0."""
        media = self.media[place]
        return OfferedCodecs(
            self.codecs.formats.get(place, media.section.formats), media.advertised.codec_names
        )


def make_plan(
    role: Role,
    parties: Parties,
    request: SdpRequest,
    description: Description,
    interfaces: Interfaces,
    settings: Settings,
) -> Plan:
    """Decide what an offer or answer will do.

    Raises:
        InvalidSdp: the media do not fit those of the exchange so far, or must not be sent to.
        InvalidParameters: no interface can serve it, or attributes or kinds of media make no sense.
        CodecNegotiationFailed: no codec is left.
        NotSupported: it takes a transcoder.
    """
    speaker, listener = parties.speaker, parties.listener
    attribute_changes = manipulations(request.sdp_attr) if request.sdp_attr else _NO_CHANGES
    for word in request.sdp_media_remove:
        if not is_media_kind(word):
            raise InvalidParameters(f"sdp-media-remove: no such kind of media: {word[:80]!r}")
    informed = _informed(role, parties)
    told = None if informed is None else informed.sent
    if told is not None:
        description = reveal(description, told.hidden)
    if role is Role.OFFER:
        slots = slots_of_offer(description, speaker)
        speaker_group = offered_by(speaker, listener, request.bundle, description)
    else:
        slots = slots_of_answer(description, informed)
        speaker_group = accepted_by(informed, description)
        _refuse_what_was_not_offered(description, slots, informed, listener)
    description = fill_in(description, speaker_group)
    speaker_family = family_used(description, request)
    facing = choose_facing(interfaces, request, informed, listener, speaker_family)
    refuse_dangerous(description, request, allow_loopback=facing.speaker.is_loopback)
    mids = _mids(role, request, description, slots, speaker, listener)
    media = tuple(
        _plan_media(
            role,
            request,
            section,
            mids[place],
            slots[place],
            media_of(speaker, slots[place]),
            media_of(listener, slots[place]),
            speaker,
            listener,
            facing.listener,
        )
        for place, section in enumerate(description.media)
    )
    codecs = _choose_codecs(role, request, media, told, listener)
    if codecs.emptied:
        media = tuple(plan.rejected if place in codecs.emptied else plan for place, plan in enumerate(media))
    hidden = _hidden(role, request, description, listener)
    if role is Role.ANSWER:
        media = without_unbundled(media, speaker_group, informed)
        bundle = plan_answer(media, speaker_group, speaker, listener, facing.listener)
    else:
        bundle = plan_offer(media, speaker_group, hidden, speaker, listener, facing.listener, request.bundle)
    media = bundled(media, bundle, speaker, listener, facing.listener)
    return Plan(
        role=role,
        parties=parties,
        request=request,
        description=description,
        media=media,
        codecs=codecs,
        hidden=hidden,
        attribute_changes=attribute_changes,
        source_rules=source_rules(request, settings),
        handling=handling_of(request),
        facing=facing,
        bundle=bundle,
    )


def _informed(role: Role, parties: Parties) -> Leg | None:
    """Return the leg that was told what the speaker has been told."""
    speaker, listener = parties.speaker, parties.listener
    if speaker is None and role is Role.ANSWER and listener is not None:
        # A branch that nobody knew of has been told what the others were.
        return listener.peers[-1]
    return speaker


def _choose_codecs(
    role: Role, request: SdpRequest, media: Sequence[MediaPlan], told: SentSdp | None, listener: Leg | None
) -> CodecChoice:
    is_answer = role is Role.ANSWER
    if not is_answer and not request.codec and request.flags.isdisjoint(KEEPING_CODECS):
        return EVERYTHING
    offered = told.codecs if is_answer and told is not None else ()
    negotiated = [
        Negotiated(
            place=place,
            section=plan.section,
            names=plan.advertised.codec_names,
            offered=offered[place] if place < len(offered) else None,
            before=None if is_answer or listener is None else listener.codecs_in_use(plan.slot),
            spoken=listener.spoken_codecs(plan.slot) if is_answer and listener is not None else None,
        )
        for place, plan in enumerate(media)
        if plan.is_relayed and plan.advertised.is_rtp
    ]
    return choose_codecs(request, negotiated, is_answer=is_answer)


def _hidden(
    role: Role, request: SdpRequest, description: Description, listener: Leg | None
) -> Mapping[int, HiddenMedia]:
    """Return the media that the listener is not told of."""
    before = None if listener is None else listener.sent
    known, hidden = (0, NOTHING_HIDDEN) if before is None else (len(before.codecs), before.hidden)
    if role is Role.ANSWER or not (hidden or request.sdp_media_remove):
        return hidden
    hidden = hide(description, request.sdp_media_remove, known, hidden)
    if len(hidden) == len(description.media):
        raise CodecNegotiationFailed("every media is removed")
    return hidden


def source_rules(request: SdpRequest, settings: Settings) -> SourceRules:
    """Return how the endpoints of the one who sent a request's SDP are learned."""
    return SourceRules(
        learning=Learning(request.endpoint_learning or settings.endpoint_learning),
        strict=settings.strict_source or "strict-source" in request.flags,
        asymmetric="asymmetric" in request.flags,
        handover="media-handover" in request.flags,
    )


def family_used(description: Description, request: SdpRequest) -> Family | None:
    """Return the address family that the sender of an SDP wants its media in."""
    for section in description.media:
        endpoint = _endpoint(section, request) or section.endpoint
        if endpoint is not None:
            return endpoint.family
    return None


def _endpoint(section: MediaSection, request: SdpRequest) -> Endpoint | None:
    """Return where the speaker wants packets, with `SIP-source-address` taken into account."""
    endpoint = section.endpoint
    if endpoint is None or endpoint.address in ZERO_ADDRESSES:
        return None
    if "sip-source-address" in request.flags and request.received_from is not None and not section.has_ice:
        return Endpoint(request.received_from, endpoint.port)
    return endpoint


def refuse_dangerous(description: Description, request: SdpRequest, *, allow_loopback: bool) -> None:
    """Refuse an SDP that would have us send media where it must not go (SECURITY: A17)."""
    for section in description.media:
        endpoint = _endpoint(section, request)
        if endpoint is None:
            continue
        for target in (endpoint, _rtcp_endpoint(section, endpoint)):
            reason = None if target is None else danger(target.address, allow_loopback=allow_loopback)
            if reason is not None:
                raise InvalidSdp(f"{target}: {reason}")


def _refuse_what_was_not_offered(
    description: Description, slots: Slots, informed: Leg | None, listener: Leg | None
) -> None:
    """Refuse an answer with more media than its offer had, or other ones (RFC 3264, 6)."""
    if informed is not None and informed.slots and len(slots) > len(informed.slots):
        raise InvalidSdp("the answer has more media than the offer")
    for section, slot in zip(description.media, slots, strict=True):
        media = media_of(listener, slot)
        if section.port and media is not None and media.kind not in ("", section.kind):
            raise InvalidSdp(f"{section.kind} is no answer to {media.kind}")


def _rtcp_endpoint(section: MediaSection, endpoint: Endpoint) -> Endpoint | None:
    rtcp_endpoint = section.rtcp_endpoint
    if rtcp_endpoint is None or rtcp_endpoint.address in ZERO_ADDRESSES:
        # The kernel would take a zero address for this host.
        return None
    if endpoint != section.endpoint:
        return Endpoint(endpoint.address, rtcp_endpoint.port)
    return rtcp_endpoint


def advertised_by(section: MediaSection, request: SdpRequest, before: Advertised | None) -> Advertised:
    """Return what a section says of the leg that sent it.

    Args:
        before: what the leg said before; hold by zero address does not say anything new of where it is.
    """
    endpoint = _endpoint(section, request)
    rtcp_endpoint = None if endpoint is None else _rtcp_endpoint(section, endpoint)
    if endpoint is None and section.port != 0 and before is not None:
        endpoint, rtcp_endpoint = before.endpoint, before.rtcp_endpoint
    return Advertised(
        kind=section.kind,
        protocol=section.protocol,
        endpoint=endpoint,
        rtcp_endpoint=rtcp_endpoint,
        direction=section.effective_direction.within(handling_of(request).direction),
        mid=section.mid,
        offers_mux=section.rtcp_mux,
        is_rtp=section.is_rtp,
        is_secure=section.is_secure or section.has_security,
        is_rejected=section.port == 0,
        clock_rates=section.clock_rates,
        extensions=section.extensions if section.is_rtp else (),
        sources=section.sources,
        codec_names={codec.payload_type: f"{codec.name}/{codec.clock_rate}" for codec in section.codecs},
        payload_types=frozenset(
            [PAYLOAD_TYPES[number] for number in section.formats if number in PAYLOAD_TYPES]
        ),
    )


def _plan_media(
    role: Role,
    request: SdpRequest,
    section: MediaSection,
    mid: str | None,
    slot: int,
    speaker_media: Media | None,
    listener_media: Media | None,
    speaker: Leg | None,
    listener: Leg | None,
    listener_interface: Interface,
) -> MediaPlan:
    advertised = advertised_by(section, request, None if speaker_media is None else speaker_media.advertised)
    mux = plan_mux(request.rtcp_mux, advertised, listener_media, speaker, is_answer=role is Role.ANSWER)
    is_refused = role is Role.ANSWER and (
        listener_media is None or listener_media.advertised is None or listener_media.advertised.is_rejected
    )
    if role is Role.OFFER and request.sdp_media_remove:
        is_refused = is_removed(section, request.sdp_media_remove)
    is_relayed = not advertised.is_rejected and not is_refused and section.kind != "message"
    listener_face = None
    if is_relayed and speaker is not None and listener_media is not None:
        listener_face = face_to_use_again(
            listener_media,
            speaker,
            section,
            advertised,
            request,
            listener_interface,
            needs_rtcp=mux.tells_rtcp,
        )
    # A new branch shares what no branch has answered to yet; the second to answer gets its own then.
    has_speaker_face = speaker_media is not None and speaker_media.latest_face(listener) is not None
    return MediaPlan(
        slot=slot,
        section=section,
        advertised=advertised,
        is_relayed=is_relayed,
        listener_face=listener_face,
        opens_listener_face=is_relayed and listener_face is None,
        opens_speaker_face=is_relayed and not has_speaker_face,
        told_direction=_told_direction(advertised, listener_media),
        protocol=_protocol(role, request, section, listener_media),
        packet_time=_packet_time(role, section, request.ptime)
        or (None if listener_media is None else listener_media.packet_time),
        speaker_packet_time=_packet_time(role, section, request.ptime_reverse),
        mid=mid,
        mux=mux,
        extensions=plan_extensions(
            request, advertised.extensions, listener_media, is_answer=role is Role.ANSWER
        ),
    )


def _told_direction(advertised: Advertised, listener_media: Media | None) -> Direction:
    """Return the direction that the listener is told: of what it may itself do, no more than is allowed."""
    if listener_media is None:
        return advertised.direction
    return advertised.direction.within(listener_media.handling.direction.reversed)


def _mids(
    role: Role,
    request: SdpRequest,
    description: Description,
    slots: Slots,
    speaker: Leg | None,
    listener: Leg | None,
) -> Sequence[str | None]:
    told = [media_of(listener, slot) for slot in slots]
    if role is Role.ANSWER:
        return answered_mids(told)
    has_bundle = is_bundled(listener, speaker)
    return offered_mids(
        [section.mid for section in description.media],
        [None if media is None else media.name for media in told],
        generates="generate-mid" in request.flags or is_bundle_wanted(request.bundle, has_bundle=has_bundle),
    )


def _packet_time(role: Role, section: MediaSection, wish: int | None) -> int | None:
    """Return what an offer wants of packets of audio, in milliseconds; an answer is too late for that."""
    is_meant = role is Role.OFFER and section.kind == "audio" and section.is_rtp
    return wish if is_meant and wish is not None and wish > 0 else None


def _protocol(role: Role, request: SdpRequest, section: MediaSection, listener_media: Media | None) -> str:
    if role is Role.ANSWER and listener_media is not None and listener_media.advertised is not None:
        # An answer is made in the protocol of the offer (RFC 3264, 6).
        return listener_media.advertised.protocol
    if request.transport_protocol is not None and section.is_rtp:
        return request.transport_protocol
    return section.protocol
