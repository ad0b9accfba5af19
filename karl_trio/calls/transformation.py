"""The command `transform`: media of another media proxy goes through us, and back to where it wants it.

rtpengine hands media that has to be transcoded to another instance this way. We can only pass it on as it is,
so whatever asks for more is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from karl_trio.endpoint import Endpoint, canonical
from karl_trio.errors import InvalidParameters, InvalidSessionState, NotSupported
from karl_trio.ng.leg_requests import TransformRequest
from karl_trio.sdp.addresses import danger
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.codecs import parse_encoding
from karl_trio.sdp.description import MAX_FORMATS, MAX_MEDIA, MediaSection
from karl_trio.sdp.own import NAME, describe, make_section

from .capabilities import check_capabilities
from .direct import DirectReply, OwnMedia, OwnSdp, conclude, find_interface, find_leg
from .leg import Subscription
from .plan import advertised_by, source_rules
from .table import CallTable
from .wiring import wire

PROTOCOL = "RTP/AVP"
LARGEST_PORT = 65535


@attrs.frozen(kw_only=True)
class TransformReply:
    """Where each media is to be sent to.

    Attributes:
        media: id and endpoint of each.
    """

    call_id: str
    from_tag: str
    media: tuple[tuple[str, Endpoint], ...]
    warnings: tuple[str, ...]


def transform(calls: CallTable, request: TransformRequest, now: float) -> TransformReply:
    """Take media, and send it on to its destination.

    Args:
        now: seconds on Trio's clock.

    Raises:
        InvalidParameters: what is wanted cannot be understood.
        NotSupported: it takes a transcoder.
        NgError: it could not be done; everything is as it was before.
    """
    if not 1 <= len(request.media) <= MAX_MEDIA:
        raise InvalidParameters(f"{len(request.media)} media")
    sections = [_section(media) for media in request.media]
    leg = find_leg(calls, request)
    if leg is not None:
        raise InvalidSessionState(f"{leg!r} is there already")
    endpoints = [section.endpoint for section in sections]
    assert endpoints[0] is not None
    interface, notes = find_interface(calls, request, leg, endpoints[0].family)
    for endpoint in endpoints:
        assert endpoint is not None
        reason = danger(endpoint.address, allow_loopback=interface.is_loopback)
        if reason is not None or endpoint.family != interface.family:
            raise InvalidParameters(f"destination {endpoint}: {reason or 'another address family'}")
    warnings = check_capabilities(request, describe("0", 0, interface.advertised, NAME, sections))
    ready = OwnSdp(
        request=request,
        leg=leg,
        interface=interface,
        media=[
            OwnMedia(section=section, advertised=advertised_by(section, request, None))
            for section in sections
        ],
        # Whoever sends, it goes to the destination and nowhere else.
        rules=attrs.evolve(source_rules(request, calls.settings), asymmetric=True),
    ).prepare(now)
    ports = [pair.rtp.endpoint for pair in ready.pairs if pair is not None]
    reply: DirectReply = conclude(calls, ready, (*warnings, *notes), now)
    if not request.dry_run:
        call = calls.find(reply.call_id)
        leg = call.find_leg(reply.from_tag)
        assert leg is not None
        for media in leg.media:
            leg.subscribers.append(Subscription(media=media.index, listener=leg, listener_media=media.index))
        wire(call)
    return TransformReply(
        call_id=reply.call_id,
        from_tag=reply.from_tag,
        media=tuple(
            (_name(media, place), Endpoint(interface.advertised, port.port))
            for place, (media, port) in enumerate(zip(request.media, ports, strict=True))
        ),
        warnings=reply.warnings,
    )


def _name(media: Mapping[str, Any], place: int) -> str:
    return str(media.get("id") or place + 1)


def _section(media: Mapping[str, Any]) -> MediaSection:
    """Return a media as an SDP of the other media proxy would describe it."""
    kind = media.get("type", "audio")
    if not isinstance(kind, str) or not kind.isalnum():
        raise InvalidParameters(f"media: type: {kind!r}")
    codecs = media.get("codec", [])
    if not isinstance(codecs, list) or not 1 <= len(codecs) <= MAX_FORMATS:
        raise InvalidParameters("media: codec: no list of codecs")
    formats, lines = [], []
    for codec in codecs:
        payload_type, encoding = _passed(codec)
        formats.append(payload_type)
        lines.append(f"rtpmap:{payload_type} {encoding}")
    endpoint = _destination(media.get("destination"))
    section = make_section(kind, PROTOCOL, formats, Direction.SENDRECV, lines)
    return attrs.evolve(section, address=endpoint.address, port=endpoint.port)


def _passed(codec: object) -> tuple[str, str]:
    """Return payload type and encoding of a codec that is to come out as it goes in.

    Raises:
        NotSupported: it is to come out as another one.
    """
    if not isinstance(codec, dict) or not isinstance(codec.get("input"), dict):
        raise InvalidParameters("media: codec: no input")
    taken = _described(codec["input"])
    sent = _described(codec["output"]) if isinstance(codec.get("output"), dict) else taken
    if taken != sent:
        raise NotSupported(f"{' '.join(taken)} into {' '.join(sent)}: transcoding is not there yet")
    return taken


def _described(codec: Mapping[str, Any]) -> tuple[str, str]:
    payload_type, clock_rate = codec.get("payload-type"), codec.get("clock-rate", 8000)
    encoding = f"{codec.get('codec')}/{clock_rate}/{codec.get('channels', 1)}"
    if not str(payload_type).isdecimal() or int(str(payload_type)) >= MAX_FORMATS:
        raise InvalidParameters(f"media: codec: payload type {payload_type!r}")
    parsed = parse_encoding(encoding)
    if parsed is None or not parsed[0].replace("-", "").isalnum():
        raise InvalidParameters(f"media: codec: {encoding[:80]!r}")
    name, rate, channels = parsed
    return str(int(str(payload_type))), f"{name}/{rate}" + (f"/{channels}" if channels != 1 else "")


def _destination(value: object) -> Endpoint:
    if not isinstance(value, dict):
        raise InvalidParameters("media: no destination")
    try:
        address, port = canonical(str(value.get("address"))), int(str(value.get("port")))
    except ValueError:
        raise InvalidParameters("media: destination: not an address and a port") from None
    if not 0 < port <= LARGEST_PORT or "%" in address:
        raise InvalidParameters(f"media: destination: {address} {port}")
    return Endpoint(address, port)
