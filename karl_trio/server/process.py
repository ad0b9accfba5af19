"""What the daemon asks of the process that it runs in."""

from __future__ import annotations

import gc
import logging
import resource
from pathlib import Path

from karl_trio.media.interfaces import Interfaces

log = logging.getLogger(__name__)

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
    """Take everything that lives as long as the process out of the garbage collector's sight.

    A full collection walks every object there is, and media waits meanwhile; modules, classes and settings
    are most of the objects of a daemon with few calls, and never garbage.
    """
    gc.collect()
    gc.freeze()
