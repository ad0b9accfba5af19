"""The SDP that goes out: what a plan and its ports make of the one that came in."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from attrs import frozen

from karl_trio.endpoint import Endpoint
from karl_trio.sdp.manipulation import SESSION, media_kind
from karl_trio.sdp.rewrite import MediaChanges, SessionChanges, rewrite
from karl_trio.sdp.selection import Formats

from .bundling import names_of
from .exchange import OpenedPorts
from .hidden import without
from .leg import SentSdp
from .plan import MediaPlan, Plan

OWN_VERSION = frozenset({"origin-full", "sdp-version", "force-increment-sdp-ver"})
"""`replace` words that make the version in o= ours, to be counted up by us."""


@frozen
class OutgoingSdp:
    """An SDP to send, and what to remember of it for the next one to the same leg."""

    text: str
    sent: SentSdp


def write_sdp(plan: Plan, opened: Sequence[OpenedPorts], loop_mark: str) -> OutgoingSdp:
    """Write the SDP for the listener of a plan whose ports are open.

    Args:
        loop_mark: what `loop-protect` marks our SDP with.
    """
    request, origin = plan.request, plan.description.origin
    listener = plan.parties.listener
    before = None if listener is None else listener.sent
    chosen = plan.codecs.formats
    media = tuple(
        [_media_changes(plan, place, chosen.get(place), opened) for place in range(len(plan.media))]
    )
    description = plan.description
    if plan.hidden:
        description = attrs.evolve(description, media=without(description.media, plan.hidden))
        media = without(media, plan.hidden)
    replace = request.replace
    keeps_origin = "origin-full" in replace
    first = before or origin
    first_name = description.name if before is None else before.name
    username = first.username if keeps_origin or "username" in replace else origin.username
    session_id = first.session_id if keeps_origin else origin.session_id
    name = first_name if "session-name" in replace else description.name

    def write(version: int | None) -> str:
        return rewrite(
            description,
            SessionChanges(
                origin_address=plan.facing.listener.advertised
                if {"origin", "origin-full"} & replace
                else None,
                origin_username=username,
                origin_session_id=session_id,
                origin_version=version,
                session_name=name,
                bundle=names_of(plan.media, plan.bundle.group),
                loop_mark=loop_mark if "loop-protect" in request.flags else None,
                attributes=plan.attribute_changes.get(SESSION),
            ),
            media,
        )

    version = origin.version
    text = write(None)
    is_raised = "force-increment-sdp-ver" in replace
    if before is not None and replace & OWN_VERSION:
        text = write(before.version)
        version = before.version
        is_raised |= text != before.body
    if is_raised:
        version += 1
        text = write(version)
    sent = SentSdp(
        username=first.username,
        session_id=first.session_id,
        name=first_name,
        version=version,
        body=text,
        codecs=tuple([plan.told_codecs(place) for place in range(len(plan.media))]),
        hidden=plan.hidden,
    )
    return OutgoingSdp(text, sent)


def _media_changes(
    plan: Plan, place: int, formats: Formats | None, opened: Sequence[OpenedPorts]
) -> MediaChanges:
    request, media, bundle = plan.request, plan.media[place], plan.bundle
    interface = plan.facing.listener
    attributes = None
    if plan.attribute_changes:
        attributes = plan.attribute_changes.get(media_kind(media.section.kind))
    if not media.is_relayed:
        is_untouched = media.section.kind == "message" and media.section.port != 0
        return MediaChanges(
            address=interface.advertised,
            port=0,
            protocol=media.protocol,
            mid=media.mid,
            untouched=is_untouched,
            attributes=attributes if is_untouched else None,
        )
    address = request.media_address or interface.advertised
    source = bundle.carrier if bundle.shares and place in bundle.group else place
    rtp, rtcp = _listener_ports(plan.media[source], opened[source])
    is_portless = bundle.is_strict and bundle.is_bundle_only(place)
    shows_rtcp = media.section.is_rtp and "no-rtcp-attribute" not in request.flags and not is_portless
    rtcp_port = rtcp.port if media.mux.tells_rtcp and rtcp is not None else rtp.port
    return MediaChanges(
        address=address,
        port=0 if is_portless else rtp.port,
        rtcp_port=rtcp_port if shows_rtcp else None,
        rtcp_address=address if "full-rtcp-attribute" in request.flags else None,
        rtcp_mux=media.mux.tells_mux and not is_portless,
        is_bundle_only=bundle.is_bundle_only(place),
        protocol=media.protocol,
        mid=media.mid,
        on_hold=media.section.is_on_hold and "zero-address" not in request.replace,
        formats=formats,
        ptime=media.packet_time,
        extensions=media.extensions.told if media.extensions.told != media.advertised.extensions else None,
        direction=media.told_direction,
        keep_direction="original-sendrecv" in request.flags,
        keep_security=media.advertised.is_secure,
        attributes=attributes,
    )


def _listener_ports(media: MediaPlan, opened: OpenedPorts) -> tuple[Endpoint, Endpoint | None]:
    pair = opened.listener
    if pair is not None:
        return pair.rtp.endpoint, None if pair.rtcp is None else pair.rtcp.endpoint
    face = media.listener_face
    assert face is not None
    return face.rtp.port.endpoint, None if face.rtcp is None else face.rtcp.port.endpoint
