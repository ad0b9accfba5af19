"""Addresses in session descriptions, and those that media must not be sent to."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from karl_trio.endpoint import Family, canonical, family_of
from karl_trio.errors import InvalidSdp

LONGEST_ADDRESS = 45
"""Characters of the longest IPv6 address, one with IPv4 at its end; nothing longer is looked at or cached."""

CACHED_ADDRESSES = 1024
"""How many results are remembered: the peers of a proxy are few, and strangers can fill no more than this."""

ZERO_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104
"""The addresses that stand for hold (RFC 3264, 8.4) and for "not known yet" (RFC 8840)."""

METADATA_ADDRESSES = frozenset(
    {
        *("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    }
)
"""Where clouds answer their guests with credentials, or configure them."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_DISCARD = ipaddress.IPv6Network("100::/64")

_ISATAP = frozenset({b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe"})
"""What stands before the IPv4 address in an ISATAP interface identifier (RFC 5214, 6.1)."""


def zero_address(family: Family) -> str:
    """Return the address that means "send nothing here"."""
    return "::" if family == "IP6" else "0.0.0.0"  # noqa: S104


_canonical = lru_cache(CACHED_ADDRESSES)(canonical)


def literal_address(family: str, address: str) -> str:
    """Return the canonical spelling of a literal address of the family it is said to be of.

    Raises:
        InvalidSdp: a host name, an address with a zone or a TTL, or one of the other family.
    """
    # A zone (fe80::1%eth0) means something on its own host only.
    if len(address) > LONGEST_ADDRESS or "%" in address:
        raise InvalidSdp(f"not a literal address: {address[:LONGEST_ADDRESS]!r}")
    try:
        spelling = _canonical(address)
    except ValueError:
        raise InvalidSdp(f"not a literal address: {address!r}") from None
    if family.upper() != family_of(spelling):
        raise InvalidSdp(f"{address!r} is not an {family[:8]!r} address")
    return spelling


def connection_address(value: str) -> str:
    """Return the address of the value of a c= line, such as ``IN IP4 192.0.2.1`` (RFC 8866, 5.7).

    Raises:
        InvalidSdp: it is anything but a literal unicast address on the Internet.
    """
    words = value.rstrip(" ").split(" ")
    if len(words) != 3 or words[0].upper() != "IN":
        raise InvalidSdp(f"bad c= line: {value[:80]!r}")
    return literal_address(words[1], words[2])


@lru_cache(CACHED_ADDRESSES)
def danger(address: str, *, allow_loopback: bool = False) -> str | None:
    """Say why media must not be sent to an address that came in an SDP, or None if it may.

    A relay that obeys any c= line lets strangers reach what only this host can reach
    (SECURITY A17). The zero addresses pass: they mean hold, and nothing is sent to them.

    Args:
        address: a literal address in any spelling; what is no literal address is dangerous.
        allow_loopback: let 127.0.0.0/8 and ::1 pass, for calls between programs on this host.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    if str(parsed) in ZERO_ADDRESSES:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return _danger_of_ipv4(parsed, allow_loopback)
    return _danger_of_ipv6(parsed, allow_loopback)


def _danger_of_ipv4(address: ipaddress.IPv4Address, allow_loopback: bool) -> str | None:
    if str(address) in METADATA_ADDRESSES:
        return "metadata service"
    first = address.packed[0]
    if first == 0:
        return "this network"
    if first == 127:
        return None if allow_loopback else "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address.packed == b"\xff\xff\xff\xff":
        return "broadcast"
    if address.packed[:3] == b"\xc0\x00\x00":
        return "protocol assignments"
    return "reserved" if first >= 240 else None


def _danger_of_ipv6(address: ipaddress.IPv6Address, allow_loopback: bool) -> str | None:
    if str(address) in METADATA_ADDRESSES:
        return "metadata service"
    if address.is_loopback:
        return None if allow_loopback else "loopback"
    if address.is_link_local or address.scope_id is not None:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    # The kernel sends to the IPv4 address inside; no honest SDP writes IPv4 in this way.
    if address.ipv4_mapped is not None:
        return "IPv4-mapped"
    if address.packed[:12] == bytes(12):
        return "IPv4-compatible"
    # Tunnels whose ends are chosen by whoever writes the address, and places that nothing comes back from.
    if address in _TEREDO or address in _LOCAL_NAT64:
        return "tunnel"
    if address in _DISCARD or address.is_site_local or (address.packed[0] == 0 and address not in _NAT64):
        return "reserved"
    # Translators take these apart, so what is inside must be harmless too.
    embedded = address.sixtofour
    if embedded is None and (address in _NAT64 or address.packed[8:12] in _ISATAP):
        embedded = ipaddress.IPv4Address(address.packed[12:])
    return None if embedded is None else _danger_of_ipv4(embedded, allow_loopback=False)
