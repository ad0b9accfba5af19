"""Carrying out the plan of an offer or an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import define

from karl_trio.config import Settings
from karl_trio.errors import OutOfPorts
from karl_trio.media.interfaces import Interface
from karl_trio.media.ports import Port, PortPair

from .call import Call
from .faces import announce, begin_bundle, close_face, open_bundled_face, open_face, settle_mux, tell_face
from .handling import mark, settle
from .leg import Leg
from .matching import is_final_reply
from .media import Advertised, Face, FaceState, Media
from .plan import MediaPlan, Plan, Role
from .sharing import settle_bundles
from .wiring import wire

MAX_SUPERSEDED_FACES = 4
"""Replaced faces kept open for one media: what a leg may still use after a few re-INVITEs at once."""


@define
class OpenedPorts:
    """The ports that one media of a plan needed, open but of no stream yet."""

    listener: PortPair | None = None
    speaker: PortPair | None = None

    @property
    def ports(self) -> Iterator[Port]:
        for pair in (self.listener, self.speaker):
            if pair is not None:
                yield from pair.ports


def open_ports(plan: Plan, now: float) -> list[OpenedPorts]:
    """Open the ports that a plan needs; either all of them or none.

    Raises:
        OutOfPorts: one could not be had.
    """
    opened: list[OpenedPorts] = []
    try:
        for media in plan.media:
            ports = OpenedPorts()
            opened.append(ports)
            if media.opens_listener_face:
                pool = plan.facing.listener.pool
                ports.listener = pool.take_pair(now) if media.needs_rtcp_port else pool.take_single(now)
            if media.opens_speaker_face:
                ports.speaker = plan.facing.speaker.pool.take_pair(now)
    except OutOfPorts:
        close_ports(opened, now)
        raise
    return opened


def close_ports(opened: Sequence[OpenedPorts], now: float) -> None:
    """Give back the ports of a plan that is not carried out after all."""
    for ports in opened:
        for port in ports.ports:
            port.close(now)


@define
class Exchange:
    """One offer or answer being carried out on a call; nothing in here can fail.

    Attributes:
        plan: what to do.
        opened: the ports for it, one entry for each media of the plan.
        now: seconds on Trio's clock.
    """

    plan: Plan
    opened: Sequence[OpenedPorts]
    call: Call
    settings: Settings
    now: float

    def carry_out(self) -> Leg:
        """Do what the plan says; return the leg that the rewritten SDP is for."""
        request = self.plan.request
        mark(self.call, request, self.settings.tos, self.now, is_offer=self.plan.role is Role.OFFER)
        speaker, listener = self._legs()
        speaker.said = self.plan.request.sdp
        for place, (media_plan, ports) in enumerate(zip(self.plan.media, self.opened, strict=True)):
            speaker_media = speaker.media_at(media_plan.slot)
            listener_media = listener.media_at(media_plan.slot)
            if media_plan.is_relayed:
                speaker_media.advertised = media_plan.advertised
            else:
                self._close_media(speaker, speaker_media, media_plan.advertised, listener, listener_media)
            speaker_media.source_rules = self.plan.source_rules
            listener_media.packet_time = media_plan.packet_time
            if media_plan.speaker_packet_time is not None:
                speaker_media.packet_time = media_plan.speaker_packet_time
            speaker_media.masked_extensions = media_plan.extensions.masked
            listener_media.hidden_extensions = media_plan.extensions.hidden
            if self.plan.role is Role.OFFER:
                listener_media.told_mid = media_plan.mid or media_plan.advertised.mid
            speaker_media.handling = self.plan.handling
            if media_plan.is_relayed:
                self._face_listener(place, ports, speaker, listener)
                self._face_speaker(ports, speaker_media, listener)
                self._settle_mux(media_plan, speaker, listener)
                if self.plan.role is Role.ANSWER:
                    speaker_media.agreed = listener_media.agreed = self.plan.told_codecs(place)
                for face in speaker_media.faces:
                    tell_face(face, speaker_media, self.now)
        speaker.slots = listener.slots = tuple([media_plan.slot for media_plan in self.plan.media])
        for leftover in speaker.media:
            if leftover.index - 1 not in speaker.slots:
                self._close_media(speaker, leftover, None, listener, listener.media_at(leftover.index - 1))
        settle_bundles(self.call, self.plan, speaker, listener, self.now)
        settle(self.call, request, speaker, listener, self.now)
        wire(self.call)
        return listener

    def _legs(self) -> tuple[Leg, Leg]:
        plan, request = self.plan, self.plan.request
        parties = plan.parties
        is_offer = plan.role is Role.OFFER
        speaker = parties.speaker or self._new_leg()
        listener = parties.listener or self._new_leg()
        _name(speaker, parties.speaker_tag)
        _name(listener, parties.listener_tag)
        if request.via_branch is not None:
            branch = listener if is_offer else speaker
            branch.via_branch = request.via_branch
        if request.set_label is not None or request.label is not None:
            speaker.label = request.set_label or request.label
        if not is_offer and is_final_reply(request):
            speaker.is_final = True
        for leg, interface in ((speaker, plan.facing.speaker), (listener, plan.facing.listener)):
            leg.interface, leg.family = interface.name, interface.family
        for leg, peer in ((speaker, listener), (listener, speaker)):
            if peer in leg.peers:
                leg.peers.remove(peer)
            leg.peers.append(peer)
        return speaker, listener

    def _new_leg(self) -> Leg:
        leg = Leg(tag=None, call_id=self.plan.request.call_id, created=self.call.last_signal)
        self.call.legs.append(leg)
        return leg

    def _face_listener(self, place: int, ports: OpenedPorts, speaker: Leg, listener: Leg) -> None:
        """Make the face that the rewritten SDP tells the listener of the newest one."""
        media_plan, bundle = self.plan.media[place], self.plan.bundle
        media = listener.media[media_plan.slot]
        face = media_plan.listener_face
        current = media.current_face(speaker)
        if ports.listener is not None:
            face = self._open_face(ports.listener, self.plan.facing.listener, media, like=current)
        elif media_plan.joins_bundle:
            carrier = listener.media[self.plan.media[bundle.carrier].slot].latest_face(speaker)
            assert carrier is not None
            face = open_bundled_face(media, carrier, self.now)
        assert face is not None
        announce(face, self.now)
        if bundle.is_offer and bundle.shares and place == bundle.carrier and face.bundle is None:
            begin_bundle(self.call, face)
        face.serve(speaker, media_plan.advertised.endpoint)
        face.told_rtcp_port = media_plan.needs_rtcp_port
        if face is not current:
            is_pending = self.plan.role is Role.OFFER and current is not None and listener.has_answered
            face.state = FaceState.PENDING if is_pending else FaceState.CURRENT
            # The leg is told of it now: it is the newest, even if it was there before.
            media.faces.remove(face)
            media.faces.append(face)
        for other in media.faces:
            if other is face or other.peer is not speaker:
                continue
            # A current face stays so while the one that may replace it is pending.
            if other.state is FaceState.PENDING or face.state is FaceState.CURRENT:
                other.supersede(self.now)
        self._bound_superseded(media)

    def _face_speaker(self, ports: OpenedPorts, media: Media, listener: Leg) -> None:
        """Open the face that an answer will tell the speaker of, or take the pending one into use."""
        if ports.speaker is not None:
            is_offer = self.plan.role is Role.OFFER
            face = self._open_face(
                ports.speaker, self.plan.facing.speaker, media, like=None, told=not is_offer
            )
            if listener.has_answered:
                # For their dialogue alone. Where nobody has answered, the first branch that does gets it.
                face.turn_to(listener)
            return
        latest = media.latest_face(listener)
        if self.plan.role is Role.ANSWER and latest is not None and latest.state is FaceState.PENDING:
            current = media.current_face(listener)
            if current is not None:
                current.supersede(self.now)
            latest.state = FaceState.CURRENT
            self._bound_superseded(media)

    def _open_face(
        self, pair: PortPair, interface: Interface, media: Media, *, like: Face | None, told: bool = True
    ) -> Face:
        return open_face(
            self.call, media, interface, pair, tos=self.call.tos, like=like, told=told, now=self.now
        )

    def _settle_mux(self, media_plan: MediaPlan, speaker: Leg, listener: Leg) -> None:
        slot, mux = media_plan.slot, media_plan.mux
        if self.plan.role is Role.OFFER:
            speaker.media[slot].accepts_mux = mux.accepts_mux
        for leg, peer, is_muxed in (
            (speaker, listener, mux.speaker_mux),
            (listener, speaker, mux.listener_mux),
        ):
            if is_muxed is not None:
                settle_mux(self.call, leg.media[slot], peer, is_muxed=is_muxed, now=self.now)

    def _close_media(
        self,
        speaker: Leg,
        speaker_media: Media,
        advertised: Advertised | None,
        listener: Leg,
        listener_media: Media,
    ) -> None:
        """Close what a rejected media had open between two legs (RFC 3264, 6 and 8.2).

        Either may go on with it in its dialogue with another leg; what it said there holds then.
        """
        for leg, media, peer in ((speaker, speaker_media, listener), (listener, listener_media, speaker)):
            is_awaited = leg.awaits_answer(but=peer)
            closed = [f for f in media.faces if f.peer is peer or (f.peer is None and not is_awaited)]
            self._close_faces(media, closed)
        if not speaker_media.faces:
            speaker_media.advertised = advertised

    def _bound_superseded(self, media: Media) -> None:
        superseded = [face for face in media.faces if face.state is FaceState.SUPERSEDED]
        self._close_faces(media, superseded[: max(0, len(superseded) - MAX_SUPERSEDED_FACES)])

    def _close_faces(self, media: Media, faces: Sequence[Face]) -> None:
        for face in faces:
            close_face(self.call, media, face)


def _name(leg: Leg, tag: str | None) -> None:
    if tag is None or leg.goes_by(tag):
        return
    if leg.tag is None:
        leg.tag = tag
    else:
        leg.aliases.add(tag)
