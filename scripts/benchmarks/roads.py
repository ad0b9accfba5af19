"""The ways a packet can take from one phone to the other, ready to be measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from . import phones
from .control_load import Address
from .daemons import Daemon, karl_trio_command, rtpengine_command
from .errors import MeasurementError
from .generator import Generator
from .namespaces import LEGS, Testbed

INTERFACES = [f"{leg.name}/{leg.relay_address}" for leg in LEGS]
DIRECTION = [leg.name for leg in LEGS]

FLOWS_PER_CALL = 2

GENTLE_FLOWS = 400
GENTLE_SECONDS = 0.1
"""Of 20,000 packets/s, which userspace relays without a loss: five packets of each flow."""

SETTLING_SECONDS = 2.2
SETTLING_ROUNDS = 5
"""Streams are promoted once a second, or after a rest."""


class Road:
    """One way, with as many calls set up as the load needs.

    Attributes:
        name: as on the command line.
        table: the file from which the generator sends.
        calls: how many calls are set up.
    """

    name: ClassVar[str]

    def __init__(self, testbed: Testbed, directory: Path) -> None:
        self.testbed = testbed
        self.directory = directory
        self.table = directory / f"{self.name}.flows"
        self.calls = 0

    @property
    def pid(self) -> int | None:
        """The process that relays, if it is one."""
        return None

    def start(self) -> None:
        """Start it, without calls."""
        self.calls = 0
        self.table.write_bytes(b"")

    def stop(self) -> None:
        """Stop it; harmless when it does not run."""

    def restart(self) -> None:
        calls = self.calls
        self.stop()
        self.start()
        self.prepare(calls)

    def prepare(self, calls: int) -> None:
        """See to it that at least so many calls are set up."""
        if calls > phones.MAX_CALLS:
            raise MeasurementError(f"{calls} calls are more than the phones have ports for")
        if calls > self.calls:
            flows = self._set_up(range(self.calls, calls))
            with self.table.open("ab") as table:
                table.write(phones.flow_table(flows))
            self.calls = calls

    def settle(self, generator: Generator) -> None:
        """See to it that all calls go the way that is to be measured."""

    def _set_up(self, calls: range) -> Sequence[phones.Flow]:
        raise NotImplementedError


class DaemonRoad(Road):
    """Through a media proxy that is told of the calls over NG."""

    _daemon: Daemon | None = None

    @property
    def pid(self) -> int | None:
        return self._daemon.pid if self._daemon else None

    def start(self) -> None:
        super().start()
        self._daemon = Daemon(
            self.name,
            self._command,
            self.directory,
            self.testbed.relay_core,
            namespace=self.testbed.relay,
        )

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def _command(self, ng: Address) -> Sequence[str]:
        raise NotImplementedError

    def _set_up(self, calls: range) -> Sequence[phones.Flow]:
        assert self._daemon is not None, "the daemon is not running"
        ports = self._daemon.controller.establish(calls, DIRECTION)
        return [
            phones.Flow(2 * call + number, leg.relay_address, pair[number])
            for call, pair in zip(calls, ports, strict=True)
            for number, leg in enumerate(LEGS)
        ]


class Userspace(DaemonRoad):
    """karl-trio's own packet loop."""

    name = "userspace"

    def _command(self, ng: Address) -> Sequence[str]:
        return karl_trio_command(ng, INTERFACES, "--kernel-forwarding", "off")


class Kernel(DaemonRoad):
    """karl-trio's eBPF program."""

    name = "kernel"

    def _command(self, ng: Address) -> Sequence[str]:
        return karl_trio_command(ng, INTERFACES, "--kernel-forwarding", "require")

    def settle(self, generator: Generator) -> None:
        """Let every call be heard, a few at a time so that userspace can follow, until all are promoted."""
        for _ in range(SETTLING_ROUNDS):
            records = self.table.read_bytes()
            for first in range(0, len(records), GENTLE_FLOWS * phones.RECORD):
                part = records[first : first + GENTLE_FLOWS * phones.RECORD]
                some = self.directory / "some.flows"
                some.write_bytes(part)
                generator.run(some, len(part) // phones.RECORD, GENTLE_SECONDS)
            time.sleep(SETTLING_SECONDS)
            if self._promoted() == FLOWS_PER_CALL * self.calls:
                return
        raise MeasurementError(f"only {self._promoted()} of {FLOWS_PER_CALL * self.calls} flows are promoted")

    def _promoted(self) -> int:
        assert self._daemon is not None, "the daemon is not running"
        reply = self._daemon.controller.request({"command": "statistics"}) or {}
        return int(reply["currentstatistics"]["media_kernel"]) if reply else 0


class Rtpengine(DaemonRoad):
    """rtpengine without its kernel module, one worker thread on the one core it has."""

    name = "rtpengine"

    def __init__(self, testbed: Testbed, directory: Path) -> None:
        rtpengine_command(("", 0), INTERFACES)  # says so now if it is not installed
        super().__init__(testbed, directory)

    def _command(self, ng: Address) -> Sequence[str]:
        return rtpengine_command(ng, INTERFACES)


class Forwarding(Road):
    """The kernel's plain IPv4 forwarding without any rewriting: the floor below every relay."""

    name = "forwarding"

    def start(self) -> None:
        super().start()
        self.testbed.forward(enabled=True)

    def stop(self) -> None:
        self.testbed.forward(enabled=False)

    def _set_up(self, calls: range) -> Sequence[phones.Flow]:
        return [
            phones.Flow(2 * call + number, LEGS[1 - number].phone_address, phones.port_of(call))
            for call in calls
            for number in range(len(LEGS))
        ]


ROADS: dict[str, Callable[[Testbed, Path], Road]] = {
    road.name: road for road in (Userspace, Kernel, Rtpengine, Forwarding)
}
