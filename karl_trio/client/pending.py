"""The requests that are under way to one node, told apart by their cookies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from karl_trio.errors import Malformed
from karl_trio.ng import framing
from karl_trio.ng.values import MAX_ITEMS

from .replies import Reply


@define(eq=False)
class Pending:
    """A request without a reply yet, and its octets."""

    message: bytes
    answered: trio.Event = field(factory=trio.Event)
    reply: Reply | None = None


@define(eq=False)
class PendingTable:
    """The requests of one node by their cookies.

    Attributes:
        max_items: values that a reply may have.
        drops: replies that were thrown away, by reason: `unknown cookie` are those that came twice,
            or after their request was given up; `malformed` those that could not be decoded.
    """

    max_items: int = MAX_ITEMS
    drops: Counter[str] = field(factory=Counter)
    _requests: dict[bytes, Pending] = field(factory=dict, init=False)

    def __bool__(self) -> bool:
        return bool(self._requests)

    @contextmanager
    def waiting(self, cookie: bytes, message: bytes) -> Iterator[Pending]:
        """Take the reply to a request, as long as the block is in progress."""
        request = self._requests[cookie] = Pending(message)
        try:
            yield request
        finally:
            del self._requests[cookie]

    def messages(self) -> dict[bytes, bytes]:
        """Return the requests without a reply, in the order in which they were made."""
        return {cookie: request.message for cookie, request in self._requests.items()}

    def receive_untrusted(self, octets: bytes) -> bool:
        """Hand a reply to the request that waits for it; False if it was thrown away."""
        try:
            message = framing.parse(octets, max_items=self.max_items)
        except Malformed:
            self.drops["malformed"] += 1
            return False
        request = self._requests.get(message.cookie)
        if request is None or request.reply is not None:
            self.drops["unknown cookie"] += 1
            return False
        request.reply = dict(message.body)
        request.answered.set()
        return True
