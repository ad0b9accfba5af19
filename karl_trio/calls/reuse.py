"""Which face a leg is told of once more.

rtpengine keeps a map of ports by the remote endpoint that each was opened for, and so do the faces: as
long as the endpoint of the peer is the same, so are the ports that the leg is told, even when it was
another one for a while.
"""

from __future__ import annotations

from collections.abc import Iterator

from karl_trio.media.interfaces import Interface
from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.description import MediaSection

from .leg import Leg
from .media import Advertised, Face, FaceState, Media


def face_to_use_again(
    media: Media,
    speaker: Leg,
    section: MediaSection,
    advertised: Advertised,
    request: SdpRequest,
    interface: Interface,
    *,
    needs_rtcp: bool,
) -> Face | None:
    """Return the face toward the listener that an SDP of the speaker tells of again; None for a new one.

    Args:
        media: of the listener.
        section, advertised: what the SDP says of the speaker's media.
        interface: that the face has to be on.
        needs_rtcp: the face has to have a port for RTCP.
    """
    keeps_ports = _keeps_ports(section, advertised, request)
    for face in _candidates(media, speaker):
        if face.interface != interface or (needs_rtcp and not face.has_rtcp_port):
            continue
        if keeps_ports or not face.keys or advertised.endpoint is None or advertised.endpoint in face.keys:
            return face
    return None


def _keeps_ports(section: MediaSection, advertised: Advertised, request: SdpRequest) -> bool:
    """Whether the ports stay although the speaker's endpoint has changed."""
    if not advertised.direction.receives:
        # The listener has nothing to send: a music server that plays to him needs no other ports of his.
        return True
    return "port-latching" in request.flags or (section.has_ice and "no-port-latching" not in request.flags)


def _candidates(media: Media, speaker: Leg) -> Iterator[Face]:
    """Go through the faces that may be meant, the one that the leg was last told of first."""
    latest = media.latest_face(speaker)
    if latest is not None:
        yield latest
    for face in reversed(media.faces):
        if face is not latest and face.peer is speaker and face.state is not FaceState.PENDING:
            yield face
