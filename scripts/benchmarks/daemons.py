"""The daemons that are compared, each started the same way and stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .control_load import Address, Controller
from .errors import MeasurementError
from .namespaces import Namespace
from .processor import pinned

PORT_MIN, PORT_MAX = 10000, 59999
SILENCE_ALLOWED = 86400
"""Seconds that a call may be silent; the measured calls are, while others are measured."""
OPEN_FILES = 100_000
START_PATIENCE = 15.0
STOP_PATIENCE = 10.0


class Daemon:
    """A running media proxy.

    Attributes:
        pid: its process.
        address: where it takes NG requests.
        controller: an NG client connected to it.
        log: the file that it logs to.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[Address], Sequence[str]],
        directory: Path,
        core: int,
        *,
        namespace: Namespace | None = None,
        open_files: int = OPEN_FILES,
    ) -> None:
        self.address = free_address()
        words = command(self.address)
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                namespace.command(*words) if namespace else words,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if not name.startswith("KARL_TRIO_")},
                preexec_fn=pinned(core, open_files),
            )
        self.pid = self._process.pid
        self.controller = Controller(self.address, namespace)
        try:
            self.controller.wait_until_ready(START_PATIENCE)
        except MeasurementError as error:
            self.stop()
            last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise MeasurementError(f"{name}: {error}; its last words: {' '.join(last) or 'none'}") from None

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> int:
        """End the process and return its exit status."""
        self.controller.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def free_address() -> Address:
    """Return a loopback address for NG that nobody uses, whatever else runs on the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return ("127.0.0.1", probe.getsockname()[1])


def karl_trio_command(ng: Address, interfaces: Sequence[str], *options: str) -> list[str]:
    """Return the command that serves with this interpreter and the benchmarks' settings."""
    return [
        *(sys.executable, "-m", "karl_trio", "serve", "--config", os.devnull, "--log-level", "warning"),
        *("--listen-ng", f"{ng[0]}:{ng[1]}"),
        *("--port-min", str(PORT_MIN), "--port-max", str(PORT_MAX)),
        *("--timeout", str(SILENCE_ALLOWED), "--silent-timeout", str(SILENCE_ALLOWED)),
        *(word for interface in interfaces for word in ("--interface", interface)),
        *options,
    ]


def rtpengine_command(ng: Address, interfaces: Sequence[str], *, threads: int = 1) -> list[str]:
    """Return the command for rtpengine in user space; MeasurementError if it is not installed."""
    program = shutil.which("rtpengine")
    if program is None:
        raise MeasurementError("rtpengine is not installed (Debian: rtpengine-daemon)")
    return [
        *(program, "--config-file=none", "--foreground", "--log-stderr", "--log-level=4", "--table=-1"),
        *(f"--num-threads={threads}", f"--listen-ng={ng[0]}:{ng[1]}"),
        *(f"--port-min={PORT_MIN}", f"--port-max={PORT_MAX}", "--delete-delay=0"),
        *(f"--timeout={SILENCE_ALLOWED}", f"--silent-timeout={SILENCE_ALLOWED}"),
        *(f"--interface={interface}" for interface in interfaces),
    ]
