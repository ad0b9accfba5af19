"""How many packets a second one core relays, what each costs, and how long it takes."""

from __future__ import annotations

import contextlib
import math
import resource
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .daemons import OPEN_FILES
from .errors import MeasurementError
from .generator import Generator
from .namespaces import Testbed
from .phones import PACKETS_PER_SECOND
from .processor import Patience, look, spent
from .progress import say
from .roads import FLOWS_PER_CALL, ROADS, Road
from .search import highest_held
from .sink import Sink

MOST_FLOWS = 16000
"""There are ports for them, and at 50 packets/s of each the generator's one core can certainly make them."""

FILES_PER_CALL = 6
"""Open files that a daemon needs at most: two sockets to a port that is talked to."""
SPARE_FILES = 200

MAX_LOSS = 0.001
MAX_MEDIAN_US = 5000
"""Socket buffers hold seconds of a stream. A relay that is too slow fills them for a while before it
loses anything, which shows in the median delay at once."""

CONFIRMATIONS = 6
"""How often the result of a search may fail to be confirmed, and be lowered a little."""
WARM_UP = 0.2
SETTLE = 0.1
TRIES = 4
"""How often a run is repeated when others on the machine disturbed it; the least disturbed counts."""


@dataclass(frozen=True)
class Effort:
    """How much time a measurement is given.

    Attributes:
        probe: seconds that a load must be carried to count as held, while searching.
        confirm: the same for the load that the search ends with.
        steady: seconds of a run at a given rate.
        ramp, tolerance: of the search.
    """

    probe: float
    confirm: float
    steady: float
    ramp: float
    tolerance: float


THOROUGH = Effort(probe=1.5, confirm=4.0, steady=2.5, ramp=1.3, tolerance=0.04)
QUICK = Effort(probe=1.0, confirm=2.0, steady=1.5, ramp=1.5, tolerance=0.1)
FIRST_RATE = 50_000
"""Packets a second, which the search begins with."""


@dataclass(frozen=True)
class Run:
    """One load, and what became of it.

    Attributes:
        packets_per_second: as sent.
        loss: share of the packets sent that did not arrive.
        stray: packets that arrived at the wrong phone.
        latency_p50_us, latency_p99_us: from the generator's clock to the sink's, the two virtual
            wires and the generator's bursts included.
        cpu_us_per_packet: everything that kept the relay's core busy: process, kernel, sink.
        process_us_per_packet: what the scheduler charges to the process; softirqs that
            interrupted it are part of it.
        core_busy: share of the run that the relay's core was not idle.
        kept_pace: whether the generator sent what it should.
        noisy: whether others used the machine meanwhile.
    """

    packets_per_second: float
    loss: float
    stray: int
    latency_p50_us: float
    latency_p99_us: float
    cpu_us_per_packet: float
    process_us_per_packet: float
    core_busy: float
    kept_pace: bool
    noisy: bool

    @property
    def is_held(self) -> bool:
        return self.kept_pace and self.loss < MAX_LOSS and self.latency_p50_us < MAX_MEDIAN_US

    def __str__(self) -> str:
        return (
            f"{self.packets_per_second:9,.0f}/s {'held' if self.is_held else 'LOST'}"
            f"  loss {self.loss:8.4%}  p50 {self.latency_p50_us:7.0f} us  p99 {self.latency_p99_us:7.0f} us"
            f"  core {self.cpu_us_per_packet:6.2f} us/packet, {self.core_busy:4.0%} busy"
            f"{'' if self.kept_pace else '  GENERATOR LATE'}{'  STRAY' if self.stray else ''}"
            f"{'  noisy' if self.noisy else ''}"
        )


@dataclass
class Figures:
    """What all rounds found of one road.

    Attributes:
        most: the highest load held, one run a round.
        half: half of that.
        steady: runs at given rates.
        at_limit: whether the search ended at the highest load that can be made.
    """

    most: list[Run] = field(default_factory=list)
    half: list[Run] = field(default_factory=list)
    steady: dict[int, list[Run]] = field(default_factory=dict)
    at_limit: bool = False

    def summary(self, cpu_rate: int | None) -> dict[str, Any]:
        """Return medians over the rounds, in the shape of the JSON file.

        Args:
            cpu_rate: the packet rate for which the processor time is told; None for half of the most.
        """
        costs = self.steady[cpu_rate] if cpu_rate is not None else self.half
        rates = [round(run.packets_per_second) for run in self.most]
        summary: dict[str, Any] = {
            "packets_per_second": round(statistics.median(rates)) if rates else None,
            "packets_per_second_rounds": rates,
            "at_generator_limit": self.at_limit,
        }
        summary["cpu_us_per_packet"] = rounded(run.cpu_us_per_packet for run in costs)
        summary["cpu_measured_at"] = cpu_rate if cpu_rate is not None else "half"
        latencies = self.half or costs
        summary["latency_p50_us"] = rounded(run.latency_p50_us for run in latencies)
        summary["latency_p99_us"] = rounded(run.latency_p99_us for run in latencies)
        summary["steady"] = {
            str(rate): {
                "held": all(run.is_held for run in runs),
                "cpu_us_per_packet": rounded(run.cpu_us_per_packet for run in runs),
                "process_us_per_packet": rounded(run.process_us_per_packet for run in runs),
                "latency_p50_us": rounded(run.latency_p50_us for run in runs),
                "latency_p99_us": rounded(run.latency_p99_us for run in runs),
            }
            for rate, runs in self.steady.items()
        }
        runs = [*self.most, *self.half, *(run for runs in self.steady.values() for run in runs)]
        summary["noisy"] = any(run.noisy for run in runs)
        # JSON knows no infinity, which is the delay of packets that never came.
        summary["runs"] = [
            {key: value if math.isfinite(value) else None for key, value in asdict(run).items()}
            for run in runs
        ]
        return summary


class Bench:
    """The testbed with generator and sink, and the patience to use them."""

    def __init__(self, testbed: Testbed, generator: Generator, sink: Sink, patience: Patience) -> None:
        self._testbed = testbed
        self._generator = generator
        self._sink = sink
        self._patience = patience

    def flows(self, rate: float) -> int:
        """Return how many flows make so many packets a second."""
        return max(1, round(rate / self._generator.packets_per_second))

    @property
    def most_packets(self) -> int:
        """The highest load that can be made, in packets a second."""
        return most_flows() * self._generator.packets_per_second

    def run(self, road: Road, flows: int, seconds: float) -> Run:
        """Send one load, again if somebody else disturbed it."""
        road.prepare(-(-flows // FLOWS_PER_CALL))
        best, least = None, float("inf")
        for _ in range(TRIES):
            quiet = self._patience.wait_until_quiet(self._testbed.relay_core, road.pid)
            run, disturbance = self._send(road, flows, seconds)
            if disturbance < least:
                best, least = run, disturbance
            if (run.kept_pace and not run.noisy) or not quiet:
                break
        assert best is not None
        return best

    def held(self, road: Road, flows: int, seconds: float) -> Run | None:
        """Return the run if the road held the load, on a second try with a fresh start at the latest."""
        for _ in range(2):
            run = self.run(road, flows, seconds)
            say(f"    {road.name:10} {run}")
            if run.is_held:
                return run
            if not run.kept_pace:
                return None
            # rtpengine gives a stream up for good once its queue was long for a while.
            road.restart()
        return None

    def most(self, road: Road, effort: Effort) -> Run | None:
        """Return the run with the highest load that the road holds."""

        def is_held(flows: int) -> bool:
            return self.held(road, flows, effort.probe) is not None

        first = self.flows(FIRST_RATE)
        flows = highest_held(is_held, first, most_flows(), ramp=effort.ramp, tolerance=effort.tolerance)
        for _ in range(CONFIRMATIONS):
            if not flows:
                break
            run = self.held(road, flows, effort.confirm)
            if run is not None:
                return run
            flows = int(flows * (1 - effort.tolerance))
        return None

    def _send(self, road: Road, flows: int, seconds: float) -> tuple[Run, float]:
        road.settle(self._generator)
        self._generator.run(road.table, flows, WARM_UP)
        time.sleep(SETTLE)
        arrived_before = self._sink.read()
        before = look(self._testbed.relay_core, road.pid)
        sent = self._generator.run(road.table, flows, seconds)
        used = spent(before, look(self._testbed.relay_core, road.pid))
        time.sleep(SETTLE)
        arrived = self._sink.read().since(arrived_before)
        packets = max(1, arrived.packets)
        run = Run(
            packets_per_second=sent.packets / sent.seconds,
            loss=max(0.0, 1 - arrived.packets / max(1, sent.packets)),
            stray=arrived.stray,
            latency_p50_us=arrived.percentile(0.5),
            latency_p99_us=arrived.percentile(0.99),
            cpu_us_per_packet=used.core / packets * 1e6,
            process_us_per_packet=used.process / packets * 1e6,
            core_busy=used.core / used.seconds,
            kept_pace=sent.kept_pace,
            noisy=used.is_dirty,
        )
        # A generator that was held up measured nothing, however little the others did.
        return run, used.others + (0.0 if sent.kept_pace else seconds)


@contextlib.contextmanager
def bench(
    cores: tuple[int, int], directory: Path, patience: Patience, packets_per_second: int = PACKETS_PER_SECOND
) -> Iterator[tuple[Testbed, Bench]]:
    """Put up namespaces, sink and generator, and take them down at the end.

    Args:
        packets_per_second: of each flow.
    """
    relay_core, generator_core = cores
    with Testbed(relay_core) as testbed:
        generator = Generator(testbed.phones, generator_core, directory, packets_per_second)
        say(f"relay on core {relay_core}, generator ({generator.language}) on core {generator_core}")
        sink = Sink(testbed.phones)
        try:
            yield testbed, Bench(testbed, generator, sink, patience)
        finally:
            sink.close()


def measure(
    names: Sequence[str],
    *,
    rates: Sequence[int],
    calls: int | None,
    packets_per_second: int,
    rounds: int,
    effort: Effort,
    patience: Patience,
    cores: tuple[int, int],
    directory: Path,
) -> dict[str, Any]:
    """Measure roads by turns and return the figures of each.

    Args:
        rates: packets a second at which the cost of each packet is told.
        calls: measure with so many calls only, and do not search for the most.
        packets_per_second: of each flow.
    """
    if calls is not None:
        rates = [calls * FLOWS_PER_CALL * packets_per_second]
    with bench(cores, directory, patience, packets_per_second) as (testbed, rig):
        roads = roads_of(names, testbed, directory)
        figures = {road.name: Figures() for road in roads}
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for road in roads:
                _measure_road(rig, road, figures[road.name], rates, effort, search=calls is None)
    return {"roads": summaries(figures)}


def summaries(figures: dict[str, Figures]) -> dict[str, dict[str, Any]]:
    """Return the summary of every road, the processor time of all at the same packet rate."""
    common = set.intersection(
        *({rate for rate, runs in road.steady.items() if runs} for road in figures.values())
    )
    held = [
        rate for rate in common if all(run.is_held for road in figures.values() for run in road.steady[rate])
    ]
    cpu_rate = max(held or common, default=None)
    return {name: road.summary(cpu_rate) for name, road in figures.items()}


def roads_of(names: Sequence[str], testbed: Testbed, directory: Path) -> list[Road]:
    """Return the roads of these names that can be measured here, after a word on the others."""
    roads = []
    for name in names:
        try:
            roads.append(ROADS[name](testbed, directory))
        except MeasurementError as error:
            say(f"{name}: {error}; going on without it")
    if not roads:
        raise MeasurementError("nothing left to measure")
    return roads


def _measure_road(
    rig: Bench, road: Road, figures: Figures, rates: Sequence[int], effort: Effort, *, search: bool
) -> None:
    road.start()
    try:
        for rate in sorted(rates):
            run = rig.run(road, rig.flows(rate), effort.steady)
            say(f"    {road.name:10} {run}")
            figures.steady.setdefault(rate, []).append(run)
            if not run.is_held:
                road.restart()
        if not search:
            return
        most = rig.most(road, effort)
        if most is None:
            say(f"    {road.name} holds no load at all")
            return
        figures.most.append(most)
        figures.at_limit |= most.packets_per_second > rig.most_packets * 0.99
        half = rig.flows(most.packets_per_second / 2)
        figures.half.append(rig.run(road, half, effort.steady))
        say(f"    {road.name:10} {figures.half[-1]}")
    finally:
        road.stop()


def most_flows() -> int:
    """Return how many flows there can be: as many as the open-file limit allows calls, if that is fewer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(OPEN_FILES, OPEN_FILES if hard == resource.RLIM_INFINITY else hard)
    return min(MOST_FLOWS, FLOWS_PER_CALL * ((files - SPARE_FILES) // FILES_PER_CALL))


def rounded(values: Iterable[float]) -> float | None:
    """Return the median, as precise as it means anything; None of nothing."""
    found = [value for value in values if math.isfinite(value)]
    return round(statistics.median(found), 2) if found else None
