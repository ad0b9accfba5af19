"""What thousands of calls cost that nobody talks in, and what happens when no more can be opened."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import phones, relay
from .control import LOOPBACK, Command, available
from .control_load import Controller
from .daemons import Daemon, karl_trio_command
from .errors import MeasurementError
from .processor import Patience, process_seconds, resident_bytes
from .progress import say
from .roads import ROADS

OUTSTANDING = 8
IDLE_SECONDS = 8.0
PING_EVERY = 0.002
FEW_CALLS = 100
"""Calls that talk while the cost of a packet is measured, alone and among many silent ones."""
FEW_FILES = 256
ENOUGH_OFFERS = 200
"""Two sockets a stream pair and leg: more than FEW_FILES allow."""


def measure(
    *,
    calls: int,
    rounds: int,
    effort: relay.Effort,
    patience: Patience,
    cores: tuple[int, int],
    directory: Path,
) -> dict[str, Any]:
    """Measure each daemon with `calls` idle calls; see the module's parts for what."""
    result: dict[str, Any] = {"calls": calls, "daemons": {}}
    for name, command in available().items():
        result["daemons"][name] = idle(
            name, command, calls, patience=patience, core=cores[0], directory=directory
        )
        say(f"    {name:10} {result['daemons'][name]}")
    result["open_files"] = out_of_files(cores[0], directory)
    if os.geteuid() == 0:
        result["among"] = among_others(
            calls, rounds=rounds, effort=effort, patience=patience, cores=cores, directory=directory
        )
    else:
        say("the cost of a packet among many calls needs root: left out")
    return result


def idle(
    name: str, command: Command, calls: int, *, patience: Patience, core: int, directory: Path
) -> dict[str, float | int | None]:
    """Start, watch, list and end calls; return what each took.

    Idle processor time and the longest wait for a pong are measured apart, as the pings have their
    price too. The longest wait tells how long media would have to wait for the sweep.
    """
    daemon = Daemon(name, command, directory, core)
    controller = daemon.controller
    try:
        patience.wait_until_quiet(core, daemon.pid)
        empty = resident_bytes(daemon.pid)
        idle_empty = _idle_ms_per_second(daemon)
        started = time.perf_counter()
        controller.establish(range(calls), outstanding=OUTSTANDING)
        start_seconds = time.perf_counter() - started
        full = resident_bytes(daemon.pid)
        patience.wait_until_quiet(core, daemon.pid)
        idle_full = _idle_ms_per_second(daemon)
        pauses = _pongs_ms(controller, IDLE_SECONDS)
        sweep_us = _sweep_us(controller)
        started = time.perf_counter()
        # The whole list does not fit into a datagram; a page of it is what a console waits for.
        listed = controller.request({"command": "list", "limit": 32})
        list_seconds = time.perf_counter() - started
        started = time.perf_counter()
        controller.end(range(calls), OUTSTANDING)
        end_seconds = time.perf_counter() - started
        left = controller.request({"command": "list"})
        return {
            "start_calls_per_second": round(calls / start_seconds),
            "end_calls_per_second": round(calls / end_seconds),
            "memory_kb_per_call": round((full - empty) / 1024 / calls, 1),
            "memory_after_mb": round((resident_bytes(daemon.pid) - empty) / 1e6, 1),
            "idle_cpu_ms_per_second_empty": round(idle_empty, 1),
            "idle_cpu_ms_per_second": round(idle_full, 1),
            "sweep_us": sweep_us,
            "longest_pong_ms": round(pauses[-1], 1),
            "pong_p99_ms": round(pauses[int(len(pauses) * 0.99)], 2),
            "listed": len(listed["calls"]) if listed else None,
            "list_ms": round(list_seconds * 1000, 1),
            "left": len(left["calls"]) if left else None,
        }
    finally:
        daemon.stop()


def out_of_files(core: int, directory: Path) -> dict[str, Any]:
    """Offer calls to karl-trio until it has no file descriptors left; return what it says."""
    daemon = Daemon(
        "karl-trio-few-files",
        lambda ng: karl_trio_command(ng, [LOOPBACK]),
        directory,
        core,
        open_files=FEW_FILES,
    )
    try:
        for call in range(ENOUGH_OFFERS):
            reply = daemon.controller.request(phones.offer(f"files-{call}", call))
            if reply is None or reply.get("result") != "ok":
                break
        else:
            raise MeasurementError(f"{ENOUGH_OFFERS} offers fit into {FEW_FILES} open files")
        pong = daemon.controller.request({"command": "ping"})
        log = daemon.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return {
            "open_files": FEW_FILES,
            "offers": call,
            "reply": {key: str(value) for key, value in reply.items()} if reply else None,
            "ping": pong.get("result") if pong else None,
            "log_lines": len(log),
            "log": log[:2],
        }
    finally:
        daemon.stop()


def among_others(
    calls: int,
    *,
    rounds: int,
    effort: relay.Effort,
    patience: Patience,
    cores: tuple[int, int],
    directory: Path,
) -> dict[str, dict[str, Any]]:
    """Return each daemon's cost of a packet with few calls, and with the same few among many."""
    found: dict[str, dict[int, list[relay.Run]]] = {}
    with relay.bench(cores, directory, patience) as (testbed, rig):
        roads = relay.roads_of(
            [name for name in ("userspace", "rtpengine") if name in ROADS], testbed, directory
        )
        for _ in range(rounds):
            for road in roads:
                road.start()
                try:
                    for present in (FEW_CALLS, calls):
                        road.prepare(present)
                        run = rig.run(road, FEW_CALLS * relay.FLOWS_PER_CALL, effort.steady)
                        say(f"    {road.name:10} {present:5} calls {run}")
                        found.setdefault(road.name, {}).setdefault(present, []).append(run)
                finally:
                    road.stop()
    return {
        name: {
            str(present): {
                "cpu_us_per_packet": relay.rounded(run.cpu_us_per_packet for run in runs),
                "latency_p50_us": relay.rounded(run.latency_p50_us for run in runs),
                "latency_p99_us": relay.rounded(run.latency_p99_us for run in runs),
            }
            for present, runs in by_calls.items()
        }
        for name, by_calls in found.items()
    }


def _idle_ms_per_second(daemon: Daemon) -> float:
    used, started = process_seconds(daemon.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (process_seconds(daemon.pid) - used) / (time.monotonic() - started) * 1000


def _pongs_ms(controller: Controller, seconds: float) -> Sequence[float]:
    """Return how long each pong took, in ascending order."""
    waits, deadline = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < deadline:
        if controller.request({"command": "ping"}) is None:
            raise MeasurementError("a ping was not answered")
        waits.append((time.perf_counter() - started) * 1000)
        time.sleep(PING_EVERY)
    return sorted(waits)


def _sweep_us(controller: Controller) -> int | None:
    """Return how long the reaper's last sweep took, if the daemon tells (rtpengine does not)."""
    reply = controller.request({"command": "statistics"})
    current = reply.get("currentstatistics") if reply else None
    return current.get("sweep_us") if isinstance(current, dict) else None
