"""Which streams the kernel relays, and since when, and until when.

Theory of operation. A stream begins in userspace, where its source is learned and its packets are understood.
Once both ends are believed, and all that is left to be done with a packet is to send it to one other stream's
leg, it is a `Passage`, and the kernel can do that as well: the stream is promoted. From then on the socket
gets only what the program does not recognise as the next packet of that source.

It is taken back

- when the stream would do anything else with its packets: signalling, learning, a block, another listener.
  All of these change what a passage is made of, so it is enough to compare; it is done in the same step as
  the change, before any packet can have been dealt with by the new rule;
- when a packet of the promoted source comes up to the socket all the same. It is one that has to be thought
  about (another SSRC, another clock, a jump in the sequence), and the next ones may be like it;
- when the network reports that what was sent does not get there, or routes have changed.

The socket stays open all the time, so at either change a packet is either rewritten or received, and never
both. What waits in the socket is dealt with before the kernel takes over, and what the kernel has counted is
taken over before the socket's next packet is.

The machine is `_TRANSITIONS`; the state changes in `Passing._move` and nowhere else. A stream that was taken
back for a reason that may come again rests for a while, and longer each time.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint
from karl_trio.media.relay import Component, Stream
from karl_trio.rtp.demux import is_rtcp
from karl_trio.rtp.reception import Reception
from karl_trio.rtp.tally import PACKET

from .flows import Counter, Glance

if TYPE_CHECKING:
    from .road import KernelRoad

FIRST_REST = 1.0
"""Seconds that a stream rests after a packet of its came up: a new SSRC is the usual reason, and then all is
well again."""

LONGEST_REST = 64.0
"""Seconds that a stream rests at most, after it was taken back again and again. Each change of road costs
about as much as two packets."""

TRIES = 3
"""How often in a row a stream is promoted if packets come in between, as they do on a slow machine."""

STEADY = 10.0
"""Seconds on the kernel's road after which earlier failures are forgotten."""


FASTEST_CLOCK = 10_000_000
"""Hz; the program's products overflow at three times as much. The fastest clock in use has 90,000."""


class State(Enum):
    """On which road a stream is."""

    USERSPACE = "userspace"
    KERNEL = "kernel"
    CLOSED = "closed"
    """Its relay has ended."""


class Event(Enum):
    """What can happen to it."""

    PROMOTED = "promoted"
    CHANGED = "changed"
    """The stream would do something else with its packets now."""

    CAME_UP = "came_up"
    """A packet of the promoted source has come to the socket."""

    FAILED = "failed"
    """The network says that packets do not get there."""

    CLOSED = "closed"


_TRANSITIONS: dict[State, dict[Event, State]] = {
    State.USERSPACE: {Event.PROMOTED: State.KERNEL, Event.CLOSED: State.CLOSED},
    State.KERNEL: {
        Event.CHANGED: State.USERSPACE,
        Event.CAME_UP: State.USERSPACE,
        Event.FAILED: State.USERSPACE,
        Event.CLOSED: State.CLOSED,
    },
    State.CLOSED: {},
}

_MAY_COME_AGAIN = frozenset({Event.CAME_UP, Event.FAILED})


@frozen
class Passage:
    """All that a stream does with its packets, when that is no more than passing them on.

    Attributes:
        source: who is believed; `local` is our port that it sends to.
        sink: the stream that they leave by, from `out` to `destination`.
        payload_types: those of the same clock as the newest packet's; `clock_rate` is that clock.
        ssrc: of the newest packet.
    """

    source: Endpoint
    local: Endpoint
    sink: Stream
    out: Endpoint
    destination: Endpoint
    payload_types: frozenset[int]
    clock_rate: int
    ssrc: int

    @classmethod
    def of(cls, stream: Stream) -> Passage | None:
        """Return what a stream does; None when it does more than that, or may yet learn something.

        Whatever a stream comes to do with a packet besides sending it to its sinks has to show here.
        """
        sinks = stream.sinks
        if stream.component is not Component.RTP or stream.is_opaque or len(sinks) != 1:
            return None
        sink = sinks[0]
        if type(sink) is not Stream or sink is stream or sink.is_opaque or sink.is_muted:
            return None
        if sink.poller is None:
            return None
        source, destination = stream.latch.trusted, sink.latch.destination
        if source is None or destination is None or not sink.latch.is_confirmed:
            return None
        clock_rate = stream.clock_rates.get(stream.payload_type)
        if clock_rate is None or clock_rate > FASTEST_CLOCK:
            return None
        return cls(
            source=source,
            local=stream.port.endpoint,
            sink=sink,
            out=sink.port.endpoint,
            destination=destination,
            payload_types=frozenset(
                number
                for number, rate in stream.clock_rates.items()
                if rate == clock_rate and not is_rtcp(number)
            ),
            clock_rate=clock_rate,
            ssrc=stream.source_reception.ssrc,
        )


@define(eq=False)
class Passing:
    """The road that one stream is on.

    Attributes:
        passage: what the kernel does for it; None while it does nothing.
        counter: the index of its counter.

    What the kernel counts is taken over in two parts. Tallies and the time of the last packet are a few
    numbers, wanted of every stream once a second. Sequence numbers, loss and jitter are wanted when somebody
    asks, or when userspace has to go on from there.
    """

    road: KernelRoad = field(repr=False)
    stream: Stream = field(repr=False)
    state: State = field(default=State.USERSPACE, init=False)
    passage: Passage | None = field(default=None, init=False)
    counter: int = field(default=-1, init=False)
    _reception: Reception | None = field(default=None, init=False, repr=False)
    _told: Counter = field(factory=Counter, init=False, repr=False)
    _glanced: Glance = field(default=Glance(0, 0, 0, 0), init=False, repr=False)
    _since: float = field(default=0.0, init=False)
    _rest: float = field(default=FIRST_REST, init=False)
    _rests_until: float = field(default=0.0, init=False)

    @property
    def is_active(self) -> bool:
        return self.state is State.KERNEL

    def visit(self, now: float) -> None:
        """Look, about once a second, at what has become possible or was counted.

        Args:
            now: seconds on Trio's clock.
        """
        if self.state is State.KERNEL:
            self._glance(now)
        elif self.state is State.USERSPACE and now >= self._rests_until:
            for _ in range(TRIES):
                if not self._promote(now):
                    break

    def reconsider(self) -> None:
        if self.state is State.KERNEL and Passage.of(self.stream) != self.passage:
            self._take_back(Event.CHANGED)

    def came_up(self) -> None:
        if self.state is State.KERNEL:
            self._take_back(Event.CAME_UP)

    def failed(self) -> None:
        if self.state is State.KERNEL:
            self._take_back(Event.FAILED)

    def close(self) -> None:
        if self.state is State.KERNEL:
            self._take_back(Event.CLOSED)
        elif self.state is State.USERSPACE:
            self._move(Event.CLOSED)

    def _promote(self, now: float) -> bool:
        """Promote the stream if it may be; return whether to try again, for a packet came in between."""
        stream = self.stream
        passage = Passage.of(stream)
        if passage is None:
            return False
        # Asked beforehand, as it takes the longest: what comes between here and there takes the stream back.
        ways = self.road.ways(passage)
        if not stream.empty_twin(now):
            return False
        begun = Counter.of(stream.source_reception, stream.payload_type)
        # Some of what waited may have changed it.
        if begun is None or Passage.of(stream) != passage:
            return False
        counter = None if ways is None else self.road.admit(stream, passage, ways, begun)
        if counter is None:
            # No way there that the kernel could take, or no room for another one.
            self._rests_until = now + LONGEST_REST
            return False
        rest = self._rest
        self._move(Event.PROMOTED)
        self.passage, self.counter, self._since = passage, counter, now
        self._reception, self._told, self._glanced = stream.source_reception, begun, Glance(0, 0, 0, 0)
        passage.sink.feeds.append(self)
        stream.refresh()
        # What came in the meantime comes before what the kernel has: taken back once more, if there is any,
        # but with no need to rest.
        stream.empty_twin(now)
        if self.is_active:
            return False
        self._rest, self._rests_until = rest, now
        return True

    def _take_back(self, event: Event) -> None:
        passage = self.passage
        assert passage is not None
        self.road.dismiss(passage, self.counter)
        self.catch_up()
        now = trio.current_time()
        if now - self._since > STEADY:
            self._rest = FIRST_REST
        if event in _MAY_COME_AGAIN:
            self._rests_until = now + self._rest
            self._rest = min(2 * self._rest, LONGEST_REST)
        self._move(event)
        self.passage, self.counter, self._reception = None, -1, None
        passage.sink.feeds.remove(self)
        self.stream.refresh()

    def catch_up(self) -> None:
        if self._reception is None:
            return
        self._glance(trio.current_time())
        counter, told = self.road.read(self.counter), self._told
        if counter != told:
            self._told = counter
            self._reception.take_over(counter.since(told))
            self.stream.payload_type = counter.payload_type

    def _glance(self, now: float) -> None:
        """Take over the tallies, and when the newest packet came."""
        glance, before = self.road.glance(self.counter), self._glanced
        if glance == before:
            return
        assert self.passage is not None
        assert self._reception is not None
        self._glanced = glance
        packets, octets, last, errors = glance
        tally = (packets - before.packets) * PACKET + octets - before.octets
        stream, sink = self.stream, self.passage.sink
        self._reception.tally += tally
        stream.tally_kernel += tally
        sink.tally_out += tally
        sink.tally_kernel_out += tally
        if errors != before.errors:
            sink.drop_unsent("no_memory", errors - before.errors)
        stream.last_kernel_packet = now - max(0, time.monotonic_ns() - last) / 1e9

    def _move(self, event: Event) -> None:
        self.state = _TRANSITIONS[self.state][event]
