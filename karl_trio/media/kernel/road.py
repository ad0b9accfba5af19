"""The kernel's road as a whole: the loaded program, where it runs, and the streams that it relays."""

from __future__ import annotations

import errno
import logging
import os
import platform
import socket
from collections import deque
from collections.abc import Iterable
from typing import Self

import trio
from attrs import define, field, frozen

from karl_trio.media.relay import Stream

from . import bytecode
from .attachments import Attachments
from .flows import Counter, Flow, FlowKey, Glance
from .maps import Map, SharedArray
from .netlink import RECEIVE_SIZE
from .program import Program
from .promotion import Passage, Passing
from .routes import Route, Routes
from .syscall import is_machine_known

log = logging.getLogger(__name__)

NAME = "karl_trio"
"""What program and maps are called in `bpftool`."""

SPARE_COUNTERS = 64
"""Counters beyond one for each flow: one that was given back rests behind these before it is used again, so
that a packet under way while its flow was removed is counted nowhere else."""

LOOPBACK = 1
"""The index of the loopback interface, in every network namespace."""

SETTLING = 0.1
"""Seconds between two looks at the routes, however often they change."""

SLICE = 10
"""Streams whose routes are looked at before other tasks get a turn: some 50 µs each."""

# linux/rtnetlink.h: changes of links, addresses and routes.
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400

_NEEDS = "the capabilities CAP_BPF and CAP_NET_ADMIN are needed (docs/kernel.md)"
_TOO_OLD = "Linux 5.11 or later is needed, with eBPF"


class Unavailable(Exception):
    """The kernel does not let us; the message says why and what would help."""


@frozen
class Ways:
    """The routes of a passage.

    Attributes:
        onward: to where its packets go.
        back: to where they come from; they have to arrive where answers would leave. What arrives elsewhere
            goes up, for only the stack knows whether to believe the address that it bears.
    """

    onward: Route
    back: Route


@define(eq=False)
class KernelRoad:
    """Relays streams in the kernel.

    Attributes:
        addresses: those that media is received at.
        active: the streams that the kernel relays now.
    """

    addresses: frozenset[str]
    flows: Map = field(repr=False)
    counters: SharedArray = field(repr=False)
    program: Program = field(repr=False)
    attachments: Attachments = field(repr=False)
    active: dict[FlowKey, tuple[Passage, Ways, Stream]] = field(factory=dict, init=False, repr=False)
    _free: deque[int] = field(factory=deque, init=False, repr=False)
    _routes: Routes = field(factory=Routes, init=False, repr=False)
    _news: socket.socket = field(init=False, repr=False)

    @classmethod
    def open(cls, addresses: Iterable[str], capacity: int) -> Self:
        """Load the program and attach it to the interfaces that have these addresses, and the loopback one.

        Args:
            capacity: how many flows there can be at a time.

        Raises:
            Unavailable: it is not permitted, or the kernel cannot.
        """
        if platform.system() != "Linux" or not is_machine_known():
            raise Unavailable(f"{platform.system()} on {platform.machine()} is not one that it works on")
        opened: list[Map | SharedArray | Program | Attachments | KernelRoad] = []
        try:
            flows = Map.create(f"{NAME}_flows", bytecode.MAPS["flows"], capacity)
            opened.append(flows)
            array = Map.create(f"{NAME}_count", bytecode.MAPS["counters"], capacity + SPARE_COUNTERS)
            opened.append(array)
            counters = SharedArray(array)
            opened.append(counters)
            program = Program.load(
                NAME,
                bytecode.INSTRUCTIONS,
                bytecode.RELOCATIONS,
                {"flows": flows.fd, "counters": array.fd},
                bytecode.LICENCE,
            )
            opened.append(program)
            attachments = Attachments(program.fd)
            opened.append(attachments)
            road = cls(frozenset(addresses), flows, counters, program, attachments)
            opened.append(road)
            road.settle()
        except OSError as error:
            for each in reversed(opened):
                each.close()
            raise Unavailable(_reason(error)) from error
        return road

    def __attrs_post_init__(self) -> None:
        self._free.extend(range(self.counters.map.capacity))
        # From now on, so that no change is missed between the first look and `watch`.
        self._news = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._news.bind((0, _GROUPS))

    def close(self) -> None:
        """Take everything out of the kernel."""
        self._news.close()
        self._routes.close()
        self.attachments.close()
        self.program.close()
        self.counters.close()
        self.flows.close()

    def settle(self) -> None:
        """Attach the program to those interfaces that have our addresses now."""
        found = self._routes.interfaces()
        wanted = {LOOPBACK} | {found[address] for address in self.addresses & found.keys()}
        self.attachments.settle(filter(self._routes.is_ethernet, wanted))

    async def watch(self) -> None:
        """Follow the changes of addresses, interfaces and routes, for ever."""
        while True:
            await trio.lowlevel.wait_readable(self._news)
            _empty(self._news)
            self.settle()
            await self._take_back_diverted()
            await trio.sleep(SETTLING)

    def visit(self, stream: Stream, now: float) -> bool:
        """Take a stream on the kernel's road if it may be, or take over what the kernel counted of it.

        Returns:
            whether the kernel relays it now.

        Args:
            now: seconds on Trio's clock.
        """
        promotion = stream.promotion
        if promotion is None:
            if not stream.has_twin:
                return False
            promotion = stream.promotion = Passing(self, stream)
        assert isinstance(promotion, Passing)
        promotion.visit(now)
        return promotion.is_active

    def ways(self, passage: Passage) -> Ways | None:
        """Return the routes of a passage; None if there are none that the kernel could take by itself."""
        onward = self._routes.find(passage.out.address, passage.destination.address, passage.sink.port.tos)
        back = self._routes.find(passage.local.address, passage.source.address)
        return None if onward is None or back is None else Ways(onward, back)

    def admit(self, stream: Stream, passage: Passage, ways: Ways, counter: Counter) -> int | None:
        """Let the kernel relay a passage from now on; return its counter, None if there is no room.

        Args:
            counter: what to count on from.
        """
        port = passage.sink.port
        if not self._free:
            return None
        index = self._free.popleft()
        counter.write(self.counters.memory, self.counters.offset(index))
        key = FlowKey(passage.source, passage.local)
        flow = Flow(
            source=passage.out,
            destination=passage.destination,
            payload_types=passage.payload_types,
            ssrc=passage.ssrc,
            arrives=ways.back.interface,
            interface=ways.onward.interface,
            next_hop=ways.onward.next_hop,
            counter=index,
            clock_rate=passage.clock_rate,
            max_length=ways.onward.mtu,
            tos=port.tos,
            ttl=port.ttl,
            stays=ways.onward.is_local,
        )
        try:
            self.flows.update(key.pack(), flow.pack(key))
        except OSError as error:
            log.debug("the kernel takes no flow: %s", error.strerror)
            self._free.append(index)
            return None
        self.active[key] = (passage, ways, stream)
        return index

    def dismiss(self, passage: Passage, counter: int) -> None:
        """Let the packets of a passage go to the socket again."""
        key = FlowKey(passage.source, passage.local)
        self.flows.delete(key.pack())
        del self.active[key]
        self._free.append(counter)

    def read(self, counter: int) -> Counter:
        """Return what was counted by a counter; also shortly after it was given back."""
        return Counter.read(self.counters.memory, self.counters.offset(counter))

    def glance(self, counter: int) -> Glance:
        """Return those figures of a counter that are wanted often."""
        return Glance.read(self.counters.memory, self.counters.offset(counter))

    async def _take_back_diverted(self) -> None:
        """Take those streams back whose packets would come or leave in another way now."""
        for number, (key, (passage, ways, stream)) in enumerate(list(self.active.items())):
            if number % SLICE == 0:
                await trio.lowlevel.checkpoint()
            if key in self.active and self.ways(passage) != ways and stream.promotion is not None:
                stream.promotion.failed()


def _empty(news: socket.socket) -> None:
    """Read all that waits; what it says does not matter, for everything is looked at anew."""
    while True:
        try:
            news.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            # More news came than there was room for.
            if error.errno != errno.ENOBUFS:
                raise


def _reason(error: OSError) -> str:
    """Say what a refusal means to the operator."""
    what = error.strerror or os.strerror(error.errno or 0)
    match error.errno:
        case errno.EPERM | errno.EACCES:
            return f"{what}: {_NEEDS}"
        case errno.ENOSYS | errno.EINVAL | errno.EOPNOTSUPP:
            return f"{what}: {_TOO_OLD}"
    return what
