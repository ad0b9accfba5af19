"""Replies on their way to a client that may read slowly, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field
from trio.lowlevel import ParkingLot

from .counters import ControlCounters
from .hangup import HangUp, Reason

SEND_WITHIN = 10.0
"""Seconds in which a client has to take what is sent to it at a time; it takes a round trip if it reads at
all."""

FULL = 64 * 1024
"""Octets waiting above which no more of a client's requests are read: what a busy proxy asks in a second."""

MAX_WAITING = 1024 * 1024
"""Octets that may wait for one client. Only requests that are being worked on can bring more than `FULL` of
them, so this is a client that asks for much and reads nothing. A single reply may be longer."""

DRAIN_WITHIN = 30.0
"""Seconds that a client which will ask no more is waited for, until its last requests are answered."""


@define(eq=False)
class Outbox:
    """What waits to be sent to one client.

    Attributes:
        unanswered: requests of this client whose reply has not come yet.
    """

    _stream: trio.abc.SendStream
    _counters: ControlCounters
    unanswered: int = field(default=0, init=False)
    _waiting: list[bytes] = field(factory=list, init=False)
    _octets: int = field(default=0, init=False)
    _is_closed: bool = field(default=False, init=False)
    _sending: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _changed: ParkingLot = field(factory=ParkingLot, init=False, repr=False)

    def reply(self, octets: bytes) -> None:
        """Send a reply when those before it are sent: a `Replier`."""
        self.unanswered -= 1
        self.send(octets)

    def send(self, octets: bytes) -> None:
        """Send something when what is before it is sent; never raises and never waits."""
        if self._is_closed:
            self._counters.unsent += 1
            return
        if self._waiting and self._octets + len(octets) > MAX_WAITING:
            self._is_closed = True
            self._sending.cancel()
        self._waiting.append(octets)
        self._octets += len(octets)
        self._changed.unpark_all()

    async def room(self) -> None:
        """Let other tasks have their turn, and wait until the client has read enough to be asked for more."""
        await trio.lowlevel.checkpoint()
        while self._octets > FULL:
            await self._changed.park()

    async def drain(self) -> None:
        """Wait until all requests are answered and all is sent, but not for ever."""
        with trio.move_on_after(DRAIN_WITHIN):
            while self.unanswered > 0 or self._octets:
                await self._changed.park()

    async def run(self) -> None:
        """Send what there is to send, for ever.

        Raises:
            HangUp: the client does not read.
        """
        try:
            while True:
                while not self._waiting:
                    await self._changed.park()
                batch = b"".join(self._waiting)
                self._waiting.clear()
                with trio.move_on_after(SEND_WITHIN) as self._sending:
                    await self._stream.send_all(batch)
                if self._sending.cancelled_caught or self._is_closed:
                    raise HangUp(Reason.SLOW_READER)
                self._octets -= len(batch)
                self._changed.unpark_all()
        finally:
            self._is_closed = True


@asynccontextmanager
async def outbox(stream: trio.abc.SendStream, counters: ControlCounters) -> AsyncIterator[Outbox]:
    """Have replies sent while the block is in progress, and for a little after it."""
    async with trio.open_nursery() as nursery:
        box = Outbox(stream, counters)
        nursery.start_soon(box.run)
        yield box
        await box.drain()
        nursery.cancel_scope.cancel()
