"""Who listens to whom in a call, beside its peers."""

from __future__ import annotations

from collections.abc import Iterator

from .call import Call
from .leg import Leg, Subscription

MAX_SUBSCRIBERS = 32
"""Listeners to one leg: each of its packets is sent that often, some 10 µs each. A bigger audience needs a
tree of relays."""


def subscriptions_of(call: Call, listener: Leg) -> Iterator[tuple[Leg, Subscription]]:
    """Go through what a leg listens to, with whom it listens to; not what only came along with it."""
    for leg in call.legs:
        for subscription in leg.subscribers:
            if subscription.listener is listener and not subscription.is_back_channel:
                yield leg, subscription


def sources_of(call: Call, listener: Leg) -> list[Leg]:
    """Return whom a leg listens to, each once."""
    return list(dict.fromkeys(leg for leg, _ in subscriptions_of(call, listener)))


def end_subscriptions(call: Call, listener: Leg, source: Leg | None = None) -> None:
    """Let a leg no longer listen to another, or to any; the call is not wired yet."""
    for leg in call.legs if source is None else (source,):
        leg.subscribers = [
            each for each in leg.subscribers if each.listener is not listener or each.is_back_channel
        ]
        listener.subscribers = [
            each for each in listener.subscribers if each.listener is not leg or not each.is_back_channel
        ]
