"""Where packets go."""

from __future__ import annotations

from typing import Protocol

Datagram = memoryview | bytes


class Sink(Protocol):
    """Where packets go: the stream toward another leg, or something that stands before it."""

    def send(self, datagram: Datagram) -> None:
        """Take a datagram, which is only lent: it is overwritten when the next one comes in."""
