"""What this version cannot do yet of what an offer or answer may ask for.

A request that depends on it is refused: an empty ok would leave the call without audio and nobody
would know why. One that merely goes without it gets a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from karl_trio.errors import NotSupported
from karl_trio.ng.flags import FLAGS, NAMES
from karl_trio.ng.requests import OfferRequest, SdpRequest
from karl_trio.sdp.description import Description

EFFECTIVE_FLAGS = frozenset(
    {
        "allow-asymmetric-codecs",
        "allow-no-codec-media",
        "allow-transcoding",
        "asymmetric",
        "bidirectional",
        "block-dtmf",
        "block-short",
        "directional",
        "egress",
        "fast",
        "fatal",
        "force-increment-sdp-ver",
        "full-rtcp-attribute",
        "generate-mid",
        "inactive",
        "loop-protect",
        "media-handover",
        "nat-wait",
        "new-branch",
        "no-port-latching",
        "no-rtcp-attribute",
        "original-sendrecv",
        "pierce-nat",
        "port-latching",
        "provisional",
        "receive-only",
        "record-call",
        "rtcp-mirror",
        "reuse-codecs",
        "send-only",
        "single-codec",
        "sip-source-address",
        "siprec",
        "static-codecs",
        "strict-source",
        "strip-extmap",
        "symmetric",
        "to-tag",
        "trust-address",
    }
)
"""Flags that do what they say, in one command or another; every other known one gets a warning."""

USUAL_PACKET_TIME = "20"
"""Milliseconds of audio in a packet where an SDP says nothing (RFC 3551, 4.2)."""

ICE_OFF = frozenset({None, "remove", "default"})

SDES_KEPT = frozenset({"on"})
"""Words of `SDES` that leave keys between two ends as they are."""
ECHOES = frozenset({"forward", "backward", "both"})
DTLS_OFF = frozenset({None, "off", "no", "disable"})


def check_capabilities(request: SdpRequest, description: Description) -> tuple[str, ...]:
    """Return a warning for each thing asked for that has no effect.

    Raises:
        NotSupported: it asks for something that cannot be done and cannot be left out.
    """
    if request.ice not in ICE_OFF:
        raise NotSupported(f"ICE={request.ice}: ICE is not there yet")
    if isinstance(request, OfferRequest):
        _refuse_fax_conversion(request, description)
    wanted = request.transport_protocol
    for section in description.media:
        if section.port == 0 or not section.is_rtp:
            continue
        if wanted is not None and _keying(wanted) != _keying(section.protocol):
            wish = f"transport-protocol {wanted} for {section.protocol}"
            raise NotSupported(f"{wish}: SRTP is not there yet")
        if section.is_secure and section.has_ice:
            raise NotSupported(f"{section.protocol} with ICE: ICE is not there yet")
        if section.is_secure:
            _check_keys(request, is_dtls=_keying(section.protocol) == "DTLS")
        if (section.is_secure or section.has_security) and request.media_echo in ECHOES:
            raise NotSupported(
                f"media-echo={request.media_echo} of {section.protocol}: SRTP is not there yet"
            )
        if section.is_secure and request.dtls not in DTLS_OFF:
            raise NotSupported(f"DTLS={request.dtls}: DTLS-SRTP is passed through only")
    return tuple(_warnings(request, description))


def _refuse_fax_conversion(request: OfferRequest, description: Description) -> None:
    for section in description.media:
        is_fax = section.kind == "image" and section.protocol.lower() == "udptl"
        if section.port and "decode" in request.t38 and is_fax:
            raise NotSupported("T.38=decode: fax is passed through only")
        if section.port and "force" in request.t38 and section.kind == "audio" and section.is_rtp:
            raise NotSupported("T.38=force: fax is passed through only")


def _packet_time_warnings(request: OfferRequest, description: Description) -> Iterator[str]:
    offered = {
        section.attributes.first("ptime") or USUAL_PACKET_TIME
        for section in description.media
        if section.port and section.kind == "audio" and section.is_rtp
    }
    for key, wish in (("ptime", request.ptime), ("ptime-reverse", request.ptime_reverse)):
        if wish is not None and wish > 0 and offered - {str(wish)}:
            yield f"{key} {wish}: written into the SDP, but packets pass on as they come"


def _keying(protocol: str) -> str:
    """Return how the two ends of a media get at the keys for it."""
    if "SAVP" not in protocol:
        return "none"
    return "DTLS" if protocol.startswith("UDP/TLS/") else "SDES"


def _check_keys(request: SdpRequest, *, is_dtls: bool) -> None:
    """Refuse to change how two ends agree on keys for each other, which are none of ours yet."""
    if request.dtls is not None and (is_dtls or request.dtls != "off"):
        raise NotSupported(f"DTLS={request.dtls}: DTLS-SRTP is passed through only")
    if not is_dtls and not SDES_KEPT.issuperset(request.sdes):
        raise NotSupported(f"SDES={','.join(request.sdes)}: SDES is passed through only")


def _warnings(request: SdpRequest, description: Description) -> Iterator[str]:
    for flag in sorted(request.flags - EFFECTIVE_FLAGS):
        is_obsolete = FLAGS[NAMES[flag]].is_obsolete
        yield f"flag '{flag}' is obsolete" if is_obsolete else f"flag '{flag}' has no effect yet"
    for key in request.unused:
        yield f"key '{key}' has no effect in an {request.command}"
    if isinstance(request, OfferRequest):
        yield from _packet_time_warnings(request, description)
    if request.osrtp:
        yield "OSRTP has no effect yet"
    if request.record_call:
        yield "recording is not there yet"
    if request.ice != "remove" and any(section.has_ice for section in description.media if section.port):
        yield "ICE is not there yet: it was removed"
