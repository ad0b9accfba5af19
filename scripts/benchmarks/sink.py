"""The receiving end: counts what arrives at the phones and how long it was under way.

It is a filter on a packet socket that accepts nothing, so that no packet is copied, queued or
handed to a process. It runs in the softirq of whoever sends, on the relay's core, and costs the
same whatever is measured.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from . import bpf
from .namespaces import LEGS, Namespace
from .phones import FIRST_PORT, STAMP_SHIFT

SO_ATTACH_BPF = 50
ETH_P_IP = 0x0800
UDP = 17

# Offsets into an Ethernet frame with IPv4 (no options), UDP and RTP (no CSRC).
ETHERTYPE, IP_PROTOCOL, UDP_DESTINATION, RTP_HEADER, RTP_SSRC, RTP_PAYLOAD = 12, 23, 36, 42, 50, 54

# What the filter copies of each frame. It begins where it does so that the words above are aligned.
COPIED = range(10, 58)

# A value of 2 ** 31 ticks would be read as a packet from the future; so far apart the clocks never are.
SUBBUCKET_BITS = 5
SUBBUCKETS = 1 << SUBBUCKET_BITS
STRAY, RTCP = 1022, 1023
COUNTERS = 1024


@dataclass(frozen=True)
class Arrivals:
    """What has arrived.

    Attributes:
        histogram: packets by how long they were under way; `bucket_us` tells the bounds.
        stray: RTP packets that came to another port or leg than they had been sent to.
        rtcp: RTCP packets, which the relay has made or relayed.
    """

    histogram: Sequence[int]
    stray: int
    rtcp: int

    @cached_property
    def packets(self) -> int:
        return sum(self.histogram)

    def since(self, earlier: Arrivals) -> Arrivals:
        histogram = [now - then for now, then in zip(self.histogram, earlier.histogram, strict=True)]
        return Arrivals(histogram, self.stray - earlier.stray, self.rtcp - earlier.rtcp)

    def percentile(self, share: float) -> float:
        """Return the delay, in microseconds, that this share of the packets did not exceed."""
        wanted, seen = self.packets * share, 0
        for bucket, count in enumerate(self.histogram):
            seen += count
            if count and seen >= wanted:
                return bucket_us(bucket)
        return math.inf


def bucket_us(bucket: int) -> float:
    """Return the upper bound of a histogram bucket in microseconds."""
    shift = max(0, (bucket >> SUBBUCKET_BITS) - 1)
    return ((bucket - (shift << SUBBUCKET_BITS) + 1) << shift) * (1 << STAMP_SHIFT) / 1000


class Sink:
    """The filters on both legs' interfaces, and the counters they share."""

    def __init__(self, phones: Namespace) -> None:
        self._counters = bpf.PerCpuCounters(COUNTERS)
        self._sockets: list[socket.socket] = []
        for number, leg in enumerate(LEGS):
            # Flow numbers are even for packets from leg A, which have to arrive on leg B.
            program = filter_program(self._counters.descriptor, parity=1 - number).load_as_socket_filter()
            with phones.entered():
                # Protocol 0 receives nothing until the filter is in place.
                receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._sockets.append(receiver)
            receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, program)
            os.close(program)
            receiver.bind((leg.phone_interface, ETH_P_IP))

    def read(self) -> Arrivals:
        counters = self._counters.read()
        return Arrivals(counters[:STRAY], counters[STRAY], counters[RTCP])

    def close(self) -> None:
        for receiver in self._sockets:
            receiver.close()
        self._counters.close()


def filter_program(counters: int, parity: int) -> bpf.Program:
    """Return the filter that counts the packets of flows whose number has this parity as arrived."""
    program = bpf.Program()

    def field(size: int, offset: int) -> None:
        program.load(size, 0, 10, offset - COPIED.stop)
        if size > 1:
            program.from_network(0, size)

    program.compute(2, "=", COPIED.start)
    program.combine(3, "=", 10)
    program.compute(3, "+", -len(COPIED))
    program.compute(4, "=", len(COPIED))
    program.call(bpf.SKB_LOAD_BYTES)
    program.jump(0, "!=", 0, "ignore")
    field(2, ETHERTYPE)
    program.jump(0, "!=", ETH_P_IP, "ignore")
    field(1, IP_PROTOCOL)
    program.jump(0, "!=", UDP, "ignore")
    field(1, RTP_HEADER)
    program.compute(0, ">>", 6)
    program.jump(0, "!=", 2, "ignore")
    field(1, RTP_HEADER + 1)
    program.compute(0, "&", 0x7F)
    program.compute(8, "=", RTCP)
    program.jump(0, "<", 64, "rtp")
    program.jump(0, "<", 96, "count")  # RFC 5761: never an RTP payload type where RTCP may be

    program.label("rtp")
    program.compute(8, "=", STRAY)
    field(2, UDP_DESTINATION)
    program.combine(7, "=", 0)
    field(4, RTP_SSRC)
    program.combine(1, "=", 0)
    program.compute(1, "&", 1)
    program.jump(1, "!=", parity, "count")
    program.combine(0, "-", 1)
    program.compute(0, "+", FIRST_PORT)
    program.jump_compared(0, "!=", 7, "count")

    field(4, RTP_PAYLOAD)
    program.combine(9, "=", 0)
    program.call(bpf.KTIME_GET_NS)
    program.compute(0, ">>", STAMP_SHIFT)
    program.combine(0, "-", 9)
    program.truncate(0)
    # The bucket: the uppermost bits of the delay, and by how much it was shifted to leave only them.
    program.compute(8, "=", 0)
    for shift in (16, 8, 4, 2, 1):
        program.jump(0, "<", 1 << (shift + SUBBUCKET_BITS), f"below {shift}")
        program.compute(0, ">>", shift)
        program.compute(8, "+", shift)
        program.label(f"below {shift}")
    program.compute(8, "<<", SUBBUCKET_BITS)
    program.combine(8, "+", 0)

    program.label("count")
    key = -len(COPIED) - 4
    program.store(4, 10, key, 8)
    program.combine(2, "=", 10)
    program.compute(2, "+", key)
    program.load_map(1, counters)
    program.call(bpf.MAP_LOOKUP_ELEMENT)
    program.jump(0, "==", 0, "ignore")
    program.load(8, 1, 0)
    program.compute(1, "+", 1)
    program.store(8, 0, 0, 1)

    program.label("ignore")
    program.compute(0, "=", 0)
    program.leave()
    return program
