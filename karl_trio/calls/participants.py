"""Which legs and flows of a call a request means (NG_REFERENCE section 2, "Party selection"; pure).

A party is named by its label, by the address in its SDP, or by its tag, in this order. `from-tags` and
`all` name several. The commands that block or silence media take no notice of a from-tag unless the flag
`directional` is set, for proxies send it with every request; then the whole call is meant.
"""

from __future__ import annotations

from collections.abc import Iterator

from karl_trio.errors import InvalidParameters, InvalidSessionState
from karl_trio.ng.keys import canonical
from karl_trio.ng.requests import PartyRequest

from .call import Call
from .controls import WHOLE_CALL, Reach
from .leg import Leg
from .wiring import flows_from

FROM, TO, BOTH = "from-tag", "to-tag", "both"


def find_party(call: Call, request: PartyRequest) -> Leg:
    """Return the one leg that a request is about.

    Raises:
        InvalidParameters: it names none.
        InvalidSessionState: the call has no such leg.
    """
    leg = _named(call, request)
    if leg is None:
        raise InvalidParameters("no participant is named")
    return leg


def find_parties(call: Call, request: PartyRequest) -> tuple[Leg, ...]:
    """Return the legs that a request is about, as many as it names.

    Of `from-tags`, in their order, those that the call does not have are left out.

    Raises:
        InvalidParameters: it names none.
        InvalidSessionState: the call has none of them.
    """
    if request.all == "all":
        return tuple(call.legs)
    leg = _named(call, request)
    if leg is not None:
        return (leg,)
    if not request.from_tags:
        raise InvalidParameters("no participant is named")
    found = dict.fromkeys(call.find_leg(tag) for tag in request.from_tags)
    legs = tuple(leg for leg in found if leg is not None)
    if not legs:
        raise InvalidSessionState(f"none of the tags {', '.join(request.from_tags)}")
    return legs


def find_listener(call: Call, request: PartyRequest) -> Leg | None:
    """Return the leg at the other end, named by to-tag or to-label, or None if none is named.

    Raises:
        InvalidSessionState: the call has no such leg.
    """
    if request.to_tag is not None:
        return _of_tag(call, request.to_tag)
    if request.to_label is not None:
        return _of_label(call, request.to_label)
    return None


def select(call: Call, request: PartyRequest) -> tuple[Reach, ...]:
    """Return the media that a command is about which may be directional, by rtpengine's rules.

    Raises:
        InvalidSessionState: the call has no such leg, or no such flow.
    """
    if request.all == "all":
        return (WHOLE_CALL,)
    names_leg = request.label is not None or request.address is not None
    leg = _named(call, request) if names_leg or "directional" in request.flags else None
    if leg is None:
        return (WHOLE_CALL,)
    listener = find_listener(call, request)
    if listener is not None:
        return (_flow(leg, listener),)
    if request.all in ("offer-answer", "except-offer-answer", "flows"):
        return _flows(leg, request.all)
    return (Reach(leg),)


def select_by_direction(call: Call, request: PartyRequest, direction: tuple[str, ...]) -> tuple[Reach, ...]:
    """Return the media that a command is about which says `direction`, by the rules of the protocol page.

    The leg is the one that is named, or else the one that made the first offer. `from-tag` means what it
    sends, `to-tag` what it is sent; if another leg is named too, only what goes between the two.

    Args:
        direction: of the words from-tag, to-tag and both.

    Raises:
        InvalidParameters: it holds another word.
        InvalidSessionState: the call has no such leg, or no such flow.
    """
    words = {canonical(word.strip()) for word in direction}
    if not words <= {FROM, TO, BOTH}:
        raise InvalidParameters(f"direction: {', '.join(sorted(words))}")
    leg = _named(call, request) or call.legs[0]
    listener = find_listener(call, request)
    reaches = []
    if words & {FROM, BOTH}:
        reaches.append(Reach(leg) if listener is None else _flow(leg, listener))
    if words & {TO, BOTH}:
        reaches.append(Reach(None, leg) if listener is None else _flow(listener, leg))
    return tuple(reaches)


def _named(call: Call, request: PartyRequest) -> Leg | None:
    if request.label is not None:
        return _of_label(call, request.label)
    if request.address is not None:
        return _of_address(call, request.address)
    if request.from_tag is not None:
        return _of_tag(call, request.from_tag)
    return None


def _of_tag(call: Call, tag: str) -> Leg:
    leg = call.find_leg(tag)
    if leg is None:
        raise InvalidSessionState(f"no leg has the tag {tag!r}")
    return leg


def _of_label(call: Call, label: str) -> Leg:
    # The newest: a label that is given away again belongs to whoever has it now.
    for leg in reversed(call.legs):
        if leg.label == label:
            return leg
    raise InvalidSessionState(f"no leg has the label {label!r}")


def _of_address(call: Call, address: str) -> Leg:
    for leg, media in call.media:
        endpoint = None if media.advertised is None else media.advertised.endpoint
        if endpoint is not None and endpoint.address == address:
            return leg
    raise InvalidSessionState(f"no leg has the address {address}")


def _flow(source: Leg, listener: Leg) -> Reach:
    if listener not in _listeners(source):
        raise InvalidSessionState(f"nothing goes from {source!r} to {listener!r}")
    return Reach(source, listener)


def _flows(source: Leg, kind: str) -> tuple[Reach, ...]:
    reaches = tuple(
        Reach(source, listener)
        for listener in dict.fromkeys(_listeners(source))
        if kind == "flows" or (kind == "offer-answer") == (listener in source.peers)
    )
    if not reaches:
        raise InvalidSessionState(f"{source!r} has no flows of the kind {kind}")
    return reaches


def _listeners(source: Leg) -> Iterator[Leg]:
    for media in source.media:
        for flow in flows_from(source, media):
            yield flow.listener
