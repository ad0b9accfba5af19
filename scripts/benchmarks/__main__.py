"""The command line of scripts/bench."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import calls, control, relay, report, steps
from .errors import MeasurementError
from .phones import PACKETS_PER_SECOND
from .processor import Patience, choose_cores
from .roads import ROADS

EXIT_CANNOT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    # An end by signal takes the namespaces and the daemons along, as every other end does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    try:
        cores = choose_cores()
        os.sched_setaffinity(0, {cores[1]})
        with tempfile.TemporaryDirectory(prefix="karl-bench-") as directory:
            result = options.measure(options, cores, Path(directory))
    except MeasurementError as error:
        print(f"scripts/bench {options.bench}: {error}", file=sys.stderr)
        return EXIT_CANNOT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if options.json:
        told = {"command": ["scripts/bench", *(arguments or sys.argv[1:])], "host": host()} | result
        Path(options.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="scripts/bench", description="Measure karl-trio beside rtpengine.")
    benches = top.add_subparsers(dest="bench", required=True, metavar="relay|control|calls|steps")

    packets = benches.add_parser(
        "relay", help="packets a second on one core, cost and delay of each (needs root)"
    )
    packets.set_defaults(measure=_relay)
    packets.add_argument(
        "--roads",
        type=_roads,
        default=["userspace", "rtpengine"],
        metavar="NAME,...",
        help=f"of {', '.join(ROADS)}; default: userspace,rtpengine",
    )
    packets.add_argument(
        "--rates",
        type=_numbers,
        metavar="N,...",
        help="packets a second at which the cost of a packet is told; default 20000,50000,100000",
    )
    packets.add_argument(
        "--calls",
        type=_positive,
        metavar="N",
        help="only tell what N calls cost (each two flows), do not look for the most",
    )
    packets.add_argument(
        "--packets-per-second",
        type=_positive,
        default=PACKETS_PER_SECOND,
        metavar="N",
        help="of each flow; more where the open-file limit allows too few calls; default 50, as of 20 ms",
    )

    cycles = benches.add_parser(
        "control", help="calls set up and ended a second, cost of each, memory of a call"
    )
    cycles.set_defaults(measure=_control)
    cycles.add_argument(
        "--outstanding",
        type=_numbers,
        default=[1, 8, 32],
        metavar="N,...",
        help="requests waiting for their reply at any time; default 1,8,32",
    )
    cycles.add_argument(
        "--cycles", type=_positive, metavar="N", help="offers, answers and deletes a run; default 1500"
    )

    many = benches.add_parser(
        "calls", help="memory, sweep and packets with thousands of idle calls; the open-file limit"
    )
    many.set_defaults(measure=_calls)
    many.add_argument("--calls", type=_positive, default=4000, metavar="N", help="how many; default 4000")

    parts = benches.add_parser("steps", help="what each step of the userspace road costs, without any peer")
    parts.set_defaults(measure=_steps)
    parts.add_argument("--batches", type=_positive, default=2000, metavar="N", help="how many; default 2000")
    parts.add_argument("--json", metavar="FILE", help="write the figures to this file as well")

    for bench in (packets, cycles, many):
        bench.add_argument(
            "--rounds",
            type=_positive,
            metavar="N",
            help="how often all is repeated, by turns; default 3, with --quick 1",
        )
        bench.add_argument("--quick", action="store_true", help="coarse figures in a minute or two")
        bench.add_argument("--json", metavar="FILE", help="write the figures to this file as well")
        bench.add_argument(
            "--patience",
            type=float,
            default=120.0,
            metavar="SECONDS",
            help="how long, in all, to wait for the rest of the machine to be quiet; default 120",
        )
    return top


def host() -> dict[str, Any]:
    """Return what the figures depend on most, besides what is measured."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "",
    )
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()


def _relay(options: argparse.Namespace, cores: tuple[int, int], directory: Path) -> dict[str, Any]:
    result = relay.measure(
        options.roads,
        rates=options.rates or ([20_000, 50_000] if options.quick else [20_000, 50_000, 100_000]),
        calls=options.calls,
        packets_per_second=options.packets_per_second,
        rounds=options.rounds or (1 if options.quick else 3),
        effort=relay.QUICK if options.quick else relay.THOROUGH,
        patience=Patience(options.patience),
        cores=cores,
        directory=directory,
    )
    print(report.relay_table(result))
    return result


def _control(options: argparse.Namespace, cores: tuple[int, int], directory: Path) -> dict[str, Any]:
    result = control.measure(
        outstanding=options.outstanding,
        cycles=options.cycles or (500 if options.quick else 1500),
        rounds=options.rounds or (1 if options.quick else 3),
        patience=Patience(options.patience),
        cores=cores,
        directory=directory,
    )
    print(report.control_table(result))
    return result


def _calls(options: argparse.Namespace, cores: tuple[int, int], directory: Path) -> dict[str, Any]:
    result = calls.measure(
        calls=options.calls,
        rounds=options.rounds or (1 if options.quick else 3),
        effort=relay.QUICK if options.quick else relay.THOROUGH,
        patience=Patience(options.patience),
        cores=cores,
        directory=directory,
    )
    print(report.calls_table(result))
    return result


def _steps(options: argparse.Namespace, *_: object) -> dict[str, Any]:
    result = steps.measure(options.batches)
    print(report.steps_table(result))
    return result


def _roads(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in ROADS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no such road: {', '.join(unknown) or text!r}")
    return list(dict.fromkeys(names))


def _numbers(text: str) -> list[int]:
    return [_positive(number) for number in text.split(",")]


def _positive(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"not a positive number: {text!r}")


if __name__ == "__main__":
    sys.exit(main())
