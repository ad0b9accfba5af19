"""Packets per second: what the stats task measures, once a second."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing

import trio
import trio_util
from attrs import define, field, frozen

from karl_trio.media.kernel.road import KernelRoad
from karl_trio.rtp.tally import octets_of, packets_of

from .call import Call
from .totals import Totals

SAMPLE_INTERVAL = 1.0
"""Seconds between two samples."""

SAMPLE_SLICE = 50
"""Calls sampled before other tasks get a turn: some 5 µs a call."""

KERNEL_SLICE = 10
"""The same where the kernel relays: what it counted is taken over too, and some streams are promoted."""

LONGEST_STRETCH = 0.0005
"""Seconds of work on a sample after which it rests. With thousands of calls it takes a tenth of a second, and
a busy core must not be kept that long from what the kernel relays on it."""

REST = 0.001
"""Seconds of rest, about the shortest there is; a sample of 20,000 calls is then done within its second."""

QUEUE_ROUNDS = 5
"""Each port's queues are looked at every so many samples: it takes system calls, and drops can wait."""


@frozen(kw_only=True)
class Sample:
    """Sums over all streams there ever were.

    Attributes:
        at: seconds on Trio's clock.
        streams: how many are open; `streams_kernel` of them are relayed by the kernel.
        packets_kernel, octets_kernel: which part of the others is the kernel's.
    """

    at: float = 0.0
    packets: int = 0
    octets: int = 0
    errors: int = 0
    queue_drops: int = 0
    streams: int = 0
    streams_kernel: int = 0
    packets_kernel: int = 0
    octets_kernel: int = 0


@define
class Rates:
    """The last sample, and the rates since the one before it, in units per second."""

    last: Sample = field(factory=Sample)
    packets: float = 0.0
    octets: float = 0.0
    errors: float = 0.0
    packets_kernel: float = 0.0
    octets_kernel: float = 0.0

    def take(self, sample: Sample) -> None:
        """Take the next sample into account."""
        before, self.last = self.last, sample
        elapsed = sample.at - before.at
        if before.at > 0 and elapsed > 0:
            # A stream that closes between being summed and being counted as closed may be missed once.
            self.packets = max(0, sample.packets - before.packets) / elapsed
            self.octets = max(0, sample.octets - before.octets) / elapsed
            self.errors = max(0, sample.errors - before.errors) / elapsed
            self.packets_kernel = max(0, sample.packets_kernel - before.packets_kernel) / elapsed
            self.octets_kernel = max(0, sample.octets_kernel - before.octets_kernel) / elapsed


async def measure(
    calls: Iterable[Call], totals: Totals, rates: Rates, kernel: KernelRoad | None = None
) -> None:
    """Sample all streams once a second, for ever, and promote to the kernel's road those that may be."""
    turn = 0
    # Cancelled inside the loop, the generator would be left to the garbage collector; Trio warns of that.
    async with aclosing(trio_util.periodic(SAMPLE_INTERVAL)) as ticks:
        async for _ in ticks:
            turn = (turn + 1) % QUEUE_ROUNDS
            rates.take(await take_sample(list(calls), totals, turn, kernel))


async def take_sample(
    calls: list[Call], totals: Totals, turn: int, kernel: KernelRoad | None = None
) -> Sample:
    """Sum up what all streams have counted.

    Args:
        turn: which sockets, 0 to `QUEUE_ROUNDS` - 1, are asked for what the kernel dropped.
    """
    tally, errors, queue_drops, streams = totals.tally, totals.errors, totals.queue_drops, 0
    tally_kernel, streams_kernel = totals.tally_kernel, 0
    size = SAMPLE_SLICE if kernel is None else KERNEL_SLICE
    begun = trio.current_time()
    for first in range(0, len(calls), size):
        now = trio.current_time()
        if now - begun > LONGEST_STRETCH:
            await trio.sleep(REST)
            begun = now = trio.current_time()
        for call in calls[first : first + size]:
            for stream in call.relayed:
                streams += 1
                if kernel is not None:
                    streams_kernel += kernel.visit(stream, now)
                    tally_kernel += stream.tally_kernel
                stream_tally = stream.tally
                if (streams + turn) % QUEUE_ROUNDS == 0 and not stream.shares_port:
                    arrived = stream_tally - stream.tally_kernel + stream.errors
                    stream.queue_drops = stream.port.look_at_queues(arrived)
                tally += stream_tally
                errors += stream.errors + stream.errors_out
                queue_drops += stream.queue_drops
        await trio.lowlevel.checkpoint()
    return Sample(
        at=trio.current_time(),
        packets=packets_of(tally),
        octets=octets_of(tally),
        errors=errors,
        queue_drops=queue_drops,
        streams=streams,
        streams_kernel=streams_kernel,
        packets_kernel=packets_of(tally_kernel),
        octets_kernel=octets_of(tally_kernel),
    )
