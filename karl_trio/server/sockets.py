"""Sockets to listen on, for every transport."""

from __future__ import annotations

import ipaddress
import socket

from karl_trio.endpoint import Endpoint


class ListenError(OSError):
    """An address that cannot be listened on; its text says all in one line."""

    def __str__(self) -> str:
        return str(self.strerror)


def new_socket(endpoint: Endpoint, kind: socket.SocketKind) -> socket.socket:
    """Return a non-blocking socket that can be bound to an endpoint."""
    family = socket.AF_INET6 if endpoint.family == "IP6" else socket.AF_INET
    unbound = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    if family == socket.AF_INET6:
        # Otherwise [::] would take the port of 0.0.0.0 too, and IPv4 clients had mapped addresses.
        unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return unbound


def set_tos(ours: socket.socket, tos: int) -> None:
    """Set the type-of-service or traffic class octet of what a socket sends."""
    if ours.family == socket.AF_INET6:
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        ours.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def is_wildcard(endpoint: Endpoint) -> bool:
    """Say whether an endpoint stands for all addresses of the host."""
    return ipaddress.ip_address(endpoint.address).is_unspecified


def is_loopback(address: str) -> bool:
    """Say whether an address can be reached from this host alone."""
    return address == "::1" or address.startswith("127.")
