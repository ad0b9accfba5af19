"""Which stream's packets go to which: worked out anew from the state of a call after each change of it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from karl_trio.media.extensions import ExtensionFilter
from karl_trio.media.filters import Echo
from karl_trio.media.relay import Sink, Stream

from .call import Call
from .extensions import common_ids
from .filtering import rtcp_filter, rtp_filter
from .leg import Course, Leg
from .media import Face, Media


def wire(call: Call) -> None:
    """Set the sinks of every stream of a call.

    RTP goes from a leg that sends to each of its peers that receives (RFC 3264, 5.1: a leg on hold is
    sent nothing); RTCP goes on whatever the direction (RFC 3264, 5.1 and 8.4). On its way to one leg it
    may have to pass a filter.
    """
    for leg, media in call.media:
        if call.drops_traffic or leg.course is not Course.ONWARD:
            _divert(call, leg, media)
            continue
        flows = tuple(flows_from(leg, media))
        rtp_sinks = tuple(sink for flow in flows if flow.carries_rtp for sink in _rtp_sinks(call, flow))
        rtcp_sinks = tuple(_rtcp_sink(flow) for flow in flows)
        for face in media.faces:
            face.rtp.sinks = rtp_sinks
            face.rtp.rtcp_sinks = rtcp_sinks
            if face.rtcp is not None:
                face.rtcp.rtcp_sinks = rtcp_sinks


def _rtp_sinks(call: Call, flow: Flow) -> Iterator[Sink]:
    controls = call.controls.on(flow.source, flow.listener)
    sink = rtp_filter(flow.face.rtp, flow.rtp_sink, flow.media, flow.listener_media, controls)
    if sink is not None:
        yield sink


def _rtcp_sink(flow: Flow) -> Sink:
    stream = flow.rtcp_stream
    return rtcp_filter(stream, stream, flow.listener_media)


def _divert(call: Call, leg: Leg, media: Media) -> None:
    """Let what a leg sends go to nobody else. Its RTCP would speak of what nobody gets."""
    echoes = leg.course is Course.BACK and not call.drops_traffic and media.is_sending and media.is_receiving
    for face in media.faces:
        face.rtp.sinks = (Echo(face.rtp),) if echoes else ()
        for stream in face.streams:
            stream.rtcp_sinks = ()


@frozen(kw_only=True, eq=False)
class Flow:
    """What one leg sends for one media, on its way to one other leg.

    Attributes:
        source, media: the leg that sends it, and as which of its media.
        listener, listener_media: who gets it, and as which media.
        face: where it leaves from.
    """

    source: Leg
    media: Media
    listener: Leg
    listener_media: Media
    face: Face

    @property
    def carries_rtp(self) -> bool:
        return self.media.is_sending and self.listener_media.is_receiving

    @property
    def rtp_sink(self) -> Sink:
        media, listener_media = self.media, self.listener_media
        if not (media.hidden_extensions or listener_media.hidden_extensions) or media.is_secure:
            return self.face.rtp
        return ExtensionFilter(self.face.rtp, common_ids(media, listener_media))

    @property
    def rtcp_stream(self) -> Stream:
        if self.listener_media.is_muxed or self.face.rtcp is None:
            return self.face.rtp
        return self.face.rtcp


def flows_from(leg: Leg, media: Media) -> Iterator[Flow]:
    """Go through the ways that what a leg sends for one media takes."""
    for peer in leg.peers:
        if len(peer.media) >= media.index:
            peer_media = peer.media[media.index - 1]
            face = peer_media.current_face(leg)
            if face is not None:
                yield Flow(source=leg, media=media, listener=peer, listener_media=peer_media, face=face)
