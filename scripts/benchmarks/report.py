"""Figures as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REFERENCE = "rtpengine"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned, so that it can go into the documentation as it is."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *rest])} |"

    rule = "|".join("-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths))
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(value: float | None, reference: float | None) -> str:
    return "–" if not value or not reference else f"{value / reference:.2f}"


def relay_table(result: dict[str, Any]) -> str:
    """Return what was found of each road, with its ratio to rtpengine in the same run."""
    roads: dict[str, dict[str, Any]] = result["roads"]
    reference = roads.get(REFERENCE, {})
    rates = list(dict.fromkeys(rate for road in roads.values() for rate in road["steady"]))
    head = [
        "road",
        "packets/s, one core",
        "x",
        *(word for rate in rates for word in (f"us/packet at {int(rate):,}/s", "x")),
        "p50 us",
        "p99 us",
    ]
    rows = []
    for name, road in roads.items():
        most = road.get("packets_per_second")
        row = [
            name + ("*" if road["noisy"] else ""),
            (">= " if road.get("at_generator_limit") else "") + number(most),
            ratio(most, reference.get("packets_per_second")),
        ]
        for rate in rates:
            steady = road["steady"].get(rate, {})
            cost = steady.get("cpu_us_per_packet") if steady.get("held") else None
            base = reference.get("steady", {}).get(rate, {})
            row += [number(cost, 2), ratio(cost, base.get("cpu_us_per_packet") if base.get("held") else None)]
        row += [number(road["latency_p50_us"]), number(road["latency_p99_us"])]
        rows.append(row)
    notes = [
        "x: ratio to rtpengine in this run.",
        "us/packet: all non-idle time of the relay's core; – where packets were lost.",
        "p50, p99: of the delay, at half of the most (with --calls, at those calls).",
    ]
    if any(road["noisy"] for road in roads.values()):
        notes.append("*: others used the machine meanwhile; take it with care.")
    return "\n".join([table(head, rows), *notes])


def control_table(result: dict[str, Any]) -> str:
    """Return rates, delays, cost and weight of calls, karl-trio's with their ratio to rtpengine."""
    daemons: dict[str, dict[str, Any]] = result["daemons"]
    reference = daemons.get(REFERENCE, {})
    head = ["", *(word for name in daemons for word in ((name, "x") if name != REFERENCE else (name,)))]

    def row(title: str, digits: int, *path: str) -> list[str]:
        cells = [title]
        for name, daemon in daemons.items():
            value, base = _find(daemon, path), _find(reference, path)
            cells.append(number(value, digits))
            if name != REFERENCE:
                cells.append(ratio(value, base))
        return cells

    rows = []
    outstanding = next(iter(daemons.values()))["outstanding"] if daemons else {}
    for each in outstanding:
        rows += [
            row(f"cycles/s, {each} outstanding", 0, "outstanding", each, "cycles_per_second"),
            row(f"p50 us of a message, {each} outstanding", 0, "outstanding", each, "latency_p50_us"),
            row(f"p99 us of a message, {each} outstanding", 0, "outstanding", each, "latency_p99_us"),
            row(f"us of CPU a cycle, {each} outstanding", 0, "outstanding", each, "cpu_us_per_cycle"),
        ]
    rows += [
        row("kB for 1000 calls", 0, "memory_kb_per_1000_calls"),
        row("kB without a call", 0, "memory_empty_kb"),
        row("ms to the first pong", 0, "start_ms"),
    ]
    return table(head, rows)


def calls_table(result: dict[str, Any]) -> str:
    """Return what idle calls cost each daemon, and what running out of files looks like."""
    daemons: dict[str, dict[str, Any]] = result["daemons"]
    keys = list(dict.fromkeys(key for daemon in daemons.values() for key in daemon))
    rows = [
        [
            key.replace("_", " "),
            *("–" if (value := daemon.get(key)) is None else f"{value:,}" for daemon in daemons.values()),
        ]
        for key in keys
    ]
    parts = [table([f"{result['calls']:,} idle calls", *daemons], rows)]
    among = result.get("among")
    if among:
        present = list(next(iter(among.values())))
        parts.append(
            table(
                ["us/packet with so many calls present", *(f"{int(calls):,}" for calls in present)],
                [
                    [name, *(number(costs[calls]["cpu_us_per_packet"], 2) for calls in present)]
                    for name, costs in among.items()
                ],
            )
        )
    files = result["open_files"]
    parts.append(
        f"with {files['open_files']} open files: offer {files['offers'] + 1} is answered {files['reply']},"
        f" a ping then {files['ping']}; {files['log_lines']} log lines, the first: "
        + " ".join(files["log"][:1])
    )
    return "\n\n".join(parts)


def steps_table(result: dict[str, Any]) -> str:
    """Return what a packet costs in each arrangement."""
    return table(["a packet is", "us"], [[name, number(cost, 2)] for name, cost in result["steps"].items()])


def _find(tree: dict[str, Any], path: Sequence[str]) -> float | None:
    found: Any = tree
    for key in path:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, int | float) else None
