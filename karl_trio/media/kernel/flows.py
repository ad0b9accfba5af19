"""The layouts that the program and the process share, and the sums that are done beforehand."""

from __future__ import annotations

import ipaddress
import mmap
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from attrs import astuple, frozen

from karl_trio.endpoint import Endpoint, family_of
from karl_trio.rtp.reception import Progress, Reception
from karl_trio.rtp.sequence import MODULUS

_KEY = struct.Struct("!16s16sHH")
_FLOW = struct.Struct("=2Q36s4s8I4BI16s")
_COUNTER = struct.Struct("=5Q4I2Hi2IQ48x")
_GLANCE = struct.Struct("=3Q48xQ")

COUNTER_SIZE = _COUNTER.size

WINDOW = 64
"""Sequence numbers whose arrival the program remembers."""

NSEC_PER_SEC = 1_000_000_000

JITTER_UNIT = 16
"""The program counts jitter in such parts of a tick (RFC 3550, A.8)."""

Memory = mmap.mmap | bytearray

_IPV4_MAPPED = b"\0" * 10 + b"\xff\xff"


@frozen
class FlowKey:
    """What the program knows a flow by.

    Attributes:
        source: whom the packets come from.
        local: our port that they come to.
    """

    source: Endpoint
    local: Endpoint

    def pack(self) -> bytes:
        return _addresses(self.source, self.local)


class Glance(NamedTuple):
    """Of the figures of a counter those that have to be known once a second, as in `Counter`."""

    packets: int
    octets: int
    last: int
    errors: int

    @classmethod
    def read(cls, memory: Memory, offset: int) -> Glance:
        return cls._make(_GLANCE.unpack_from(memory, offset))


@frozen(kw_only=True)
class Flow:
    """What becomes of the packets of a flow.

    Attributes:
        source, destination: theirs as they leave, of one address family.
        payload_types: those passed on; others go up to the socket.
        ssrc: likewise.
        arrives: the index of the interface that they have to come in at.
        interface: the one that they leave by; `next_hop` is the address whose link-layer address they get.
        counter: where they are counted.
        clock_rate: RTP ticks a second, for jitter.
        max_length: octets of the longest IP packet that may leave.
        tos: TOS or traffic class octet.
        ttl: TTL or hop limit.
        stays: the destination is on this host.
    """

    source: Endpoint
    destination: Endpoint
    payload_types: frozenset[int]
    ssrc: int
    arrives: int
    interface: int
    next_hop: str
    counter: int
    clock_rate: int
    max_length: int
    tos: int
    ttl: int
    stays: bool

    def pack(self, key: FlowKey) -> bytes:
        """Return it as the program reads it, for the packets of a key."""
        before, after = key.pack(), _addresses(self.source, self.destination)
        return _FLOW.pack(
            _bits(number for number in self.payload_types if number < 64),
            _bits(number - 64 for number in self.payload_types if number >= 64),
            after,
            self.ssrc.to_bytes(4),
            self.interface,
            self.counter,
            self.clock_rate,
            (self.clock_rate << 32) // NSEC_PER_SEC,
            self.max_length,
            change(before[:32], after[:32]),
            change(before[32:], after[32:]),
            self.arrives,
            6 if self.source.family == "IP6" else 4,
            self.tos,
            self.ttl,
            self.stays,
            socket.AF_INET6 if family_of(self.next_hop) == "IP6" else socket.AF_INET,
            ipaddress.ip_address(self.next_hop).packed,
        )


@frozen
class Counter:
    """What the program has counted of one flow, in the order of `struct counter`.

    Attributes:
        packets, octets: passed on; octets as UDP payload.
        last: when the newest packet came, in ns on the kernel's monotonic clock.
        seen: of the highest sequence number and those below it, which have come: bit n is number minus n.
        stamped: when the newest timestamp came, in ns; 0 if that is not known.
        advanced: by how much the highest number has grown.
        jitter: in `JITTER_UNIT`ths of a tick.
        timestamp: the newest.
        payload_type: of the newest packet.
        highest: sequence number.
        known: for how many numbers below it `seen` tells.
        lost: numbers passed over, less those that came late after all, also those passed over before.
        reordered, duplicates: that came late, or again.
        errors: dropped, because there was no memory to rewrite them.
    """

    packets: int = 0
    octets: int = 0
    last: int = 0
    seen: int = 0
    stamped: int = 0
    advanced: int = 0
    jitter: int = 0
    timestamp: int = 0
    payload_type: int = 0
    highest: int = 0
    known: int = 0
    lost: int = 0
    reordered: int = 0
    duplicates: int = 0
    errors: int = 0

    @classmethod
    def of(cls, reception: Reception, payload_type: int) -> Counter | None:
        """Return the state to go on counting from; None until its source has proved itself."""
        history = reception.history(WINDOW)
        if history is None:
            return None
        return cls(
            seen=history.seen,
            jitter=min(round(reception.jitter_ticks * JITTER_UNIT), 0xFFFFFFFF),
            timestamp=reception.last_timestamp or 0,
            highest=history.highest % MODULUS,
            known=history.known,
            payload_type=payload_type,
        )

    @classmethod
    def read(cls, memory: Memory, offset: int) -> Counter:
        return cls(*_COUNTER.unpack_from(memory, offset))

    def write(self, memory: Memory, offset: int) -> None:
        _COUNTER.pack_into(memory, offset, *astuple(self))

    def since(self, before: Counter) -> Progress:
        """Return what has come since an earlier reading, but for how much of it there was."""
        missing: tuple[int, ...] = ()
        all_known = (2 << self.known) - 1
        if self.seen & all_known != all_known:
            missing = tuple([behind for behind in range(1, self.known + 1) if not self.seen >> behind & 1])
        return Progress(
            advanced=(self.advanced - before.advanced) % (1 << 32),
            lost=self.lost - before.lost,
            reordered=self.reordered - before.reordered,
            duplicates=self.duplicates - before.duplicates,
            missing=missing,
            known=self.known,
            timestamp=self.timestamp,
            jitter_ticks=self.jitter / JITTER_UNIT,
        )


def change(before: bytes, after: bytes) -> int:
    """Return by how much a sum over these octets changes, in one's complement (RFC 1624, 3).

    Words of the machine's order, for so the kernel sums up: the checksum does not mind (RFC 1071, 2.B).
    """
    return _folded(_sum(after) + _sum(bytes(octet ^ 0xFF for octet in before)))


def _sum(octets: bytes) -> int:
    return sum(word for (word,) in struct.iter_unpack("=I", octets))


def _folded(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _addresses(source: Endpoint, destination: Endpoint) -> bytes:
    return _KEY.pack(_packed(source), _packed(destination), source.port, destination.port)


def _packed(endpoint: Endpoint) -> bytes:
    packed = ipaddress.ip_address(endpoint.address).packed
    return packed if len(packed) == 16 else _IPV4_MAPPED + packed


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers))
