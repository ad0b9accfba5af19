"""What the daemon asks of the process that it runs in."""

from __future__ import annotations

import gc
import logging
import resource
from collections.abc import Sized
from pathlib import Path

import trio

from karl_trio.media.interfaces import Interfaces

log = logging.getLogger(__name__)

NEVER = 1_000_000_000
"""Collections of the middle generation before a full one."""

COLLECT_EVERY = 60.0
"""Seconds between two looks at whether a full collection would disturb anybody."""

QUIET_CALLS = 20
"""Calls up to which a full collection takes no longer than a millisecond or two."""

PORTS_PER_CALL = 4
"""RTP and RTCP towards each of two legs, one media each."""

SOCKETS_PER_CALL = 6
"""One for each port, and one more for RTP from each leg that is heard."""

SPARE_FILES = 64
"""Open files kept for everything but media: listeners, log, epoll, control connections."""


def raise_open_file_limit() -> int:
    """Allow as many open files as the administrator lets us, and return how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # some containers allow less than they say
            log.warning("the open-file limit stays at %d: %s", soft, error)
            return soft
    return hard


def log_capacity(open_files: int, interfaces: Interfaces) -> None:
    """Say how many calls there is room for, and what it is that sets the limit."""
    by_files = max(0, open_files - _open_now() - SPARE_FILES) // SOCKETS_PER_CALL
    by_ports = sum(pool.size for pool in interfaces.pools) // PORTS_PER_CALL
    log.info(
        "room for about %d calls with one media: %d by the open-file limit of %d, %d by the media ports",
        min(by_files, by_ports),
        by_files,
        open_files,
        by_ports,
    )


def _open_now() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settle_memory() -> None:
    """Keep the garbage collector from everything that lives as long as the process, and from
    looking at all of the rest of its own accord.

    A full collection walks every object there is, and media waits meanwhile: 225 ms were measured with 3,000
    calls. Calls that end leave nothing for it; `collect_when_quiet` finds what other cycles there may be.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


async def collect_when_quiet(calls: Sized) -> None:
    """Collect garbage whenever there are few calls, for ever."""
    while True:
        await trio.sleep(COLLECT_EVERY)
        if len(calls) <= QUIET_CALLS:
            gc.collect()
