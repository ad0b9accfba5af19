"""NG over UDP: datagrams in, and replies from the address that was asked."""

from __future__ import annotations

import socket
import struct
from functools import partial

import trio
from attrs import define, field

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint, SockAddr
from karl_trio.ng.replies import UDP_LIMIT

from .access import Access
from .dispatch import Dispatcher
from .sockets import ListenError, is_loopback, is_wildcard, new_socket, set_tos

MAX_DATAGRAM = 65_535
"""Octets that are read of a datagram; UDP has none that is longer."""

LOOPBACK_REPLY_LIMIT = 65_507
"""Octets above which a reply to a client on this host sheds what is dispensable, where it is `UDP_LIMIT` for
others: nothing is fragmented here, so it is what a datagram can hold, and `karl-trio query` and the console
show every stream."""

BURST = 2
"""Requests dealt with before other tasks get a turn. An offer costs 0.3 to 0.5 ms, and media must not wait
for more than a millisecond; a turn of the other tasks costs 0.03 ms."""

RECEIVE_BUFFER = 2 * 1024 * 1024
"""Octets of requests that the kernel holds for us. An offer takes 2.3 kB of it, so it bridges a burst of 900
requests, where Linux's usual 208 KiB would drop what comes after the first 90."""

# Linux constants that Python 3.11 has no names for.
_SO_RCVBUFFORCE = 33
_IP_PKTINFO = 8

_IN_PKTINFO = struct.Struct("=i4s4s")
"""Interface index, local address to answer from, destination in the header (ip(7))."""

_IN6_PKTINFO = struct.Struct("=16si")
"""Destination, interface index (RFC 3542, 6.1)."""

_ANCILLARY_SPACE = socket.CMSG_SPACE(_IN6_PKTINFO.size)

_Ancillary = list[tuple[int, int, bytes]]


@define(eq=False)
class UdpListener:
    """One NG socket, bound and ready.

    Attributes:
        endpoint: the address it is bound to, with the port that the kernel chose if it was asked to.
        access: who is obeyed.
    """

    _socket: socket.socket
    access: Access
    endpoint: Endpoint = field(init=False)
    _is_wildcard: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.endpoint = Endpoint.from_sockaddr(self._socket.getsockname())
        self._is_wildcard = is_wildcard(self.endpoint)

    @classmethod
    def open(cls, endpoint: Endpoint, access: Access, *, tos: int = 0) -> UdpListener:
        """Bind a socket.

        Args:
            access: who is obeyed.
            tos: IP type-of-service octet of the replies.

        Raises:
            ListenError: the address is taken, not ours, or not allowed.
        """
        bound = None
        try:
            bound = new_socket(endpoint, socket.SOCK_DGRAM)
            _prepare(bound, endpoint)
            set_tos(bound, tos)
            bound.bind(endpoint.sockaddr)
        except OSError as error:
            if bound is not None:
                bound.close()
            raise ListenError(
                error.errno, f"cannot listen for NG requests on {endpoint}: {error.strerror or error}"
            ) from error
        return cls(bound, access)

    def follow(self, settings: Settings) -> None:
        """Apply what other settings say of replies."""
        set_tos(self._socket, settings.control_tos)

    def close(self) -> None:
        """Stop listening; `serve` does it on its own."""
        self._socket.close()

    async def serve(self, dispatcher: Dispatcher) -> None:
        """Hand requests to the dispatcher for ever; the socket is closed at the end."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                while self._serve_burst(dispatcher):
                    await trio.lowlevel.checkpoint()
        finally:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def _serve_burst(self, dispatcher: Dispatcher) -> bool:
        """Deal with the requests that wait; True if there may be more than it took."""
        receive = dispatcher.receive
        for _ in range(BURST):
            try:
                if self._is_wildcard:
                    datagram, received, _, client = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY_SPACE)
                    reply = partial(self._reply_from, client, _answering(received))
                else:
                    datagram, client = self._socket.recvfrom(MAX_DATAGRAM)
                    reply = partial(self._reply, client)
            except OSError:  # nothing left; or a bad checksum, found after the socket became readable
                return False
            if not self.access.admits(client[0]):
                self.access.refuse(client[0])
                continue
            limit = LOOPBACK_REPLY_LIMIT if is_loopback(client[0]) else UDP_LIMIT
            receive(datagram, Endpoint.from_sockaddr(client), reply, size_limit=limit)
        return True

    def _reply(self, client: SockAddr, reply: bytes) -> None:
        try:
            self._socket.sendto(reply, client)
        except OSError:
            # The client will ask again and get it from the cache; waiting would hold up all others.
            self.access.counters.unsent += 1

    def _reply_from(self, client: SockAddr, origin: _Ancillary, reply: bytes) -> None:
        try:
            self._socket.sendmsg([reply], origin, 0, client)
        except OSError:
            self.access.counters.unsent += 1


def _prepare(unbound: socket.socket, endpoint: Endpoint) -> None:
    try:
        unbound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        # Without CAP_NET_ADMIN, net.core.rmem_max is the limit.
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if is_wildcard(endpoint):
        if endpoint.family == "IP6":
            unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            unbound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _answering(received: _Ancillary) -> _Ancillary:
    """Turn what the kernel says of a request's destination into what makes the reply leave from there.

    The interface is left to routing: a reply need not take the way that the request came.
    """
    for level, kind, data in received:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, local, _ = _IN_PKTINFO.unpack(data)
            return [(level, kind, _IN_PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            local, _ = _IN6_PKTINFO.unpack(data)
            return [(level, kind, _IN6_PKTINFO.pack(local, 0))]
    return []
