"""Which of our addresses the kernel would use towards a peer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio
from attrs import define, field

from karl_trio.config import address_towards

REMEMBERED_FOR = 5.0
"""Seconds that a route is believed: routes change when a link fails, and calls should follow soon."""

MOST_REMEMBERED = 1024
"""Peers remembered: those of a SIP proxy are few, and a look-up costs no more than some 20 microseconds."""


@define(eq=False)
class Routes:
    """The kernel's choice of a local address for each peer, remembered for a moment.

    Attributes:
        look_up: asks the kernel; tests put their own here.
    """

    look_up: Callable[[str], str | None] = address_towards
    _known: OrderedDict[str, tuple[float, str | None]] = field(factory=OrderedDict, init=False, repr=False)

    def local_address(self, peer: str) -> str | None:
        """Return the address that packets to a peer would leave from; None if there is no route.

        Args:
            peer: a literal address in its canonical spelling.
        """
        now = trio.current_time()
        known = self._known.get(peer)
        if known is not None and now - known[0] < REMEMBERED_FOR:
            return known[1]
        address = self.look_up(peer)
        self._known[peer] = (now, address)
        self._known.move_to_end(peer)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return address
