"""Where packets come from and go to."""

from __future__ import annotations

import ipaddress
from typing import Literal

from attrs import frozen

Family = Literal["IP4", "IP6"]
"""Address families as SDP writes them (RFC 8866, 5.7)."""

SockAddr = tuple[str, int] | tuple[str, int, int, int]
"""What the socket module takes and gives: two elements for IPv4, four for IPv6."""


def family_of(address: str) -> Family:
    """Say which family a literal address is of, told by its spelling alone."""
    return "IP6" if ":" in address else "IP4"


def canonical(address: str) -> str:
    """Return the one spelling of a literal address that the kernel uses too.

    Raises:
        ValueError: it is not a literal IPv4 or IPv6 address.
    """
    return str(ipaddress.ip_address(address))


@frozen(order=True)
class Endpoint:
    """A UDP address: a literal IP address in its canonical spelling and a port."""

    address: str
    port: int

    @classmethod
    def from_sockaddr(cls, sockaddr: SockAddr) -> Endpoint:
        return cls(sockaddr[0], sockaddr[1])

    @property
    def family(self) -> Family:
        return family_of(self.address)

    @property
    def sockaddr(self) -> SockAddr:
        """The tuple that `sendto` takes and that `recvfrom` gives for this endpoint."""
        if ":" in self.address:
            return (self.address, self.port, 0, 0)
        return (self.address, self.port)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
