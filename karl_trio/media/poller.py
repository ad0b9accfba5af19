"""One epoll for every userspace media socket, drained by one task.

Theory of operation. A wake-up through Trio costs several times as much as a packet, and a task for
each socket one wake-up a packet. So all media sockets sit in one epoll, whose own file descriptor is
the only thing that Trio waits for; when it is readable, the ready sockets are read in a plain loop
that has no checkpoint. The loop is level-triggered and reads one datagram for each event: a second
`recvfrom` just to learn that the queue is empty would cost more than the next round of `poll`.

A wake-up for a packet or two is a waste. When there were only few, the next ones are given a moment to
gather; a lone packet is still relayed at once, since the waiting comes after it.

Each socket belongs to a task that stays in `serve` as long as it wants packets. A receiver that
raises is a fault of one call: its socket leaves the epoll and the exception is raised in the task
that served it, so it ends that call and no other.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import NoReturn

import outcome
import trio
from attrs import define, field

Receiver = Callable[[float], None]
"""Reads one datagram from its socket and deals with it; gets the time, in seconds on Trio's clock."""

MAX_EVENTS = 128
"""Sockets read between two looks at the clock: at about 6 µs each, well under a millisecond."""

FEW_DATAGRAMS = 32
"""Datagrams below which a wake-up did not pay: it costs about as much as five of them."""

GATHERING = 0.0005
"""Seconds that datagrams are given to gather then. epoll counts in whole milliseconds, so it becomes one
(twice this would become two): with a call or two no packet waits, with many, half a millisecond."""

MOST_IN_A_TURN = 512
"""Datagrams read before other tasks get a turn: media may hold up the control plane for some 3 ms at most."""


@define(eq=False)
class Poller:
    """The media poller; `run` is its task, `serve` is called by the relay tasks."""

    _epoll: select.epoll = field(factory=select.epoll, init=False)
    _receivers: dict[int, Receiver] = field(factory=dict, init=False)
    _tasks: dict[int, trio.lowlevel.Task] = field(factory=dict, init=False)
    # A second socket that a task reads, by the first, and the other way round.
    _seconds: dict[int, int] = field(factory=dict, init=False)
    _firsts: dict[int, int] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """Return how many sockets are being read."""
        return len(self._receivers)

    async def serve(self, fd: int, receive: Receiver) -> NoReturn:
        """Call `receive` whenever the socket `fd` is readable, until cancelled.

        Raises:
            Exception: whatever `receive` raised; the socket is no longer read then.
        """
        if self._epoll.closed:
            # The daemon is stopping, and this call, begun at the last moment, is being cancelled too.
            await trio.sleep_forever()
        self._receivers[fd] = receive
        self._tasks[fd] = trio.lowlevel.current_task()
        self._epoll.register(fd, select.EPOLLIN)

        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            # Forget at once: a packet read before the task runs again must not wake it twice.
            self._forget(fd)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        raise AssertionError("a served socket was woken without an error")

    def attach(self, fd: int, receive: Receiver, *, beside: int) -> None:
        """Read a second socket on behalf of the task that serves the socket `beside`, which may have one."""
        assert beside in self._tasks
        assert beside not in self._seconds
        self._seconds[beside], self._firsts[fd] = fd, beside
        self._receivers[fd] = receive
        self._epoll.register(fd, select.EPOLLIN)

    def detach(self, fd: int) -> None:
        """Read a second socket no more; harmless if it is not being read."""
        first = self._firsts.pop(fd, None)
        if first is not None:
            del self._seconds[first]
            self._leave_unread(fd)

    async def run(self) -> None:
        """Read the sockets for ever."""
        wait_readable = trio.lowlevel.wait_readable
        descriptor = self._epoll.fileno()
        try:
            while True:
                await wait_readable(descriptor)
                if self.drain() < FEW_DATAGRAMS:
                    await trio.sleep(GATHERING)
        finally:
            trio.lowlevel.notify_closing(descriptor)
            self._epoll.close()

    def drain(self) -> int:
        """Read what is waiting now, within the bounds of a turn; return how many datagrams that were."""
        poll = self._epoll.poll
        receivers = self._receivers
        read = 0
        while read < MOST_IN_A_TURN:
            now = trio.current_time()
            events = poll(0, MAX_EVENTS)
            if not events:
                break
            read += len(events)
            for fd, _ in events:
                # A receiver earlier in this round may have had this socket taken out.
                try:
                    receive = receivers[fd]
                except KeyError:
                    continue
                try:
                    receive(now)
                except Exception as error:  # noqa: BLE001 - handed to the call that it belongs to
                    self._fail(fd, error)
        return read

    def _fail(self, fd: int, error: Exception) -> None:
        first = self._firsts.get(fd, fd)
        task = self._tasks[first]
        self._forget(first)
        trio.lowlevel.reschedule(task, outcome.Error(error))

    def _forget(self, fd: int) -> None:
        """Read neither the socket that a task serves nor its second one any more."""
        if self._tasks.pop(fd, None) is not None:
            self._leave_unread(fd)
            if fd in self._seconds:
                self.detach(self._seconds[fd])

    def _leave_unread(self, fd: int) -> None:
        del self._receivers[fd]
        if not self._epoll.closed:
            self._epoll.unregister(fd)
