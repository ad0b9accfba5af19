"""Why we close connections; every reason has a name and is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum

import trio


class Reason(StrEnum):
    """Why a connection was closed by us; the value is its key in the `statistics` reply."""

    TOO_MANY = "toomany"
    """Its listener has as many connections as it may have."""
    IDLE = "idle"
    """Nothing was asked for a long time, or nobody is left at the other end."""
    SLOW_REQUEST = "slowrequest"
    """A request, or what comes before the first one, was not whole after a while."""
    SLOW_READER = "slowreader"
    """Replies were not read."""
    MALFORMED = "malformed"
    """What came was no request, and where the next one begins cannot be known."""
    TOO_LONG = "toolong"
    """A request was longer than any may be."""
    TLS = "tls"
    """No TLS could be agreed on."""
    UNANSWERED = "unanswered"
    """A request was not answered in the time that a client waits."""


class HangUp(Exception):
    """Ends a connection for one of the reasons."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def hang_up_at(deadline: float, reason: Reason) -> Iterator[None]:
    """End the connection if the block is not done at a time of Trio's clock.

    Raises:
        HangUp: it was not.
    """
    with trio.move_on_at(deadline) as scope:
        yield
    if scope.cancelled_caught:
        raise HangUp(reason)


def hang_up_after(seconds: float, reason: Reason) -> AbstractContextManager[None]:
    """End the connection if the block takes longer than that."""
    return hang_up_at(trio.current_time() + seconds, reason)
