"""Telling systemd how the daemon is: ready, reloading, stopping, and alive (sd_notify(3)).

The protocol is one datagram of VAR=VALUE lines. Without a service manager all of it does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from attrs import frozen
from trio_util import periodic

log = logging.getLogger(__name__)

PINGS_PER_WATCHDOG = 2
"""How often to ping within the time after which systemd kills us; sd_watchdog_enabled(3) advises half."""


@frozen
class Notifier:
    """The service manager that started us, if one did.

    Attributes:
        address: the Unix socket that it reads, `@` first for an abstract one; empty for no manager.
        watchdog_after: seconds without a sign of life after which it kills us; 0 is never.
    """

    address: str = ""
    watchdog_after: float = 0.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Find the manager as sd_notify(3) and sd_watchdog_enabled(3) say."""
        microseconds = environ.get("WATCHDOG_USEC", "")
        # WATCHDOG_PID is for whoever it names: we may have been started by the one it watches.
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_after = int(microseconds) / 1e6 if microseconds.isdecimal() and is_ours else 0.0
        return cls(environ.get("NOTIFY_SOCKET", ""), watchdog_after)

    def ready(self, status: str = "") -> None:
        """Say that the daemon serves, after its start and again after each reload."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` says that this is over."""
        # Type=notify-reload matches the time with that of the signal it sent.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is on its way down."""
        self._tell("STOPPING=1")

    def status(self, line: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._tell(_status(line))

    async def watchdog(self) -> None:
        """Give signs of life for as long as Trio runs tasks; return at once when nobody waits for any."""
        if not self.address or not self.watchdog_after:
            return
        async for _ in periodic(self.watchdog_after / PINGS_PER_WATCHDOG):
            self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        path = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            # Not to block is all that matters here: a manager that does not read may miss a line.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.setblocking(False)
                manager.sendto("\n".join(filter(None, lines)).encode(errors="backslashreplace"), path)
        except OSError as error:
            log.warning("the service manager was not told %s: %s", lines[0], error)


def _status(line: str) -> str:
    return f"STATUS={' '.join(line.split())}" if line else ""
