"""A Trio loop that synchronous code drives: the state machines of Hypothesis know nothing of async."""

from __future__ import annotations

import functools
import math
import queue

import outcome
import trio
from trio.testing import MockClock


class Loop:
    """A Trio run as a guest of the code that calls it (`trio.lowlevel.start_guest_run`).

    Time stands still unless the `clock` is moved on, and nothing happens but while `run` waits.
    """

    def __init__(self):
        self.clock = MockClock()
        self.nursery = None
        self._ticks = queue.SimpleQueue()
        self._answers = []
        self._end = None
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._ticks.put,
            done_callback=self._ended,
            clock=self.clock,
            host_uses_signal_set_wakeup_fd=True,
        )
        while self.nursery is None:
            self._ticks.get()()

    def run(self, job, *args):
        """Run an async function in the loop to its end, and return what it returns."""
        self._token.run_sync_soon(self._jobs.send_nowait, functools.partial(job, *args))
        while not self._answers:
            self._ticks.get()()
        return self._answers.pop().unwrap()

    def close(self):
        """Cancel everything that still runs."""
        self._token.run_sync_soon(self._jobs.close)
        while self._end is None:
            self._ticks.get()()
        self._end.unwrap()

    async def _main(self):
        self._jobs, jobs = trio.open_memory_channel(math.inf)
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self.nursery:
            async for job in jobs:
                self._answers.append(await outcome.acapture(job))
            self.nursery.cancel_scope.cancel()

    def _ended(self, end):
        self._end = end
