"""Which stream's packets go to which: worked out anew from the state of a call after each change of it."""

from __future__ import annotations

from collections.abc import Iterator

from karl_trio.media.relay import Stream

from .call import Call
from .leg import Leg
from .media import Face, Media


def wire(call: Call) -> None:
    """Set the sinks of every stream of a call.

    RTP goes from a leg that sends to each of its peers that receives (RFC 3264, 5.1: a leg on hold is
    sent nothing); RTCP goes on whatever the direction (RFC 3264, 5.1 and 8.4).
    """
    for leg, media in call.media:
        rtp_sinks = tuple(_rtp_sinks(leg, media))
        rtcp_sinks = tuple(_rtcp_sinks(leg, media))
        for face in media.faces:
            face.rtp.sinks = rtp_sinks
            face.rtp.rtcp_sinks = rtcp_sinks
            if face.rtcp is not None:
                face.rtcp.rtcp_sinks = rtcp_sinks


def _outlets(leg: Leg, media: Media) -> Iterator[tuple[Media, Face]]:
    """Go through the faces that what `leg` sends for one media leaves from."""
    for peer in leg.peers:
        if len(peer.media) >= media.index:
            peer_media = peer.media[media.index - 1]
            face = peer_media.current_face(leg)
            if face is not None:
                yield peer_media, face


def _rtp_sinks(leg: Leg, media: Media) -> Iterator[Stream]:
    if media.is_sending:
        for peer_media, face in _outlets(leg, media):
            if peer_media.is_receiving:
                yield face.rtp


def _rtcp_sinks(leg: Leg, media: Media) -> Iterator[Stream]:
    for peer_media, face in _outlets(leg, media):
        if peer_media.is_muxed or face.rtcp is None:
            yield face.rtp
        else:
            yield face.rtcp
