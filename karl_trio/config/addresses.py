"""The addresses that settings name: where to listen, and which interfaces carry media."""

from __future__ import annotations

import ipaddress
import socket

from attrs import frozen

from karl_trio.endpoint import Endpoint, Family, canonical, family_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = "127.0.0.1"
"""Where a bare port listens: whoever can send NG requests can redirect and end any call."""

DEFAULT_INTERFACE = "default"
"""The name of an interface that was given none, as rtpengine has it."""

_DOCUMENTATION_ADDRESS = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): routed as the internet at large is, and nobody's own."""

_DISCARD_PORT = 9


@frozen
class InterfaceSettings:
    """One local address that carries media.

    Attributes:
        name: what requests call it; several addresses may share a name.
        address: the local address, which sockets are bound to.
        advertised: the address that goes into SDP, other than `address` behind a one-to-one NAT.
    """

    name: str
    address: str
    advertised: str

    @property
    def family(self) -> Family:
        return family_of(self.address)


def parse_interface(text: str) -> InterfaceSettings:
    """Understand `[NAME/]ADDRESS[!ADVERTISED]`.

    Raises:
        ValueError: it is not that; the message names the part that is wrong.
    """
    name, slash, rest = text.strip().rpartition("/")
    if slash and not name:
        raise ValueError("the name before the / is empty")
    local, mark, advertised = rest.partition("!")
    address = _media_address(local)
    if not mark:
        return InterfaceSettings(name or DEFAULT_INTERFACE, address, address)
    interface = InterfaceSettings(name or DEFAULT_INTERFACE, address, _media_address(advertised))
    if family_of(interface.advertised) != interface.family:
        raise ValueError(
            f"{address} cannot be advertised as {interface.advertised}, one is IPv4 and one IPv6"
        )
    return interface


def _media_address(text: str) -> str:
    address = _literal(text)
    parsed = ipaddress.ip_address(address)
    # SDP tells the other side to send here, so one address of one host is meant.
    if parsed.is_unspecified or parsed.is_multicast or address == "255.255.255.255":
        raise ValueError(f"{address} is not the address of one host")
    if "%" in address:
        raise ValueError(f"{address} has a zone, which SDP cannot carry")
    return address


def _literal(text: str) -> str:
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
    return Endpoint(_literal(host), int(port_text))


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
    """Return the IPv4 address this host sends from, the loopback address when it has no route.

    Connecting a UDP socket makes the kernel choose a route and sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, _DISCARD_PORT))
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])
