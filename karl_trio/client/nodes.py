"""The nodes a client knows: which of them are up, and whom to ask next.

No I/O and no clock in here: `NgClient` reports what it saw, and asks for a plan.

Theory of operation. A node is UP until a request to it was sent as often as is allowed and
nothing whatever came back meanwhile; then it is FAILED and gets no requests while another node is
up. Every so often a failed node is PROBING: one ping is on its way. Its pong brings the node back,
silence sends it back to FAILED. An answer to any request brings a node back at once, for the plan
still asks failed nodes when there is nobody else. An answer that comes after its request was given
up is not counted as one: a node that is always too late would be tried, and waited for, for ever.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum

from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint

MAX_STICKY_CALLS = 65_536
"""Calls whose node is remembered, the least recently used ones forgotten first: more than one client
has in progress at a time, and some 15 MB at worst. A forgotten call is asked of the first node that is up."""


class NodeState(Enum):
    UP = "up"
    FAILED = "failed"
    PROBING = "probing"


class NodeEvent(Enum):
    ANSWERED = "answered"
    """A reply to a request, or to a probe, came in time."""
    SILENT = "silent"
    """All attempts of a request, or the probe, were in vain."""
    PROBED = "probed"
    """A ping was sent to find out whether it is back."""


TRANSITIONS: dict[NodeState, dict[NodeEvent, NodeState]] = {
    NodeState.UP: {
        NodeEvent.ANSWERED: NodeState.UP,
        NodeEvent.SILENT: NodeState.FAILED,
    },
    NodeState.FAILED: {
        NodeEvent.ANSWERED: NodeState.UP,
        NodeEvent.SILENT: NodeState.FAILED,
        NodeEvent.PROBED: NodeState.PROBING,
    },
    NodeState.PROBING: {
        NodeEvent.ANSWERED: NodeState.UP,
        NodeEvent.SILENT: NodeState.FAILED,
    },
}


@define(eq=False)
class Node:
    """One media proxy.

    Attributes:
        name: the address as it was given, for people.
        endpoint: where its requests go.
        last_heard: when its newest reply came, in seconds of the caller's clock.
        trouble: what the operating system last said of sending to it, if anything.
    """

    name: str
    endpoint: Endpoint
    state: NodeState = NodeState.UP
    last_heard: float = -math.inf
    trouble: str = ""

    def on(self, event: NodeEvent) -> bool:
        """Note an event; True when it was this event that made a node that was up fail.

        Raises:
            ValueError: the event cannot happen in this state; the state is left as it was.
        """
        before = self.state
        try:
            self.state = TRANSITIONS[before][event]
        except KeyError:
            raise ValueError(f"a node that is {before.value} cannot be {event.value}") from None
        return before is NodeState.UP and self.state is NodeState.FAILED

    def heard(self, now: float) -> None:
        """Note a reply that came in time."""
        self.last_heard = now
        self.trouble = ""
        self.on(NodeEvent.ANSWERED)

    def was_silent(self, *, since: float) -> bool:
        """Note a request, first sent at `since`, that got no reply; True when that made it fail.

        A node that has answered others meanwhile is not dead: only this request was too much for it.
        """
        return self.last_heard <= since and self.on(NodeEvent.SILENT)

    def __str__(self) -> str:
        return self.name


@frozen
class Try:
    """One step of a plan: ask this node, sending the request at most so many times."""

    node: Node
    attempts: int


@define(eq=False)
class NodeTable:
    """The nodes in order of preference, and which of them has which call."""

    nodes: Sequence[Node]
    attempts: int
    max_calls: int = MAX_STICKY_CALLS
    _holders: OrderedDict[str, Node] = field(factory=OrderedDict, init=False, repr=False)

    def holder(self, call_id: str | None) -> Node | None:
        """Return the node that has a call, unless it is unknown or that node failed."""
        node = self._holders.get(call_id) if call_id is not None else None
        if node is None or node.state is not NodeState.UP:
            return None
        return node

    def plan(self, call_id: str | None = None) -> tuple[Try, ...]:
        """Say whom to ask, and how often, until somebody answers.

        The node that has the call comes first, then the others that are up in their order, and as the
        last resort those that are down, once each: a retry would only keep the caller waiting.
        """
        holder = self.holder(call_id)
        if holder is not None and call_id is not None:
            self._holders.move_to_end(call_id)
        up = [node for node in self.nodes if node.state is NodeState.UP and node is not holder]
        down = [node for node in self.nodes if node.state is not NodeState.UP]
        preferred = up if holder is None else [holder, *up]
        return (*(Try(node, self.attempts) for node in preferred), *(Try(node, 1) for node in down))

    def remember(self, call_id: str, node: Node) -> None:
        """Note that a node has taken a call."""
        self._holders[call_id] = node
        self._holders.move_to_end(call_id)
        while len(self._holders) > self.max_calls:
            self._holders.popitem(last=False)
