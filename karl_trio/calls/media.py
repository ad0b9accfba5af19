"""The media of a leg, and our faces toward it.

Theory of operation. What a leg says of a media in its SDP is one value, `Advertised`. What we told
the leg in return, a pair of our ports, is a `Face`. A face is opened for the SDP of a peer: it is
keyed by the peer and the endpoint that the peer advertised, so a re-offer that moves the peer's
endpoint gives the leg new ports, and one that does not, or moves it back, gives it the same ones, as
rtpengine does.

A face opened by a re-offer is pending until the leg answers, and packets for the leg leave from the
current one until then. One that was replaced is superseded: it goes on receiving, as the leg may
still use it, and is closed when it has been silent for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint
from karl_trio.media.bundle import Bundle
from karl_trio.media.interfaces import Interface
from karl_trio.media.latch import Latch, Learning
from karl_trio.media.relay import Stream
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.extensions import MID, Extension
from karl_trio.sdp.selection import OfferedCodecs

if TYPE_CHECKING:
    from .leg import Leg


@frozen(kw_only=True)
class Advertised:
    """What a leg's last SDP said of one of its media.

    Attributes:
        kind: "audio", "video", "image" ...
        protocol: "RTP/AVP", "udptl" ...
        endpoint, rtcp_endpoint: where it wants packets; None when the media is rejected, or when it has
            been on hold by zero address from the start.
        direction: with such a hold taken into account, and no more than `send-only` or `receive-only` allow.
        is_secure: it is SRTP, or may become so (RFC 8643), with keys that we do not hold.
        offers_mux: it can take RTCP on the RTP port.
        clock_rates: RTP clock rates in Hz by payload type.
        codec_names: such as "PCMU/8000", by payload type.
        payload_types: all that it names, also those that it does not explain.
        extensions: the RTP header extensions that it maps.
        sources: the SSRCs that it names.
    """

    kind: str
    protocol: str
    endpoint: Endpoint | None
    rtcp_endpoint: Endpoint | None
    direction: Direction
    mid: str | None
    offers_mux: bool
    is_rtp: bool
    is_secure: bool
    is_rejected: bool
    clock_rates: Mapping[int, int]
    codec_names: Mapping[int, str]
    payload_types: frozenset[int]
    extensions: tuple[Extension, ...] = ()
    sources: tuple[int, ...] = ()


@frozen(kw_only=True)
class SourceRules:
    """How the leg's real endpoints are learned, as the request that carried its SDP asked."""

    learning: Learning = Learning.HEURISTIC
    strict: bool = True
    asymmetric: bool = False
    handover: bool = False

    def apply(self, latch: Latch) -> None:
        latch.learning = self.learning
        latch.strict = self.strict
        latch.asymmetric = self.asymmetric
        latch.handover = self.handover


@frozen(kw_only=True)
class Handling:
    """What is to be done with the media of a leg, as the request that carried its SDP asked.

    Attributes:
        direction: what of sending and receiving it is allowed, whatever its SDP says.
        nat_wait: send it nothing before something has come from it.
        pierce_nat: send it empty packets until something has come from it.
        block_short: drop what it sends in packets shorter than its codec needs.
    """

    direction: Direction = Direction.SENDRECV
    nat_wait: bool = False
    pierce_nat: bool = False
    block_short: bool = False


MAX_KEYS = 4
"""Endpoints of a peer that one face is remembered for: a few music servers, and the phone itself."""


class FaceState(Enum):
    """How far the leg knows of a face."""

    PENDING = "offered to the leg, which has not answered yet"
    CURRENT = "in use"
    SUPERSEDED = "replaced by another, but the leg may still send to it"


_IN_USE = frozenset({FaceState.CURRENT})
_TOLD = _IN_USE | {FaceState.PENDING}


@define(eq=False, kw_only=True)
class Face:
    """A pair of our ports toward a leg.

    Attributes:
        rtcp: None when RTCP comes as RTP does (RFC 5761).
        peer: whose SDP it was opened for; None until somebody answers.
        keys: the endpoints in the SDPs that the leg was told of it for; empty for whatever comes first.
        told_rtcp_port: the leg was last told of a port of its own for RTCP.
        superseded_at: when it was replaced, in seconds on Trio's clock.
        bundle: what shares the port, where several media do.
    """

    interface: Interface
    rtp: Stream
    rtcp: Stream | None
    peer: Leg | None
    keys: tuple[Endpoint, ...]
    state: FaceState
    superseded_at: float = 0.0
    told_rtcp_port: bool = True
    bundle: Bundle | None = None

    @property
    def streams(self) -> Iterator[Stream]:
        yield self.rtp
        if self.rtcp is not None:
            yield self.rtcp

    @property
    def carrier(self) -> Stream:
        """The stream that has its RTP port."""
        return self.rtp if self.bundle is None else self.bundle.transport

    @property
    def has_rtcp_port(self) -> bool:
        """Whether RTCP has a port of ours for itself."""
        return self.rtcp is not None and not self.rtcp.shares_port

    @property
    def sockets(self) -> Iterator[Stream]:
        """The streams that send from its ports, which other media may share."""
        yield self.carrier
        if self.rtcp is not None:
            yield self.rtcp

    @property
    def last_packet(self) -> float:
        return max(stream.last_packet for stream in self.streams)

    def serve(self, peer: Leg, endpoint: Endpoint | None) -> None:
        """Take note that the leg was told of the face for an SDP of a peer, with this endpoint in it."""
        self.peer = peer
        if endpoint is not None and endpoint not in self.keys:
            self.keys = (*self.keys, endpoint)[-MAX_KEYS:]

    def turn_to(self, peer: Leg | None) -> None:
        """Take note that the leg talks to somebody else through the face, without having been told of it."""
        self.peer, self.keys = peer, ()

    def supersede(self, now: float) -> None:
        self.state = FaceState.SUPERSEDED
        self.superseded_at = now


@define(eq=False, kw_only=True)
class Media:
    """One m= section of a leg.

    Attributes:
        index: its place in the SDP, from 1.
        advertised: what the leg last said of it; None before its first answer.
        source_rules: how its endpoints are learned.
        handling: what else is to be done with it.
        told_mid: what the leg was told that it is called.
        accepts_mux: what the leg is to be told when it offers to share; None for "as the peer does".
        agreed: the codecs of the last answer from or to the leg.
        packet_time: milliseconds of audio that the leg is told to put in a packet, where a request said so.
        hidden_extensions: URIs of the RTP header extensions taken out of what the leg was last told.
        masked_extensions: those that it offered and nobody else was offered.
        faces: our ports toward the leg, oldest first.
    """

    index: int
    advertised: Advertised | None = None
    source_rules: SourceRules = SourceRules()
    handling: Handling = Handling()
    told_mid: str | None = None
    accepts_mux: bool | None = None
    agreed: OfferedCodecs | None = None
    packet_time: int | None = None
    hidden_extensions: frozenset[str] = frozenset()
    masked_extensions: tuple[Extension, ...] = ()
    faces: list[Face] = field(factory=list)

    @property
    def kind(self) -> str:
        return "" if self.advertised is None else self.advertised.kind

    @property
    def name(self) -> str | None:
        """What the leg knows the media by (a=mid), if it has a name."""
        own = None if self.advertised is None else self.advertised.mid
        return own or self.told_mid

    @property
    def mid_extension(self) -> Extension | None:
        """The header extension in which the leg wants to be told, and tells, the name of the media."""
        extensions = () if self.advertised is None else self.advertised.extensions
        return next((each for each in extensions if each.uri == MID), None)

    @property
    def is_secure(self) -> bool:
        return self.advertised is not None and self.advertised.is_secure

    @property
    def is_sending(self) -> bool:
        """Whether the leg is expected to send: neither rejected nor held by itself."""
        advertised = self.advertised
        return advertised is not None and not advertised.is_rejected and advertised.direction.sends

    @property
    def payload_types(self) -> frozenset[int]:
        """The payload types that the leg named last."""
        return frozenset() if self.advertised is None else self.advertised.payload_types

    @property
    def is_receiving(self) -> bool:
        """Whether the leg wants to be sent RTP."""
        advertised = self.advertised
        return advertised is not None and not advertised.is_rejected and advertised.direction.receives

    def current_face(self, peer: Leg) -> Face | None:
        """Return the face that packets of `peer` leave from, if there is one."""
        return self._face_of(peer, _IN_USE)

    def shares_port_with(self, peer: Leg | None) -> bool:
        """Whether RTCP shares the RTP port, in the dialogue with a peer, or with us alone."""
        face = self._face_of(peer, _IN_USE)
        return face is not None and face.rtp.is_muxed

    def face_for(self, source: Leg) -> Face | None:
        """Return the face that packets of a leg which is no peer leave from."""
        face = self.current_face(source)
        if face is not None:
            return face
        return next((face for face in reversed(self.faces) if face.state is FaceState.CURRENT), None)

    def latest_face(self, peer: Leg | None) -> Face | None:
        """Return the face that the leg was last told of for `peer`; one nobody has claimed yet counts.

        Args:
            peer: None for a leg that is only being made.
        """
        return self._face_of(peer, _TOLD)

    def _face_of(self, peer: Leg | None, states: frozenset[FaceState]) -> Face | None:
        """Return the newest face for a peer, or else the newest one that nobody has claimed."""
        unclaimed = None
        for face in reversed(self.faces):
            if face.state in states:
                if face.peer is peer:
                    return face
                if face.peer is None and unclaimed is None:
                    unclaimed = face
        return unclaimed

    @property
    def streams(self) -> Iterator[Stream]:
        for face in self.faces:
            yield from face.streams

    @property
    def shown_face(self) -> Face | None:
        """The face to show of several: the current one, or else the newest."""
        for face in reversed(self.faces):
            if face.state is FaceState.CURRENT:
                return face
        return self.faces[-1] if self.faces else None
