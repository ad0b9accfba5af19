"""Where packets leave: what the kernel's routing says, and what it says of the interface."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct

from attrs import define, field, frozen

from karl_trio.endpoint import family_of

from .netlink import NLM_F_DUMP, Message, Netlink, attribute, attributes

# linux/rtnetlink.h
RTM_GETADDR, RTM_GETROUTE = 22, 26
RTN_UNICAST, RTN_LOCAL = 1, 2
RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_METRICS, RTA_VIA = 1, 2, 4, 5, 8, 18
RTAX_MTU = 2
IFA_ADDRESS, IFA_LOCAL = 1, 2

# linux/sockios.h and linux/if_arp.h
SIOCGIFMTU, SIOCGIFHWADDR = 0x8921, 0x8927
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772

_ROUTE = struct.Struct("=8BI")
_ADDRESS = struct.Struct("=4BI")
_IFREQ = struct.Struct("=16s24x")


@frozen
class Route:
    """How packets get to an address.

    Attributes:
        interface: the index of the one that they leave by.
        next_hop: the address of the gateway, of either family, or where there is none, the address itself.
        mtu: octets of the longest IP packet.
        is_local: the address is one of this host.
    """

    interface: int
    next_hop: str
    mtu: int
    is_local: bool


@define(eq=False)
class Routes:
    """The kernel's routing tables, and the interfaces that they lead to."""

    _netlink: Netlink = field(factory=Netlink, init=False, repr=False)
    _control: socket.socket = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def find(self, source: str, destination: str, tos: int = 0) -> Route | None:
        """Return the route that a packet between two addresses takes; None when there is none to use.

        That is also so when it leads nowhere, to many, or by an interface without Ethernet headers.
        """
        here, there = ipaddress.ip_address(source), ipaddress.ip_address(destination)
        bits = 8 * len(there.packed)
        body = _ROUTE.pack(_family(destination), bits, bits, tos, 0, 0, 0, 0, 0)
        body += attribute(RTA_DST, there.packed) + attribute(RTA_SRC, here.packed)
        try:
            (answer,) = self._netlink.ask(Message(RTM_GETROUTE, body))
        except OSError:
            return None
        kind = _ROUTE.unpack_from(answer.body)[7]
        found = attributes(answer.body[_ROUTE.size :])
        if kind not in (RTN_UNICAST, RTN_LOCAL) or RTA_OIF not in found:
            return None
        (interface,) = struct.unpack("=I", found[RTA_OIF])
        mtu = self._mtu(interface)
        if mtu is None or not self.is_ethernet(interface):
            return None
        metrics = attributes(found.get(RTA_METRICS, b""))
        if RTAX_MTU in metrics:
            # Of the route, or of a path on which somebody has said that less gets through.
            mtu = min(mtu, *struct.unpack("=I", metrics[RTAX_MTU]))
        # A gateway of the other family comes behind its family's number.
        gateway = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:] or there.packed
        return Route(interface, str(ipaddress.ip_address(gateway)), mtu, kind == RTN_LOCAL)

    def interfaces(self) -> dict[str, int]:
        """Return the index of the interface that has each of the host's addresses."""
        found = {}
        body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        for answer in self._netlink.ask(Message(RTM_GETADDR, body), NLM_F_DUMP):
            index = _ADDRESS.unpack_from(answer.body)[4]
            texts = attributes(answer.body[_ADDRESS.size :])
            # On a point-to-point link the other one is that of the far end.
            packed = texts.get(IFA_LOCAL, texts.get(IFA_ADDRESS))
            if packed is not None:
                found[str(ipaddress.ip_address(packed))] = index
        return found

    def is_ethernet(self, interface: int) -> bool:
        """Whether packets at an interface have Ethernet headers, as those of the loopback interface do."""
        answer = self._ask_interface(interface, SIOCGIFHWADDR)
        return answer is not None and struct.unpack_from("=H", answer, 16)[0] in (
            ARPHRD_ETHER,
            ARPHRD_LOOPBACK,
        )

    def close(self) -> None:
        self._netlink.close()
        self._control.close()

    def _mtu(self, interface: int) -> int | None:
        answer = self._ask_interface(interface, SIOCGIFMTU)
        return None if answer is None else int(struct.unpack_from("=i", answer, 16)[0])

    def _ask_interface(self, interface: int, question: int) -> bytes | None:
        """Ask the kernel something of an interface; None when it is gone."""
        try:
            name = socket.if_indextoname(interface)
            return fcntl.ioctl(self._control, question, _IFREQ.pack(name.encode()))
        except OSError:
            return None


def _family(address: str) -> int:
    return socket.AF_INET6 if family_of(address) == "IP6" else socket.AF_INET
