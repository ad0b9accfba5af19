"""The addresses that settings name, and those that this host has."""

from __future__ import annotations

import ipaddress
import socket

from karl_trio.endpoint import Endpoint, canonical

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = "127.0.0.1"
"""Where a bare port listens: whoever can send NG requests can redirect and end any call."""

_DOCUMENTATION_ADDRESS = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): routed as the internet at large is, and nobody's own."""

_DISCARD_PORT = 9


def literal(text: str) -> str:
    """Return the canonical spelling of an address, which may stand in brackets.

    Raises:
        ValueError: it is no address.
    """
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        return canonical(bare)
    except ValueError:
        raise ValueError(f"{text.strip() or 'nothing'} is not an IPv4 or IPv6 address") from None


def parse_listen(text: str, *, lowest_port: int = 1) -> Endpoint:
    """Understand `ADDRESS:PORT`, `[ADDRESS]:PORT`, or `PORT` alone on the loopback address.

    Args:
        lowest_port: 0 for programs that let the kernel choose a port and ask which one it was.

    Raises:
        ValueError: it is none of these; the message names the part that is wrong.
    """
    host, colon, port_text = text.strip().rpartition(":")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address before a port goes in brackets, as in [2001:db8::1]:22222")
    is_number = port_text.isascii() and port_text.isdigit() and len(port_text) <= 5
    if not is_number or not lowest_port <= int(port_text) <= 65535:
        raise ValueError(f"{port_text or 'nothing'} is not a port from 1 to 65535")
    # rtpengine's sample configuration says localhost; other names would need a resolver.
    if not colon or host.lower() == "localhost":
        return Endpoint(LOOPBACK, int(port_text))
    return Endpoint(literal(host), int(port_text))


def address_towards(peer: str) -> str | None:
    """Return the address that this host would send to a peer from; None if there is no route.

    Connecting a UDP socket makes the kernel choose a route and sends nothing.

    Args:
        peer: a literal address in its canonical spelling.
    """
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(Endpoint(peer, _DISCARD_PORT).sockaddr)
        except OSError:
            return None
        return canonical(probe.getsockname()[0])


def parse_network(text: str) -> Network:
    """Understand `ADDRESS/PREFIX`, or `ADDRESS` alone for a single one.

    Raises:
        ValueError: it is neither; the message names the network that may have been meant.
    """
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError("expected an address, or a network such as 10.0.0.0/8") from None
    address = text.strip().partition("/")[0]
    if network.network_address != ipaddress.ip_address(address):
        raise ValueError(f"{address} is not the first address of a network, try {network}")
    return network


def primary_address(towards: str = _DOCUMENTATION_ADDRESS) -> str:
    """Return the IPv4 address this host sends from, the loopback address when it has no route."""
    return address_towards(towards) or LOOPBACK
