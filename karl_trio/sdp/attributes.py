"""Attributes of a session or a media (RFC 8866, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import frozen

from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidSdp

from .addresses import literal_address


class Direction(Enum):
    """Which way media flows, seen by the one who writes the SDP (RFC 3264, 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def within(self, limit: Direction) -> Direction:
        """Return what is left of it where only `limit` is allowed."""
        return Direction.of(sends=self.sends and limit.sends, receives=self.receives and limit.receives)

    @property
    def reversed(self) -> Direction:
        """The same, as the other side sees it."""
        return Direction.of(sends=self.receives, receives=self.sends)

    @property
    def sends(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.SENDONLY

    @property
    def receives(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.RECVONLY


# When a section contradicts itself, the one that lets the least through holds.
_RESTRICTIVE_FIRST = (Direction.INACTIVE, Direction.RECVONLY, Direction.SENDONLY, Direction.SENDRECV)

DIRECTION_NAMES = frozenset(direction.value for direction in Direction)


ICE_ATTRIBUTES = frozenset(
    {
        "candidate",
        "end-of-candidates",
        "ice-lite",
        "ice-mismatch",
        "ice-options",
        "ice-pacing",
        "ice-pwd",
        "ice-ufrag",
        "remote-candidates",
    }
)

RTCP_ATTRIBUTES = frozenset({"rtcp", "rtcp-mux"})

SECURITY_ATTRIBUTES = ("crypto", "setup", "fingerprint", "tls-id")
"""In the order in which they are written."""

T38_ATTRIBUTES = frozenset(
    {
        "T38FaxFillBitRemoval",
        "T38FaxMaxBuffer",
        "T38FaxMaxDatagram",
        "T38FaxMaxIFP",
        "T38FaxRateManagement",
        "T38FaxTranscodingJBIG",
        "T38FaxTranscodingMMR",
        "T38FaxUdpEC",
        "T38FaxUdpECDepth",
        "T38FaxUdpFECMaxSpan",
        "T38FaxVersion",
        "T38MaxBitRate",
    }
)
"""Of fax media; under RTP they mean nothing."""

CONSUMED_BUT_DIRECTION = (
    ICE_ATTRIBUTES
    | RTCP_ATTRIBUTES
    | T38_ATTRIBUTES
    | frozenset(SECURITY_ATTRIBUTES)
    | {"mid", "label", "group", "bundle-only", "rtpengine"}
    | {"rtpmap", "fmtp", "rtcp-fb", "extmap", "extmap-allow-mixed", "ptime", "maxptime"}
)

CONSUMED = CONSUMED_BUT_DIRECTION | DIRECTION_NAMES
"""Attributes that are not copied: the stages write them anew where they still apply."""


@frozen
class Attributes:
    """The a= lines of one section, in their order and by name.

    Attributes:
        entries: name and whole line (``a=ptime:20``) of each, in order.
        values: the values by name, each list in order; an attribute without value has an empty one.
    """

    entries: Sequence[tuple[str, str]]
    values: Mapping[str, Sequence[str]]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def first(self, name: str) -> str | None:
        """Return the value of the first attribute of that name."""
        values = self.values.get(name)
        return values[0] if values else None

    def every(self, name: str) -> Sequence[str]:
        """Return the values of all attributes of that name, in order."""
        return self.values.get(name, ())

    @property
    def direction(self) -> Direction | None:
        """The direction that this section gives, if it gives one."""
        for direction in _RESTRICTIVE_FIRST:
            if direction.value in self.values:
                return direction
        return None


def parse_port(text: str) -> int | None:
    """Return a port number, 0 to 65535; None if it is not one."""
    # isdigit() alone lets through digits of other scripts and superscripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if port <= 65535 else None


def parse_rtcp(value: str, address: str) -> Endpoint | None:
    """Return where a=rtcp wants RTCP: ``<port>[ IN IP4|IP6 <address>]`` (RFC 3605, 2.1).

    Args:
        value: of the attribute.
        address: what to use when the attribute gives a port only.

    Returns:
        None if the attribute cannot be understood; it is then as if it were not there.
    """
    words = value.rstrip(" ").split(" ")
    port = parse_port(words[0])
    if not port:
        return None
    if len(words) == 1:
        return Endpoint(address, port)
    if len(words) != 4 or words[1].upper() != "IN":
        return None
    try:
        return Endpoint(literal_address(words[2], words[3]), port)
    except InvalidSdp:
        return None
