"""What a request can end in, other than its reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ClientError(Exception):
    """A request that brought no result; the parent of what `NgClient` raises."""


class RequestFailed(ClientError):
    """A node answered, with an error.

    Attributes:
        reason: the `error-reason`, or the `message` of a `load limit`, as the node wrote it.
        reply: the whole reply; an error can carry other keys, such as `warning`.
    """

    def __init__(self, reason: str, reply: Mapping[str, object]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class NoNodeAnswered(ClientError):
    """Every node that could be asked stayed silent.

    Attributes:
        tried: one line for each node that was asked, saying what is known of its silence.
    """

    def __init__(self, tried: Sequence[str]) -> None:
        super().__init__("; ".join(tried))
        self.tried = tuple(tried)
