"""Telling apart the protocols that share a media port (RFC 7983, with RTCP split off as in RFC 5761)."""

from __future__ import annotations

from enum import Enum


class Protocol(Enum):
    """What a datagram on a media port is, as far as its first two octets tell."""

    STUN = "stun"
    ZRTP = "zrtp"
    DTLS = "dtls"
    TURN_CHANNEL = "turn_channel"
    RTP = "rtp"
    RTCP = "rtcp"
    UNKNOWN = "unknown"


# RFC 7983, 7; the range of RTP is all that has version 2 in its two upper bits.
_RANGES = {
    Protocol.STUN: range(4),
    Protocol.ZRTP: range(16, 20),
    Protocol.DTLS: range(20, 64),
    Protocol.TURN_CHANNEL: range(64, 80),
    Protocol.RTP: range(128, 192),
}

_BY_FIRST_OCTET = [
    next((protocol for protocol, octets in _RANGES.items() if octet in octets), Protocol.UNKNOWN)
    for octet in range(256)
]


def is_rtcp(second_byte: int) -> bool:
    """Whether a packet of version 2 with this second octet is RTCP.

    The types of RTCP packets look like RTP payload types 64 to 95, which RTP must not use on a shared
    port, the marker bit set or not (RFC 5761, 4).
    """
    return 64 <= second_byte & 0x7F <= 95


def classify(first_byte: int, second_byte: int) -> Protocol:
    """Say what a datagram is that begins with these two octets."""
    protocol = _BY_FIRST_OCTET[first_byte]
    if protocol is Protocol.RTP and is_rtcp(second_byte):
        return Protocol.RTCP
    return protocol
