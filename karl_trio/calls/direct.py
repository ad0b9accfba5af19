"""Exchanges of SDP with one leg and nobody else, of which we are the other end.

`publish` answers an offer; `create` and `subscribe request` make one, and `judge_answer` looks at the answer
to it. As with offers and answers between legs, everything is worked out before anything is done.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import attrs
from attrs import frozen

from karl_trio.endpoint import Family
from karl_trio.errors import InvalidSdp, InvalidSessionState
from karl_trio.media.interfaces import Interface
from karl_trio.media.ports import PortPair
from karl_trio.ng.leg_requests import (
    CreateRequest,
    PublishRequest,
    SubscribeRequest,
    TransformRequest,
)
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp import own
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.changes import MediaChanges, SessionChanges
from karl_trio.sdp.description import Description, MediaSection, parse
from karl_trio.sdp.manipulation import SESSION, manipulations, media_kind
from karl_trio.sdp.rewrite import rewrite
from karl_trio.sdp.selection import OfferedCodecs, answered

from .call import Call
from .faces import close_faces, open_face, settle_mux, tell_face
from .facing import wished
from .handling import begin_piercing, handling_of, mark
from .hidden import NOTHING_HIDDEN
from .leg import Leg, SentSdp
from .media import Advertised, Media, SourceRules
from .muxing import offer_mux
from .offer_answer import DRY_RUN, interfaces_for
from .plan import advertised_by, refuse_dangerous
from .table import CallTable
from .wiring import wire

NAME_OCTETS = 32
"""Of a call-id or tag that we make up, as many as rtpengine's: nobody guesses it or meets it by chance."""


def made_up_name() -> str:
    """Return a call-id or tag that nobody has."""
    return secrets.token_hex(NAME_OCTETS)


@frozen(kw_only=True)
class OwnMedia:
    """One m= section of an SDP of ours.

    Attributes:
        section: all of it but our address and ports; with port 0, the media is rejected.
        advertised: what the leg has said of the media, if this answers it.
        tells_mux: the leg is told that RTCP may share the RTP port.
        tells_rtcp: it is given a separate port for RTCP.
    """

    section: MediaSection
    advertised: Advertised | None = None
    tells_mux: bool = False
    tells_rtcp: bool = True

    @property
    def is_open(self) -> bool:
        return self.section.port != 0


def own_offer(request: SdpRequest, section: MediaSection, place: int, leg: Leg | None) -> OwnMedia:
    """Return the media of an offer of ours to a leg, which may have it at that place already."""
    media = known_media(leg, place)
    is_muxed = media is not None and media.shares_port_with(None)
    mux = offer_mux(request.rtcp_mux, is_offered=False, is_in_use=is_muxed)
    return OwnMedia(section=section, tells_mux=mux.tells_mux, tells_rtcp=mux.tells_rtcp)


@frozen(kw_only=True)
class OwnSdp:
    """An SDP of ours for a leg, but for its ports.

    Attributes:
        leg: None for one that is to be made.
        rules: how the leg's real endpoints are learned.
    """

    request: SdpRequest
    leg: Leg | None
    interface: Interface
    media: Sequence[OwnMedia]
    rules: SourceRules

    def prepare(self, now: float) -> PreparedSdp:
        """Open the ports that are missing, and write the SDP.

        Raises:
            OutOfPorts: they could not be had.
            InvalidParameters: what the request wants done to its attributes makes no sense.
        """
        pairs: list[PortPair | None] = []
        try:
            for place, media in enumerate(self.media):
                known = known_media(self.leg, place)
                needs_ports = media.is_open and (known is None or not known.faces)
                take = self.interface.pool.take_pair if media.tells_rtcp else self.interface.pool.take_single
                pairs.append(take(now) if needs_ports else None)
            return PreparedSdp(self, tuple(pairs), self._write(pairs))
        except BaseException:
            for pair in pairs:
                if pair is not None:
                    pair.close(now)
            raise

    def _write(self, pairs: Sequence[PortPair | None]) -> SentSdp:
        before = None if self.leg is None else self.leg.sent
        session_id = str(secrets.randbits(62)) if before is None else before.session_id
        version = 1 if before is None else before.version + 1
        address = self.request.media_address or self.interface.advertised
        sections = [media.section for media in self.media]
        description = own.describe(session_id, version, address, own.NAME, sections)
        attributes = manipulations(self.request.sdp_attr)
        changes = [
            attrs.evolve(
                self._changes(place, media, pairs[place], address),
                attributes=attributes.get(media_kind(media.section.kind)),
            )
            for place, media in enumerate(self.media)
        ]
        return SentSdp(
            username=description.origin.username,
            session_id=session_id,
            name=description.name,
            version=version,
            body=rewrite(description, SessionChanges(attributes=attributes.get(SESSION)), changes),
            codecs=tuple([codecs_of(section) for section in sections]),
            hidden=NOTHING_HIDDEN,
        )

    def _changes(self, place: int, media: OwnMedia, pair: PortPair | None, address: str) -> MediaChanges:
        if not media.is_open:
            return MediaChanges(address=address, port=0)
        if pair is not None:
            rtp = pair.rtp.endpoint
            rtcp = rtp if pair.rtcp is None else pair.rtcp.endpoint
        else:
            known = known_media(self.leg, place)
            assert known is not None
            face = known.faces[-1]
            rtp = face.rtp.port.endpoint
            rtcp = rtp if face.rtcp is None else face.rtcp.port.endpoint
        flags = self.request.flags
        return MediaChanges(
            address=address,
            port=rtp.port,
            rtcp_port=None if "no-rtcp-attribute" in flags else (rtcp if media.tells_rtcp else rtp).port,
            rtcp_address=address if "full-rtcp-attribute" in flags else None,
            rtcp_mux=media.tells_mux,
        )


def known_media(leg: Leg | None, place: int) -> Media | None:
    """Return a media of a leg by its place from 0, if it is there already."""
    return leg.media[place] if leg is not None and place < len(leg.media) else None


def codecs_of(section: MediaSection) -> OfferedCodecs:
    """Return what a section offers."""
    names = {codec.payload_type: f"{codec.name}/{codec.clock_rate}" for codec in section.codecs}
    return OfferedCodecs(section.formats, names)


@frozen
class PreparedSdp:
    """An SDP of ours that can be sent: all that could fail has been done."""

    own: OwnSdp
    pairs: Sequence[PortPair | None]
    sent: SentSdp

    def carry_out(self, calls: CallTable, call: Call, tag: str, now: float) -> Leg:
        """Give the leg its faces; return it, made if it was not there. The call is not wired yet."""
        own, request = self.own, self.own.request
        mark(call, request, calls.settings.tos, now, is_offer=False)
        leg = own.leg
        if leg is None or leg.interface != own.interface.name:
            calls.interfaces.took_turn(own.interface)
        if leg is None:
            leg = Leg(tag=tag, call_id=request.call_id or call.call_id, created=call.last_signal)
            call.legs.append(leg)
        leg.interface, leg.family = own.interface.name, own.interface.family
        leg.sent = self.sent
        for place, (each, pair) in enumerate(zip(own.media, self.pairs, strict=True)):
            media = leg.media_at(place)
            media.source_rules = own.rules
            media.handling = handling_of(request)
            if pair is not None:
                open_face(call, media, own.interface, pair, tos=call.tos, now=now)
            if not each.is_open:
                close_faces(call, media)
            if each.advertised is not None:
                media.agreed = self.sent.codecs[place]
                tell(call, media, each.advertised, is_muxed=each.tells_mux, now=now)
        forget_media(call, leg, len(own.media))
        begin_piercing(call, request, now)
        return leg


@frozen(kw_only=True)
class DirectReply:
    """An SDP of ours, and under which names the leg that it is for is known."""

    call_id: str
    from_tag: str
    sdp: str
    warnings: tuple[str, ...]


def find_leg(calls: CallTable, request: SdpRequest) -> Leg | None:
    """Return the leg that a request of one side is from or about; None for one that is to be made.

    Raises:
        SessionLimitReached, InvalidSessionState: there is no room for one more call, or leg.
    """
    call = calls.get(request.call_id)
    if call is None:
        calls.admit(is_dry_run=request.dry_run)
        return None
    leg = call.find_leg(request.from_tag)
    if leg is None:
        call.admit_leg()
    return leg


def find_interface(
    calls: CallTable,
    request: PublishRequest | CreateRequest | SubscribeRequest | TransformRequest,
    leg: Leg | None,
    family: Family | None,
) -> tuple[Interface, tuple[str, ...]]:
    """Return the interface toward a leg, and warnings: the one asked for, or that it is known from.

    Raises:
        InvalidParameters: there is none of that address family.
    """
    interfaces = interfaces_for(calls, request)
    name = next(
        (name for name in (request.interface, request.from_interface, *request.direction) if name), None
    )
    wish = wished(interfaces, name, request.peer or request.inbound_peer, leg, family)
    return interfaces.find(wish.name, family), () if wish.warning is None else (wish.warning,)


def conclude(calls: CallTable, ready: PreparedSdp, warnings: tuple[str, ...], now: float) -> DirectReply:
    """Carry out a prepared SDP, unless it is asked for as a dry run only; nothing in here can fail."""
    request = ready.own.request
    call_id = request.call_id or made_up_name()
    tag = request.from_tag or made_up_name()
    if request.dry_run:
        warnings = (*warnings, DRY_RUN)
    else:
        call = calls.open(call_id, now)
        call.take_signal(request, now)
        leg = ready.carry_out(calls, call, tag, now)
        leg.said = request.sdp or leg.said
        leg.label = request.label or leg.label
        wire(call)
    return DirectReply(call_id=call_id, from_tag=tag, sdp=ready.sent.body, warnings=warnings)


@frozen(kw_only=True)
class DirectAnswer:
    """What a leg's answer to an offer of ours means.

    Attributes:
        media: what the leg says of each, whether RTCP shares its port, and which codecs it accepts.
    """

    leg: Leg
    description: Description
    media: Sequence[tuple[Advertised, bool, OfferedCodecs]]

    def carry_out(self, call: Call, rules: SourceRules, now: float) -> None:
        """Let the leg's faces know; the call is not wired yet."""
        for media, (advertised, is_muxed, agreed) in zip(self.leg.media, self.media, strict=False):
            media.source_rules, media.agreed = rules, agreed
            tell(call, media, advertised, is_muxed=is_muxed, now=now)
        forget_media(call, self.leg, len(self.media))


def judge_answer(leg: Leg | None, request: SdpRequest) -> DirectAnswer:
    """Work out what the answer to an offer of ours means.

    Raises:
        InvalidSessionState: there was no such offer.
        InvalidSdp: the media do not fit those of the offer, or must not be sent to.
    """
    if leg is None or leg.sent is None or leg.peers:
        raise InvalidSessionState(f"an answer of {leg!r}, which we offered nothing")
    offer, answer = parse(leg.sent.body), parse(request.sdp)
    if len(answer.media) > len(offer.media):
        raise InvalidSdp("the answer has more media than the offer")
    is_local = any(face.interface.is_loopback for media in leg.media for face in media.faces)
    refuse_dangerous(answer, request, allow_loopback=is_local)
    told = []
    for place, (offered, section) in enumerate(zip(offer.media, answer.media, strict=False)):
        codecs = leg.sent.codecs[place]
        if section.port and section.kind != offered.kind:
            raise InvalidSdp(f"{section.kind} is no answer to {offered.kind}")
        advertised = advertised_by(section, request, leg.media[place].advertised)
        advertised = attrs.evolve(
            advertised,
            direction=answered_direction(advertised.direction, offered.direction),
            is_rejected=advertised.is_rejected or not offered.port,
        )
        accepted = OfferedCodecs(answered(section, codecs), codecs.names)
        told.append((advertised, advertised.offers_mux and offered.rtcp_mux, accepted))
    return DirectAnswer(leg=leg, description=answer, media=told)


def answered_direction(answer: Direction, offer: Direction) -> Direction:
    """Return the direction that holds: nobody sends what the other end does not take (RFC 3264, 6.1)."""
    return Direction.of(sends=answer.sends and offer.receives, receives=answer.receives and offer.sends)


def tell(call: Call, media: Media, advertised: Advertised, *, is_muxed: bool, now: float) -> None:
    """Take note of what a leg says of a media, in its faces too."""
    media.advertised = advertised
    if advertised.is_rejected:
        close_faces(call, media)
        return
    settle_mux(call, media, None, is_muxed=is_muxed, now=now)
    for face in media.faces:
        tell_face(face, media, now)


def forget_media(call: Call, leg: Leg, known: int) -> None:
    """Close what a leg no longer says anything of, after the first so many media."""
    for leftover in leg.media[known:]:
        leftover.advertised = None
        close_faces(call, leftover)
