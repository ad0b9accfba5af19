"""Sending the phones' packets: a C program where a compiler is there, else the same in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import MeasurementError
from .namespaces import LEGS, Namespace
from .processor import pinned

SOURCE = Path(__file__).with_name("generator.c")
COMPILERS = ("cc", "gcc", "clang")

BURST_US = 100
"""How often due packets are released: a network card's interrupt moderation.

Sent one by one, each packet would be an interrupt of its own to the relay's core, which on virtual
machines costs more than relaying it.
"""

LATE_SHARE = 1.02
"""A run that took this much longer than it should was held up by the generator, not by the relay."""


@dataclass(frozen=True)
class Sent:
    """What the generator says of a run.

    Attributes:
        packets: how many it offered to the wire. What the wire refused counts as well: the receive
            queue of the relay's core was full.
        seconds: how long the run took.
        kept_pace: whether the load was really the one asked for.
    """

    packets: int
    seconds: float
    kept_pace: bool


class Generator:
    """The program, ready to run in the phones' namespace on a core of its own.

    Attributes:
        packets_per_second: of each flow.
    """

    def __init__(self, phones: Namespace, core: int, directory: Path, packets_per_second: int) -> None:
        self.packets_per_second = packets_per_second
        self._phones = phones
        self._core = core
        self._sequence = 0
        self._command, self.language = _build(directory)

    def run(self, table: Path, flows: int, seconds: float) -> Sent:
        """Send every one of the first flows of a table its packets, for some seconds."""
        rate = flows * self.packets_per_second
        arguments = [
            table,
            flows,
            rate,
            seconds,
            self._sequence,
            BURST_US,
            *(leg.phone_interface for leg in LEGS),
        ]
        # The next run goes on where this one ends: to the relay it is one stream with a pause.
        self._sequence = (self._sequence + round(seconds * self.packets_per_second)) & 0xFFFF
        result = subprocess.run(
            self._phones.command(*self._command, *map(str, arguments)),
            preexec_fn=pinned(self._core),
            check=False,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise MeasurementError(f"the generator failed: {result.stderr.strip()}")
        said = json.loads(result.stdout)
        return Sent(said["sent"] + said["refused"], said["seconds"], said["seconds"] <= seconds * LATE_SHARE)


def _build(directory: Path) -> tuple[list[str], str]:
    """Return the generator's command and the language that it is written in."""
    program = directory / "generator"
    for compiler in filter(shutil.which, COMPILERS):
        command = [compiler, "-O2", "-o", str(program), str(SOURCE)]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return [str(program)], "C"
    return [sys.executable, str(Path(__file__).with_name("slow_generator.py"))], "Python"
