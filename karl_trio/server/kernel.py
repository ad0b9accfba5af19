"""Whether the kernel forwards media, as the settings ask."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from karl_trio.config import Settings
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.kernel.road import KernelRoad, Unavailable

log = logging.getLogger(__name__)

__all__ = ["Unavailable", "kernel_road", "try_kernel_road"]


@contextmanager
def kernel_road(settings: Settings, interfaces: Interfaces) -> Iterator[KernelRoad | None]:
    """Open the kernel's road if it is wanted; None if media has to stay in userspace.

    Raises:
        Unavailable: it is required, and there is none.
    """
    if settings.kernel_forwarding == "off":
        yield None
        return
    try:
        # A flow for every port: there is one believed source to each, so there can be no more of them.
        capacity = sum(pool.size for pool in interfaces.pools)
        road = KernelRoad.open({interface.address for interface in interfaces}, capacity)
    except Unavailable as error:
        if settings.kernel_forwarding == "require":
            raise
        log.info("media is forwarded in userspace: %s", error)
        yield None
        return
    try:
        log.info("media of settled calls is forwarded by the kernel")
        yield road
    finally:
        road.close()


def try_kernel_road() -> None:
    """Find out whether the kernel would forward, and leave nothing of it behind.

    Raises:
        Unavailable: it would not.
    """
    KernelRoad.open((), 1).close()
