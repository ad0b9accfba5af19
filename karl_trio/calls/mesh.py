"""The command `mesh`: several calls become one, in which legs hear each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from karl_trio.errors import InvalidParameters, InvalidSessionState
from karl_trio.ng.leg_requests import MeshRequest

from .audience import subscriptions_of
from .call import MAX_LEGS, Call
from .connection import check_merger, check_subscriptions, is_heard_by, mixing_warnings, subscribe
from .leg import Leg
from .table import CallTable
from .wiring import wire


def mesh(calls: CallTable, request: MeshRequest) -> tuple[str, ...]:
    """Let the legs of several calls hear each other; return warnings.

    Raises:
        UnknownCall: one of the calls is not there.
        InvalidParameters: it cannot be understood who is to hear whom.
        InvalidSessionState: the calls or the legs do not go together.
        NotSupported: it takes a transcoder.
    """
    found = list(dict.fromkeys(calls.find(call_id) for call_id in request.calls))
    if not found:
        raise InvalidParameters("no calls")
    if sum(len(call.legs) for call in found) > MAX_LEGS:
        raise InvalidSessionState("too many legs for one call")
    for place, call in enumerate(found):
        for other in found[place + 1 :]:
            check_merger(call, other)
    pairs = [pair for pair in _pairs(found, request.tags) if not is_heard_by(*pair)]
    check_subscriptions(pairs)
    # Nothing below can fail.
    whole, *rest = found
    for other in rest:
        calls.merge(whole, other)
    whole.keep()
    subscribe(pairs)
    wire(whole)
    return mixing_warnings(whole, whole.legs)


def _pairs(found: Sequence[Call], tags: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Leg, Leg]]:
    """Go through who is to be heard by whom."""
    if not tags:
        members = [leg for call in found for leg in call.legs if _takes_part(call, leg)]
        yield from ((leg, other) for leg in members for other in members if leg is not other)
        return
    for entry in tags:
        listeners = entry.get("to")
        for tag in listeners if isinstance(listeners, list) else [listeners]:
            yield _find(found, entry.get("from")), _find(found, tag)


def _takes_part(call: Call, leg: Leg) -> bool:
    """Whether a leg is no recorder, nor anybody else who was only let in to listen."""
    return not leg.only_listens if leg.has_answered else not any(subscriptions_of(call, leg))


def _find(found: Sequence[Call], tag: object) -> Leg:
    if not isinstance(tag, str):
        raise InvalidParameters("tags: not tags by from and to")
    for call in found:
        leg = call.find_leg(tag)
        if leg is not None:
            return leg
    raise InvalidSessionState(f"no leg has the tag {tag!r}")
