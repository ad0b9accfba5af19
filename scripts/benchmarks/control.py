"""How many calls a second a daemon sets up and ends, what that costs, and what a call weighs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import phones
from .control_load import Address
from .daemons import Daemon, karl_trio_command, rtpengine_command
from .errors import MeasurementError
from .processor import Patience, process_seconds, resident_bytes
from .progress import say

LOOPBACK = "127.0.0.1"
WARM_UP_CYCLES = 200
WEIGHED_CALLS = 1000
OUTSTANDING_WHILE_WEIGHING = 8

Command = Callable[[Address], Sequence[str]]

DAEMONS: dict[str, Command] = {
    "karl-trio": lambda ng: karl_trio_command(ng, [LOOPBACK]),
    "rtpengine": lambda ng: rtpengine_command(ng, [LOOPBACK]),
}


@dataclass
class Served:
    """What all rounds found of one number of outstanding requests; one entry a round.

    Attributes:
        cycles_per_second: an offer, an answer and a delete each.
        p50_us, p99_us: from a request to its reply.
        cpu_us: processor time of the daemon for one cycle.
    """

    cycles_per_second: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass
class Figures:
    """What all rounds found of one daemon.

    Attributes:
        start_ms: from starting the process to the first pong.
        empty_kb: resident memory before the first call.
        call_kb: growth of it for each established call.
    """

    served: dict[int, Served] = field(default_factory=dict)
    start_ms: list[float] = field(default_factory=list)
    empty_kb: list[float] = field(default_factory=list)
    call_kb: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return medians over the rounds, in the shape of the JSON file."""
        return {
            "start_ms": middle(self.start_ms),
            "memory_empty_kb": middle(self.empty_kb),
            "memory_kb_per_1000_calls": middle([1000 * each for each in self.call_kb]),
            "outstanding": {
                str(outstanding): {
                    "cycles_per_second": middle(served.cycles_per_second),
                    "latency_p50_us": middle(served.p50_us),
                    "latency_p99_us": middle(served.p99_us),
                    "cpu_us_per_cycle": middle(served.cpu_us),
                    "refused": served.refused,
                }
                for outstanding, served in self.served.items()
            },
        }


def measure(
    *,
    outstanding: Sequence[int],
    cycles: int,
    rounds: int,
    patience: Patience,
    cores: tuple[int, int],
    directory: Path,
) -> dict[str, Any]:
    """Measure both daemons by turns, each on the first core, and return the figures of each."""
    figures: dict[str, Figures] = {}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, command in available().items():
            _measure_daemon(
                name,
                command,
                figures.setdefault(name, Figures()),
                outstanding=outstanding,
                cycles=cycles,
                patience=patience,
                core=cores[0],
                directory=directory,
            )
    return {"daemons": {name: found.summary() for name, found in figures.items()}}


def available() -> dict[str, Command]:
    """Return the daemons that are installed, after a word on those that are not."""
    found = {}
    for name, command in DAEMONS.items():
        try:
            command((LOOPBACK, 0))
        except MeasurementError as error:
            say(f"{name}: {error}; going on without it")
        else:
            found[name] = command
    return found


def middle(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _measure_daemon(
    name: str,
    command: Command,
    figures: Figures,
    *,
    outstanding: Sequence[int],
    cycles: int,
    patience: Patience,
    core: int,
    directory: Path,
) -> None:
    started = time.perf_counter()
    daemon = Daemon(name, command, directory, core)
    figures.start_ms.append((time.perf_counter() - started) * 1000)
    try:
        controller = daemon.controller
        empty = resident_bytes(daemon.pid)
        controller.establish(range(WEIGHED_CALLS), outstanding=OUTSTANDING_WHILE_WEIGHING)
        figures.empty_kb.append(empty / 1024)
        figures.call_kb.append((resident_bytes(daemon.pid) - empty) / 1024 / WEIGHED_CALLS)
        controller.end(range(WEIGHED_CALLS), OUTSTANDING_WHILE_WEIGHING)

        controller.run(controller.framed(_cycles("warm", WARM_UP_CYCLES)), OUTSTANDING_WHILE_WEIGHING)
        for number in outstanding:
            patience.wait_until_quiet(core, daemon.pid)
            messages = controller.framed(_cycles(f"{number}", cycles))
            used = process_seconds(daemon.pid)
            outcome = controller.run(messages, number)
            used = process_seconds(daemon.pid) - used
            served = figures.served.setdefault(number, Served())
            served.cycles_per_second.append(cycles / outcome.seconds)
            served.p50_us.append(outcome.percentile_us(0.5))
            served.p99_us.append(outcome.percentile_us(0.99))
            served.cpu_us.append(used / cycles * 1e6)
            served.refused += outcome.refused
            say(
                f"    {name:10} {number:3} outstanding: {served.cycles_per_second[-1]:7,.0f} cycles/s,"
                f" p50 {served.p50_us[-1]:6,.0f} us, p99 {served.p99_us[-1]:7,.0f} us,"
                f" {served.cpu_us[-1]:5,.0f} us of CPU a cycle"
                + (f", {outcome.refused} refused" if outcome.refused else "")
                + (f", {outcome.repeated} repeated" if outcome.repeated else "")
            )
    finally:
        daemon.stop()


def _cycles(name: str, count: int) -> list[list[phones.NgBody]]:
    return [
        [phones.offer(call_id, call), phones.answer(call_id, call), phones.delete(call_id)]
        for call, call_id in ((call, f"{name}-{call}@198.18.1.2") for call in range(count))
    ]
