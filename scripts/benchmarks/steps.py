"""What each step of the userspace road costs, and that those which a stream does not need cost it nothing.

Real sockets on the loopback interface and real streams, read in a plain loop in this process, so that neither
Trio nor epoll is part of it. The minimum of many batches is told: whatever else the machine does can only
make a batch slower.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from karl_trio.endpoint import Endpoint
from karl_trio.media.filters import PAYLOAD_TYPES, PayloadFilter, Treatment, UntilHeard
from karl_trio.media.latch import Latch
from karl_trio.media.poller import Poller, Receiver
from karl_trio.media.ports import PortPool
from karl_trio.media.relay import Component, Stream
from karl_trio.media.sinks import Sink

from .phones import PAYLOAD, TICKS_PER_PACKET

ADDRESS = "127.0.0.1"
LOW, HIGH = 52000, 52999
BATCH = 64
"""Packets that every socket's queue holds at once."""
SSRC = 0xC0FFEE

Step = Callable[[], object]


class Phone:
    """A party with one socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 0))
        self.socket.setblocking(False)
        self.endpoint = Endpoint.from_sockaddr(self.socket.getsockname())
        self._sequence = 0

    def say(self, stream: Stream, packets: int) -> None:
        """Send the next packets of a stream of G.711."""
        for _ in range(packets):
            self._sequence = (self._sequence + 1) & 0xFFFF
            timestamp = self._sequence * TICKS_PER_PACKET
            header = struct.pack(">BBHII", 0x80, 0, self._sequence, timestamp, SSRC)
            self.socket.sendto(header + bytes(PAYLOAD), stream.port.endpoint.sockaddr)

    def hear(self) -> None:
        """Take all that has come."""
        for _ in _packets_at(self.socket):
            pass


class NoPoller(Poller):
    """Reads nothing: this module does."""

    def attach(self, fd: int, receive: Receiver, *, beside: int) -> None:
        pass

    def detach(self, fd: int) -> None:
        pass


class Room:
    """Streams of one call, each with its phone."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._pool = PortPool(ADDRESS, LOW, HIGH, rest=0.0, random=random.Random(0))

    def stream(self, *, has_twin: bool) -> tuple[Stream, Phone]:
        """Return a stream whose source is believed, and its phone."""
        phone = Phone()
        self._stack.callback(phone.socket.close)
        pair = self._pool.take_pair(0.0)
        self._stack.callback(pair.close, 0.0)
        latch = Latch()
        latch.reopen(phone.endpoint, 0.0)
        stream = Stream(port=pair.rtp, component=Component.RTP, latch=latch, last_user_packet=0.0)
        stream.clock_rates = {0: 8000}
        stream.poller = NoPoller() if has_twin else None
        self._stack.callback(stream.close_twin, 0.0)
        phone.say(stream, 2)
        for _ in range(2):
            stream.receive(1.0)
        return stream, phone


@dataclass(frozen=True)
class Arrangement:
    """A stream with a source, and what is to be done with each of its packets.

    Attributes:
        sinks: of the stream; `phones` take what they send.
        step: deals with one packet.
    """

    name: str
    stream: Stream
    phone: Phone
    step: Step
    sinks: tuple[Sink, ...] = ()
    phones: tuple[Phone, ...] = ()

    def batch(self) -> float:
        """Return the processor time in seconds of each packet of a batch."""
        self.stream.sinks = self.sinks
        self.phone.say(self.stream, BATCH)
        begun = time.thread_time_ns()
        for _ in range(BATCH):
            self.step()
        used = time.thread_time_ns() - begun
        for phone in self.phones:
            phone.hear()
        return used / BATCH / 1e9


def measure(batches: int) -> dict[str, Any]:
    """Return what a packet costs in each arrangement, in microseconds of this process's time."""
    with ExitStack() as stack:
        arrangements = list(_arrangements(Room(stack)))
        # By turns, so that all of them get their share of quiet moments.
        costs = [[each.batch() for each in arrangements] for _ in range(batches)]
    steps = {
        each.name: round(min(column) * 1e6, 2)
        for each, column in zip(arrangements, zip(*costs, strict=True), strict=True)
    }
    return {"steps": steps}


def _arrangements(room: Room) -> Iterator[Arrangement]:
    alice, phone = room.stream(has_twin=True)
    bob, far = room.stream(has_twin=True)
    carol, listener = room.stream(has_twin=True)
    dora, simple = room.stream(has_twin=False)
    buffer = bytearray(2048)
    read = alice._recv_into

    def connected() -> None:
        alice.receive_connected(1.0)

    def through(name: str, *sinks: Sink) -> Arrangement:
        return Arrangement(name, alice, phone, connected, sinks, (far, listener))

    yield Arrangement("read from the twin socket, nothing else", alice, phone, lambda: read(buffer))
    yield through("compared with the packet before, and counted (loss, jitter)")
    yield through("and sent to the other side: all that a usual stream does", bob)
    yield through("the same, and to a listener", bob, carol)
    passed: list[Treatment] = [None] * PAYLOAD_TYPES
    yield through("through a filter by payload type (DTMF blocked)", PayloadFilter(bob, bob, passed))
    withheld: list[Treatment] = ["blocked"] * PAYLOAD_TYPES
    yield through("withheld by such a filter", PayloadFilter(bob, bob, withheld))
    yield through("through a wait until the leg is heard (NAT-wait)", UntilHeard(bob, bob))
    yield Arrangement(
        "without a twin: every packet is looked at in full",
        *(dora, simple, lambda: dora.receive(1.0), (bob,), (far,)),
    )


def _packets_at(receiver: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield receiver.recv(2048)
        except BlockingIOError:
            return
