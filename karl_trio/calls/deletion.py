"""The command `delete`: a whole call, or one leg of it."""

from __future__ import annotations

import logging

from karl_trio.errors import UnknownCall
from karl_trio.ng.requests import DeleteRequest

from .audience import sources_of
from .call import Call, EndReason
from .faces import close_face
from .leg import Leg
from .statistics import query_reply
from .table import CallTable
from .wiring import wire

log = logging.getLogger(__name__)

NOTHING_MATCHED = "Call-ID not found or tags didn't match"
"""What rtpengine says; proxies' scripts look for it."""


def delete(calls: CallTable, request: DeleteRequest, now: float) -> dict[str, object]:
    """End a call, or take a leg out of it; return the figures of the call, unless the flag `fast` is set.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: nothing matched, and the request named only a call-id or has the flag `fatal`. A
            proxy sends tags too, and then it is no fault: the BYE was just sent again.
    """
    call = calls.get(request.call_id)
    legs = [] if call is None else _legs_to_delete(call, request)
    if call is None or not legs:
        if "fatal" in request.flags or (request.from_tag is None and request.to_tag is None):
            raise UnknownCall(request.call_id)
        return {"warning": NOTHING_MATCHED}
    reply = {} if "fast" in request.flags else query_reply(call, None, None)
    delays = (request.delete_delay, call.delete_delay, calls.settings.delete_delay)
    delay = next(delay for delay in delays if delay is not None)
    if len(legs) == len(call.legs):
        calls.end(call, EndReason.REGULAR, now=now, after=delay)
    else:
        for leg in legs:
            remove_leg(call, leg)
        calls.forget_unused(call)
        log.info("%d of the call's legs deleted", len(legs))
    return reply


def remove_leg(call: Call, leg: Leg) -> None:
    """Take a leg out of a call, with everything that was opened for it."""
    call.legs.remove(leg)
    call.controls.forget(leg)
    for media in leg.media:
        for face in list(media.faces):
            close_face(call, media, face)
    for other in call.legs:
        other.subscribers = [each for each in other.subscribers if each.listener is not leg]
    leg.subscribers.clear()
    for peer in leg.peers:
        peer.peers.remove(leg)
        # What a branch that never answers leaves to the others, they may have refused already.
        is_unwanted = bool(peer.peers) and not leg.has_answered and not peer.awaits_answer()
        for media in peer.media:
            for face in [f for f in media.faces if f.peer is leg or (f.peer is None and is_unwanted)]:
                if peer.peers:
                    close_face(call, media, face)
                else:
                    # The only ports that it knows: it may be connected with somebody else yet.
                    face.turn_to(None)
    wire(call)


def _legs_to_delete(call: Call, request: DeleteRequest) -> list[Leg]:
    """Return the legs that go: all of them, or one with those that it leaves with nobody to hear."""
    if request.from_tag is None and request.to_tag is None:
        return [leg for leg in call.legs if leg.call_id == request.call_id]
    tag = request.from_tag
    if request.to_tag is not None and (tag is None or "to-tag" in request.flags):
        tag = request.to_tag
    assert tag is not None
    leg = call.find_leg(tag)
    if leg is not None and request.via_branch is not None:
        # A branch of a forked call that failed: its leg has no tag yet, but a Via branch of its own.
        branches = [peer for peer in leg.peers if peer.via_branch is not None]
        if branches and leg.via_branch != request.via_branch:
            # Within a dialogue, a branch that nobody has heard of is that of the BYE itself.
            is_bye = request.to_tag is not None and call.find_leg(request.to_tag) is not None
            branch = next((peer for peer in branches if peer.via_branch == request.via_branch), None)
            leg = leg if branch is None and is_bye else branch
    if leg is None:
        return []
    gone = [leg, *(peer for peer in leg.peers if peer.peers == [leg])]
    for other in call.legs:
        sources = sources_of(call, other)
        if other not in gone and sources and not other.peers and all(source in gone for source in sources):
            gone.append(other)
    return gone
