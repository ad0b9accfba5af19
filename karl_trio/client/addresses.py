"""How the address of a node is written: `ADDRESS:PORT` over UDP, `tcp://ADDRESS:PORT` over TCP."""

from __future__ import annotations

import ipaddress
import re
import socket
from enum import Enum

import trio
from attrs import frozen

from karl_trio.endpoint import Endpoint

DEFAULT_PORT = 22222
"""The port of the protocol page and of Kamailio's examples."""


class Transport(Enum):
    """What carries requests to a node; the value is the kind of its socket."""

    UDP = socket.SOCK_DGRAM
    TCP = socket.SOCK_STREAM


@frozen
class NodeAddress:
    """Where to reach a node.

    Attributes:
        host: a literal address, or a name.
    """

    host: str
    port: int
    transport: Transport = Transport.UDP

    @classmethod
    def of(cls, node: str | Endpoint) -> NodeAddress:
        """Read what a caller gave; an endpoint is one of UDP.

        Raises:
            ValueError: it is no address; the message is for people.
        """
        return cls(node.address, node.port) if isinstance(node, Endpoint) else parse_node(node)

    async def resolve(self) -> Endpoint:
        """Return the address with its name looked up.

        Raises:
            OSError: there is no such name.
        """
        found = await trio.socket.getaddrinfo(self.host, self.port, type=self.transport.value)
        return Endpoint(str(found[0][4][0]), self.port)


def parse_node(text: str) -> NodeAddress:
    """Read `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`, each of them with `tcp://` before it or not.

    Raises:
        ValueError: it is none of these; the message is for people.
    """
    place = text.removeprefix("tcp://")
    transport = Transport.UDP if place == text else Transport.TCP
    if place.count(":") < 2 and not place.startswith("["):
        host, colon, port = place.partition(":")
        is_good = bool(host) and "/" not in place
    else:
        in_brackets = re.fullmatch(r"\[([^]]*)\](:?)(.*)", place)
        host, colon, port = in_brackets.groups() if in_brackets else (place, "", "")
        is_good = _is_ipv6(host)
    if not is_good or bool(colon) != bool(port):
        raise ValueError(f"{text!r} is not ADDRESS:PORT or [ADDRESS]:PORT, nor one of these after tcp://")
    if not port:
        return NodeAddress(host, DEFAULT_PORT, transport)
    if not (port.isascii() and port.isdigit() and len(port) <= len("65535") and 0 < int(port) < 1 << 16):
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return NodeAddress(host, int(port), transport)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
