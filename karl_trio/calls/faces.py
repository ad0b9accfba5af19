"""Opening, telling and closing the faces of a media."""

from __future__ import annotations

from karl_trio.endpoint import Endpoint
from karl_trio.media.bundle import Bundle, BundledStream
from karl_trio.media.interfaces import Interface
from karl_trio.media.latch import Latch
from karl_trio.media.ports import Port, PortPair
from karl_trio.media.relay import Component, Stream
from karl_trio.rtp.association import Marks

from .call import Call
from .leg import Leg
from .media import Face, FaceState, Media


def open_face(
    call: Call,
    media: Media,
    interface: Interface,
    pair: PortPair,
    *,
    tos: int,
    like: Face | None = None,
    told: bool = True,
    now: float,
) -> Face:
    """Make a face of open ports and start its relays.

    Args:
        interface: that the ports are of.
        tos: type of service of what it sends, 0 for the usual one.
        like: the face that it is to replace.
        told: whether the leg is told of it now; if not, it accepts nothing until `announce`.
        now: seconds on Trio's clock.
    """
    rtp = _open_stream(
        pair.rtp, Component.RTP, None if like is None else like.rtp, tos=tos, told=told, now=now
    )
    rtcp = None
    if pair.rtcp is not None:
        before = None if like is None else like.rtcp
        rtcp = _open_stream(pair.rtcp, Component.RTCP, before, tos=tos, told=told, now=now)
        rtp.companion = rtcp
    face = Face(interface=interface, rtp=rtp, rtcp=rtcp, peer=None, keys=(), state=FaceState.CURRENT)
    media.faces.append(face)
    if media.advertised is not None:
        tell_face(face, media, now)
    for stream in face.streams:
        call.start(stream, Endpoint(interface.advertised, stream.port.endpoint.port))
    return face


def _open_stream(
    port: Port, component: Component, like: Stream | None, *, tos: int, told: bool, now: float
) -> Stream:
    if tos:
        port.set_tos(tos)
    latch = Latch(follows=component is Component.RTCP, told=told)
    if like is not None:
        # The leg has not moved: until it is heard on the new port, it is spoken to where it was heard.
        latch.advertised, latch.destination = like.latch.advertised, like.latch.destination
    return Stream(port=port, component=component, latch=latch, last_user_packet=now)


def tell_face(face: Face, media: Media, now: float) -> None:
    """Let the streams of a face know what the leg's SDP said of the media."""
    assert media.advertised is not None
    if face.bundle is not None:
        _tell_bundled(face, face.bundle, media)
    else:
        _tell(face.rtp, media, media.advertised.endpoint, now)
    if face.rtcp is not None:
        _tell(face.rtcp, media, media.advertised.rtcp_endpoint, now)
        # Once more, for RTCP has to know which host RTP was learned from.
        face.carrier.refresh()


def _tell(stream: Stream, media: Media, endpoint: Endpoint | None, now: float) -> None:
    advertised = media.advertised
    assert advertised is not None
    media.source_rules.apply(stream.latch)
    stream.latch.reopen(endpoint, now)
    stream.clock_rates = dict(advertised.clock_rates)
    stream.is_opaque = not advertised.is_rtp
    stream.is_secure = advertised.is_secure
    stream.refresh()
    stream.settle_twin(now)


def announce(face: Face, now: float) -> None:
    """Take note that the leg has been told of a face: from now on, it may send to it."""
    for stream in face.streams:
        stream.latch.tell(now)


def begin_bundle(call: Call, face: Face) -> None:
    """Let other media join a face on its port."""
    _join_rtcp(call, face)
    face.bundle = Bundle.begin(face.rtp)
    face.rtp = face.bundle.join()


def join_bundle(call: Call, face: Face, carrier: Face) -> None:
    """Move a face onto the port of another one, and close its own."""
    assert carrier.bundle is not None
    _stop(call, face)
    face.bundle, face.rtp = carrier.bundle, carrier.bundle.join()


def open_bundled_face(media: Media, carrier: Face, now: float) -> Face:
    """Make a face on the port of another one."""
    assert carrier.bundle is not None
    face = Face(
        interface=carrier.interface,
        rtp=carrier.bundle.join(),
        rtcp=None,
        peer=None,
        keys=(),
        state=FaceState.CURRENT,
        bundle=carrier.bundle,
    )
    media.faces.append(face)
    if media.advertised is not None:
        tell_face(face, media, now)
    return face


def _tell_bundled(face: Face, bundle: Bundle, media: Media) -> None:
    """Let a bundle know how the packets of one media are told from the others."""
    advertised, member = media.advertised, face.rtp
    assert isinstance(member, BundledStream)
    assert advertised is not None
    member.clock_rates = dict(advertised.clock_rates)
    member.is_secure = advertised.is_secure
    extension = media.mid_extension
    bundle.describe(
        Marks(
            media=member.number,
            mid=None if media.name is None else media.name.encode(),
            mid_id=None if extension is None else extension.id,
            payload_types=advertised.payload_types,
            sources=advertised.sources,
        )
    )


def tell_transport(bundle: Bundle, media: Media, now: float) -> None:
    """Let a bundle know what the leg's SDP said of the media whose endpoint holds for all."""
    assert media.advertised is not None
    transport = bundle.transport
    media.source_rules.apply(transport.latch)
    transport.latch.reopen(media.advertised.endpoint, now)
    transport.refresh()
    transport.settle_twin(now)


def settle_mux(call: Call, media: Media, peer: Leg | None, *, is_muxed: bool, now: float) -> None:
    """Let RTCP share the RTP port of a media from now on, or not, in the dialogue with one peer.

    Whatever the leg still sends to a replaced port comes as it did, from all media if they shared it.
    """
    for face in media.faces:
        if face.peer is not peer or face.state is FaceState.SUPERSEDED:
            continue
        face.rtp.is_muxed = is_muxed
        if is_muxed:
            _join_rtcp(call, face)
        elif face.rtcp is None or (face.has_rtcp_port and not face.told_rtcp_port):
            _join_rtcp(call, face)
            _part_rtcp(call, media, face, now)


def _join_rtcp(call: Call, face: Face) -> None:
    """Let RTCP come and go as RTP does."""
    carrier = face.carrier
    if face.rtcp is not None:
        call.stop(face.rtcp)
        # Another media of a bundle may have RTCP beside the port in its place by now.
        if carrier.companion is face.rtcp:
            carrier.companion = None
        face.rtcp = None


def _part_rtcp(call: Call, media: Media, face: Face, now: float) -> None:
    """Let RTCP go between the leg's own port for it and ours for RTP, the only one that it was told of."""
    carrier = face.carrier
    face.rtcp = carrier.companion = Stream(
        port=carrier.port,
        component=Component.RTCP,
        latch=Latch(follows=True, told=carrier.latch.told),
        shares_port=True,
        last_user_packet=now,
    )
    call.start(face.rtcp, Endpoint(face.interface.advertised, carrier.port.endpoint.port))
    if media.advertised is not None:
        _tell(face.rtcp, media, media.advertised.rtcp_endpoint, now)
        carrier.refresh()


def close_face(call: Call, media: Media, face: Face) -> None:
    """Close a face of a media: its relays end and its ports go back."""
    media.faces.remove(face)
    _stop(call, face)


def _stop(call: Call, face: Face) -> None:
    """End the relays of a face; a port that it shares stays open for the others."""
    _join_rtcp(call, face)
    if isinstance(face.rtp, BundledStream) and face.bundle is not None:
        face.bundle.leave(face.rtp)
        if not face.bundle.members:
            call.stop(face.bundle.transport)
    call.stop(face.rtp)


def close_faces(call: Call, media: Media) -> None:
    """Close all faces of a media."""
    for face in list(media.faces):
        close_face(call, media, face)
