"""Which stream's packets go to which: worked out anew from the state of a call after each change of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import frozen

from karl_trio.media.extensions import ExtensionFilter
from karl_trio.media.filters import Echo
from karl_trio.media.relay import Stream
from karl_trio.media.sinks import Sink
from karl_trio.sdp.selection import OfferedCodecs

from .call import Call
from .extensions import changes_extensions, common_ids, name_element
from .filtering import rtcp_filter, rtp_filter
from .leg import Course, Heard, Leg, Subscription
from .media import Face, Media

Leads = dict[Stream, frozenset[Stream]]
"""Where what arrives at each stream that has a port goes on."""


def wire(call: Call) -> None:
    """Set the sinks of every stream of a call.

    RTP goes from a leg that sends to each of its peers and subscribers that receives (RFC 3264, 5.1: a leg
    on hold is sent nothing); RTCP goes on whatever the direction (RFC 3264, 5.1 and 8.4). On its way to one
    leg it may have to pass a filter.
    """
    leads: Leads = {}
    for leg, media in call.media:
        if call.drops_traffic or leg.course is not Course.ONWARD:
            _divert(call, leg, media, leads)
            continue
        flows = flows_from(leg, media)
        rtp_flows = [flow for flow in flows if flow.carries_rtp]
        rtp_sinks = tuple([sink for flow in rtp_flows if (sink := _rtp_sink(call, flow)) is not None])
        rtcp_sinks = tuple([_rtcp_sink(flow) for flow in flows])
        onward = frozenset([flow.face.carrier for flow in rtp_flows])
        rtcp_onward = frozenset([flow.rtcp_socket for flow in flows])
        types = media.payload_types.union(*[flow.listener_media.payload_types for flow in flows])
        for face in media.faces:
            face.rtp.payload_types |= types
            face.rtp.sinks = rtp_sinks
            face.rtp.rtcp_sinks = rtcp_sinks
            _lead(leads, face.carrier, onward if face.has_rtcp_port else onward | rtcp_onward)
            if face.rtcp is not None:
                face.rtcp.rtcp_sinks = rtcp_sinks
                _lead(leads, face.rtcp, rtcp_onward)
    for stream, streams in leads.items():
        call.circles.lead(stream, streams)
    call.circles.settle(leads)


def _lead(leads: Leads, stream: Stream, onward: frozenset[Stream]) -> None:
    """Take note of where what arrives at a stream goes on; the media of a bundle share one."""
    known = leads.get(stream)
    leads[stream] = onward if known is None else known | onward


def _rtp_sink(call: Call, flow: Flow) -> Sink | None:
    controls = call.controls.on(flow.source, flow.listener)
    if flow.overhears is not None:
        controls |= call.controls.on(flow.source, flow.overhears.listener)
    return rtp_filter(flow.face.rtp, flow.rtp_sink, flow.media, flow.listener_media, controls)


def _rtcp_sink(flow: Flow) -> Sink:
    stream = flow.rtcp_stream
    return rtcp_filter(stream, stream, flow.listener_media)


def _divert(call: Call, leg: Leg, media: Media, leads: Leads) -> None:
    """Let what a leg sends go to nobody else. Its RTCP would speak of what nobody gets."""
    echoes = leg.course is Course.BACK and not call.drops_traffic and media.is_sending and media.is_receiving
    for face in media.faces:
        face.rtp.sinks = (Echo(face.rtp),) if echoes else ()
        for stream in face.streams:
            stream.rtcp_sinks = ()
        for socket in face.sockets:
            _lead(leads, socket, frozenset({socket} if echoes and socket is not face.rtcp else ()))


@frozen(kw_only=True, eq=False)
class Flow:
    """What one leg sends for one media, on its way to one other leg.

    Attributes:
        source, media: the leg that sends it, and as which of its media.
        listener, listener_media: who gets it, and as which media.
        face: where it leaves from.
        is_rtcp_only: RTP takes another way.
        overhears: the flow that this is a copy of, for somebody who listens to what its listener is sent.
        is_misread: the listener was told of another kind of media, or of other codecs for the same payload
            types, and has not been told anew.
    """

    source: Leg
    media: Media
    listener: Leg
    listener_media: Media
    face: Face
    is_rtcp_only: bool = False
    overhears: Flow | None = None
    is_misread: bool = False

    @property
    def carries_rtp(self) -> bool:
        if (
            self.is_rtcp_only
            or self.is_misread
            or (self.overhears is not None and not self.overhears.carries_rtp)
        ):
            return False
        return self.media.is_sending and self.listener_media.is_receiving

    @property
    def rtp_sink(self) -> Sink:
        media, listener_media = self.media, self.listener_media
        if not (changes_extensions(media) or changes_extensions(listener_media)) or media.is_secure:
            return self.face.rtp
        name = () if self.face.bundle is None else name_element(listener_media)
        return ExtensionFilter(self.face.rtp, common_ids(media, listener_media), name)

    @property
    def rtcp_socket(self) -> Stream:
        """The stream whose port RTCP leaves from."""
        stream = self.rtcp_stream
        return self.face.carrier if stream is self.face.rtp else stream

    @property
    def rtcp_stream(self) -> Stream:
        return self.face.rtp if self.face.rtcp is None else self.face.rtcp


def flows_from(leg: Leg, media: Media) -> Collection[Flow]:
    """Return the ways that what a leg sends for one media takes, one for each face that it leaves from."""
    found = {flow.face: flow for flow in _flows_to_peers(leg, media)}
    if leg.subscribers:
        for flow in _flows_to_subscribers(leg, media):
            if flow.face not in found or found[flow.face].is_rtcp_only:
                found[flow.face] = flow
    for flow in tuple(found.values()):
        if flow.listener.subscribers:
            for copy in _copies(flow):
                found.setdefault(copy.face, copy)
    return found.values()


def _flows_to_peers(leg: Leg, media: Media) -> Iterator[Flow]:
    for peer in leg.peers:
        if len(peer.media) >= media.index:
            peer_media = peer.media[media.index - 1]
            face = peer_media.current_face(leg)
            if face is not None:
                yield Flow(source=leg, media=media, listener=peer, listener_media=peer_media, face=face)


def _flows_to_subscribers(leg: Leg, media: Media) -> Iterator[Flow]:
    for subscription in leg.subscribers:
        if subscription.media == media.index and subscription.heard is not Heard.EGRESS:
            flow = _flow_to(subscription, leg, media)
            if flow is not None:
                yield flow


def _copies(flow: Flow) -> Iterator[Flow]:
    """Go through the copies of a flow for those who listen to what its listener is sent, its source apart."""
    for subscription in flow.listener.subscribers:
        if (
            subscription.heard is Heard.EGRESS
            and subscription.media == flow.listener_media.index
            and subscription.listener is not flow.source
        ):
            copy = _flow_to(subscription, flow.source, flow.media, overhears=flow)
            if copy is not None:
                yield copy


def _flow_to(
    subscription: Subscription, source: Leg, media: Media, *, overhears: Flow | None = None
) -> Flow | None:
    listener = subscription.listener
    listener_media = listener.media[subscription.listener_media - 1]
    face = listener_media.face_for(source)
    if face is None:
        return None
    return Flow(
        source=source,
        media=media,
        listener=listener,
        listener_media=listener_media,
        face=face,
        is_rtcp_only=subscription.heard is Heard.RTCP,
        overhears=overhears,
        is_misread=media.kind != listener_media.kind or _is_misread(media.agreed, listener_media.agreed),
    )


def _is_misread(spoken: OfferedCodecs | None, known: OfferedCodecs | None) -> bool:
    """Whether a payload type means one codec to a source and another one to its listener."""
    if spoken is None or known is None:
        return False
    names = {number: name.lower() for number, name in spoken.names.items() if str(number) in spoken.formats}
    return any(known.names.get(number, name).lower() != name for number, name in names.items())
