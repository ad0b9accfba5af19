"""UDP ports for media: which are free, and the sockets bound to those that are taken.

Ports come in pairs, RTP on the even port and RTCP on the odd one above it (RFC 3550, 11). Where RTCP shares
the port of RTP, half a pair is enough, and the other half is for the next one who needs no more. A pair that
was given back rests for a while before it is used again: the far end of the old call may still be sending,
and its packets must not turn up in a new one.
"""

from __future__ import annotations

import copy
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint
from karl_trio.errors import OutOfPorts

from .queues import drops_at

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 64
"""Pairs tried for one request. Other programs seldom sit on our range; where one sits on all of it, each try
costs some 20 microseconds, and media must not wait for more than a millisecond. What was tried rests, so the
next request tries others."""

_PORT_REFUSED = frozenset({errno.EADDRINUSE, errno.EACCES})
"""What bind says when another port may well do; after anything else every other port would fail alike."""

_OPEN_FILE_LIMIT = frozenset({errno.EMFILE, errno.ENFILE})

Socket = socket.socket
OpenSocket = Callable[[Endpoint], Socket]
T = TypeVar("T")


def open_udp_socket(endpoint: Endpoint) -> socket.socket:
    """Return a new non-blocking UDP socket bound to `endpoint`; it is not inherited by child processes.

    Raises:
        OSError: the port is taken, the address is not ours, or no more files may be opened.
    """
    family = socket.AF_INET6 if endpoint.family == "IP6" else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            # The wildcard address would otherwise take the IPv4 port as well, which another pool may own.
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(endpoint.sockaddr)
    except BaseException:
        opened.close()
        raise
    return opened


def open_twin_socket(bound: socket.socket, peer: Endpoint) -> socket.socket:
    """Return a second socket on the same local port, connected to `peer`, whose packets it gets from now on.

    The kernel prefers a connected socket for the packets of its peer and leaves all others to the one
    that is merely bound. It may hold packets of strangers that came before it was connected.

    Raises:
        OSError: no more files may be opened, or the peer cannot be reached.
    """
    twin = socket.socket(bound.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if bound.family == socket.AF_INET6:
            twin.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            traffic_class = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        else:
            traffic_class = (socket.IPPROTO_IP, socket.IP_TOS)
        twin.setsockopt(*traffic_class, bound.getsockopt(*traffic_class))
        # Sharing is allowed for this moment only: no other program shall get at the port.
        for each in (bound, twin):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            twin.bind(bound.getsockname())
        finally:
            for each in (bound, twin):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        twin.connect(peer.sockaddr)
    except BaseException:
        twin.close()
        raise
    return twin


@define(init=False)
class PairBook:
    """Which pairs of a range are free, resting or taken, each known by its even port; no sockets, no clock.

    Every pair is in exactly one of the three. Free pairs are used in the order in which they became free, so
    that a port stays unused for as long as the range allows; the first order is random, so that it cannot be
    guessed.

    Args:
        low: the lowest port that may be used.
        high: the highest one.
        rest: seconds that a pair rests after use.
        random: shuffles the first order.

    Raises:
        ValueError: the range does not hold an even port and the odd one above it.
    """

    _free: deque[int]
    _resting: deque[tuple[float, int]]  # (time of release, pair), oldest first
    _taken: set[int]
    _rest: float

    def __init__(self, low: int, high: int, *, rest: float, random: Random) -> None:
        pairs = list(range(low + low % 2, high, 2))
        if not pairs:
            raise ValueError(f"no pair of ports (an even one and the odd one above it) in {low}-{high}")
        random.shuffle(pairs)
        self._free = deque(pairs)
        self._resting = deque()
        self._taken = set()
        self._rest = rest

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def resting(self) -> int:
        """How many rest; one whose rest has just ended counts until the next `take`."""
        return len(self._resting)

    @property
    def taken(self) -> int:
        return len(self._taken)

    def is_taken(self, pair: int) -> bool:
        return pair in self._taken

    def take(self, now: float) -> int | None:
        """Take a free pair, else the one that has rested longest; None when all are taken."""
        while self._resting and self._resting[0][0] + self._rest <= now:
            self._free.append(self._resting.popleft()[1])
        if self._free:
            pair = self._free.popleft()
        elif self._resting:
            pair = self._resting.popleft()[1]
        else:
            return None
        self._taken.add(pair)
        return pair

    def release(self, pair: int, now: float) -> None:
        """Let a taken pair rest; `now` must not go backwards."""
        self._taken.remove(pair)
        self._resting.append((now, pair))

    def put_back(self, pair: int) -> None:
        """Undo a `take` after which the pair was not used."""
        self._taken.remove(pair)
        self._free.appendleft(pair)

    def copy(self) -> PairBook:
        """Return a book that says the same, and is kept on its own from now on."""
        twin = PairBook.__new__(PairBook)
        twin._free, twin._resting = self._free.copy(), self._resting.copy()
        twin._taken, twin._rest = self._taken.copy(), self._rest
        return twin


@define(eq=False, weakref_slot=False)
class Port:
    """One of our bound UDP ports.

    Attributes:
        socket: non-blocking, not connected.
        endpoint: the local address that it is bound to.
        is_closed: whether `close` was called.
    """

    socket: socket.socket
    endpoint: Endpoint
    _pool: PortPool = field(repr=False)
    is_closed: bool = False
    _drops: int = field(default=0, init=False, repr=False)
    _twin: Socket | None = field(default=None, init=False, repr=False)
    # Of twins that are closed by now.
    _past_drops: int = field(default=0, init=False, repr=False)
    # How much had arrived at the last look at the queues.
    _arrived: int = field(default=-1, init=False, repr=False)

    def fileno(self) -> int:
        """Return the socket's file descriptor; -1 once it is closed."""
        return self.socket.fileno()

    def close(self, now: float) -> None:
        """Close the socket; once both ports of the pair are closed, it rests. Harmless when repeated."""
        if self.is_closed:
            return
        self.is_closed = True
        self.socket.close()
        self._pool._closed(self, now)

    def open_twin(self, peer: Endpoint) -> Socket | None:
        """Return a second socket on this port, connected to `peer`; None if there can be none now.

        It is a matter of speed only: what it cannot have, the port's own socket does as well. There is one
        at a time, which `close_twin` ends.
        """
        try:
            self._twin = open_twin_socket(self.socket, peer)
        except OSError:
            self._twin = None
        return self._twin

    def close_twin(self) -> None:
        """Close the second socket."""
        if self._twin is not None:
            self._past_drops += drops_at(self._twin)
            self._twin.close()
            self._twin = None

    def look_at_queues(self, arrived: int) -> int:
        """Return how many datagrams the kernel dropped because there was no room in a queue.

        Args:
            arrived: grows with what came out of the queues: where nothing did, nothing was dropped, and the
                system calls are saved.
        """
        if arrived != self._arrived and not self.is_closed:
            self._arrived = arrived
            self._drops = self._past_drops + drops_at(self.socket)
            if self._twin is not None:
                self._drops += drops_at(self._twin)
        return self._drops

    def set_tos(self, tos: int) -> None:
        """Mark what is sent from here with this type-of-service octet (IPv4) or traffic class (IPv6)."""
        if self.endpoint.family == "IP6":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)

    @property
    def tos(self) -> int:
        """The type-of-service octet or traffic class of what is sent from here."""
        if self.endpoint.family == "IP6":
            return self.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        return self.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)

    @property
    def ttl(self) -> int:
        """The time to live or hop limit of what is sent from here."""
        if self.endpoint.family == "IP6":
            return self.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
        return self.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)


@frozen(eq=False)
class PortPair:
    """An even port for RTP and the one above it for RTCP; or any port for both, and then `rtcp` is None."""

    rtp: Port
    rtcp: Port | None

    @property
    def ports(self) -> Iterator[Port]:
        yield self.rtp
        if self.rtcp is not None:
            yield self.rtcp

    def close(self, now: float) -> None:
        """Close what is still open of the two."""
        for port in self.ports:
            port.close(now)


class PortPool:
    """The media ports of one local address.

    Args:
        address: the literal address to bind to.
        low: the lowest port that may be used; an odd one is left out.
        high: the highest one; an even one is left out, since RTCP has no port above it.
        rest: seconds that a pair of ports rests between two uses.
        random: decides the order in which ports are used first.
        open_socket: binds a socket; tests put their own here.
    """

    __slots__ = ("_book", "_fault", "_half_closed", "_open_socket", "_spare", "address", "high", "low")

    def __init__(
        self,
        address: str,
        low: int,
        high: int,
        *,
        rest: float,
        random: Random,
        open_socket: OpenSocket = open_udp_socket,
    ) -> None:
        self.address = address
        self.low = low
        self.high = high
        self._book = PairBook(low, high, rest=rest, random=random)
        self._half_closed: set[int] = set()
        # Ports of taken pairs that nobody has used yet, because one port was enough.
        self._spare: set[int] = set()
        self._open_socket = open_socket
        # What kept the last request from opening sockets, so that it is logged once and not for every call.
        self._fault: int | None = None

    def __repr__(self) -> str:
        return f"<PortPool {self.address} {self.low}-{self.high}: {self.in_use} of {self.size} ports in use>"

    @property
    def size(self) -> int:
        """How many ports there are: always `free` + `resting` + `in_use`."""
        return 2 * (self._book.free + self._book.resting + self._book.taken)

    @property
    def free(self) -> int:
        """How many ports are free and rested."""
        return 2 * self._book.free + len(self._spare)

    @property
    def resting(self) -> int:
        """How many ports rest between two uses, or are waited for because another program has them."""
        return 2 * self._book.resting

    @property
    def in_use(self) -> int:
        """How many ports are taken; both of a pair count until both are closed."""
        return 2 * self._book.taken - len(self._spare)

    def has_open(self, port: int) -> bool:
        """Whether a port, or the other one of its pair, is in use."""
        return self._book.is_taken(port & ~1)

    def take_pair(self, now: float) -> PortPair:
        """Bind a pair of ports.

        Raises:
            OutOfPorts: all are taken, here or by other programs, or no socket can be opened; the detail says.
        """
        return self._take(now, self._open_pair)

    def take_single(self, now: float) -> PortPair:
        """Bind one port, even or odd, for RTP and RTCP alike.

        Raises:
            OutOfPorts: as for `take_pair`.
        """
        while self._spare:
            number = self._spare.pop()
            try:
                return PortPair(self._open(number), None)
            except OSError as error:
                if error.errno not in _PORT_REFUSED:
                    self._spare.add(number)
                    raise self._fault_of(error) from error
                # It is back when the other one of its pair is.
                self._half_closed.add(number & ~1)
        return self._take(now, self._open_half)

    def _take(self, now: float, open_ports: Callable[[int], T]) -> T:
        """Take a pair, of which `open_ports` opens what is needed."""
        refusal: OSError | None = None
        for _ in range(min(MAX_ATTEMPTS, self.size // 2)):
            pair = self._book.take(now)
            if pair is None:
                break
            try:
                ports = open_ports(pair)
            except OSError as error:
                if error.errno in _PORT_REFUSED:
                    refusal = error
                    self._book.release(pair, now)
                    continue
                self._book.put_back(pair)
                raise self._fault_of(error) from error
            except BaseException:
                self._book.put_back(pair)
                raise
            self._fault = None
            return ports
        if refusal is not None:
            raise OutOfPorts(f"{self.address}: no port that could be bound: {refusal.strerror}") from refusal
        raise OutOfPorts(
            f"{self.address}: all {self.size} ports between {self.low} and {self.high} are in use"
        )

    def rehearsal(self) -> PortPool:
        """Return a pool that gives out the ports that this one would, from now on, and leaves it alone.

        Each is bound and let go of again at once, so that one that cannot be had is passed over likewise.
        """

        def open_and_close(endpoint: Endpoint) -> Socket:
            opened = self._open_socket(endpoint)
            opened.close()
            return opened

        pool = copy.copy(self)
        pool._book = self._book.copy()
        pool._half_closed = set(self._half_closed)
        pool._spare = set(self._spare)
        pool._open_socket = open_and_close
        return pool

    def _open(self, number: int) -> Port:
        endpoint = Endpoint(self.address, number)
        return Port(self._open_socket(endpoint), endpoint, self)

    def _open_pair(self, pair: int) -> PortPair:
        rtp = self._open(pair)
        try:
            return PortPair(rtp, self._open(pair + 1))
        except BaseException:
            rtp.socket.close()
            raise

    def _open_half(self, pair: int) -> PortPair:
        port = self._open(pair)
        self._spare.add(pair + 1)
        return PortPair(port, None)

    def _fault_of(self, error: OSError) -> OutOfPorts:
        """Say what keeps us from opening any socket at all, and log it when it is new."""
        what = "open-file limit reached" if error.errno in _OPEN_FILE_LIMIT else "cannot open a socket"
        detail = f"{what}: {error.strerror}"
        if error.errno != self._fault:
            self._fault = error.errno
            log.error("%s: %s (%d of %d ports in use)", self.address, detail, self.in_use, self.size)
        return OutOfPorts(detail)

    def _closed(self, port: Port, now: float) -> None:
        number = port.endpoint.port
        pair, sibling = number & ~1, number ^ 1
        if pair in self._half_closed or sibling in self._spare:
            self._half_closed.discard(pair)
            self._spare.discard(sibling)
            self._book.release(pair, now)
        else:
            self._half_closed.add(pair)
