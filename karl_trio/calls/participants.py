"""Which legs and flows of a call a request means (NG_REFERENCE section 2, "Party selection"; pure).

A party is named by its label, by the address in its SDP, or by its tag, in this order. `from-tags` and
`all` name several. The commands that block or silence media take no notice of a from-tag unless the flag
`directional` is set, for proxies send it with every request; then the whole call is meant.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from karl_trio.errors import InvalidParameters, InvalidSessionState
from karl_trio.ng.requests import PartyRequest

from .call import Call
from .leg import Leg
from .wiring import flows_from

FROM, TO, BOTH = "from-tag", "to-tag", "both"


@frozen(kw_only=True)
class Selection:
    """Media of a call: that of the whole call, of legs, or of flows between two legs.

    Attributes:
        sent_by: the legs whose media is meant, whoever gets it, now or later.
        sent_to: the legs that get the media that is meant, whoever sends it.
        flows: pairs of legs, sender and listener.
    """

    whole_call: bool = False
    sent_by: tuple[Leg, ...] = ()
    sent_to: tuple[Leg, ...] = ()
    flows: tuple[tuple[Leg, Leg], ...] = ()


WHOLE_CALL = Selection(whole_call=True)


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

    Of `from-tags`, those that the call does not have are left out.

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
    found = {call.find_leg(tag) for tag in request.from_tags}
    legs = tuple(leg for leg in call.legs if leg in found)
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


def select(call: Call, request: PartyRequest) -> Selection:
    """Return what a command that may be directional is about, by rtpengine's rules.

    Raises:
        InvalidSessionState: the call has no such leg, or no such flow.
    """
    if request.all == "all":
        return WHOLE_CALL
    names_leg = request.label is not None or request.address is not None
    leg = _named(call, request) if names_leg or "directional" in request.flags else None
    if leg is None:
        return WHOLE_CALL
    listener = find_listener(call, request)
    if listener is not None:
        return Selection(flows=_flow(leg, listener))
    if request.all in ("offer-answer", "except-offer-answer", "flows"):
        return Selection(flows=_flows(leg, request.all))
    return Selection(sent_by=(leg,))


def select_by_direction(call: Call, request: PartyRequest, direction: tuple[str, ...]) -> Selection:
    """Return what a command is about that says `direction`, by the rules of the protocol page.

    The leg is the one that is named, or else the one that made the first offer. `from-tag` means what it
    sends, `to-tag` what it is sent; if another leg is named too, only what goes between the two.

    Args:
        direction: of the words from-tag, to-tag and both.

    Raises:
        InvalidParameters: it holds another word.
        InvalidSessionState: the call has no such leg, or no such flow.
    """
    words = {word.strip().lower().replace("_", "-") for word in direction}
    if not words <= {FROM, TO, BOTH}:
        raise InvalidParameters(f"direction: {', '.join(sorted(words))}")
    leg = _named(call, request) or call.legs[0]
    listener = find_listener(call, request)
    sends, hears = bool(words & {FROM, BOTH}), bool(words & {TO, BOTH})
    if listener is None:
        return Selection(sent_by=(leg,) if sends else (), sent_to=(leg,) if hears else ())
    sent = _flow(leg, listener) if sends else ()
    heard = _flow(listener, leg) if hears else ()
    return Selection(flows=sent + heard)


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


def _flow(source: Leg, listener: Leg) -> tuple[tuple[Leg, Leg], ...]:
    if listener not in _listeners(source):
        raise InvalidSessionState(f"nothing goes from {source!r} to {listener!r}")
    return ((source, listener),)


def _flows(source: Leg, kind: str) -> tuple[tuple[Leg, Leg], ...]:
    flows = tuple(
        (source, listener)
        for listener in dict.fromkeys(_listeners(source))
        if kind == "flows" or (kind == "offer-answer") == (listener in source.peers)
    )
    if not flows:
        raise InvalidSessionState(f"{source!r} has no flows of the kind {kind}")
    return flows


def _listeners(source: Leg) -> Iterator[Leg]:
    for media in source.media:
        for flow in flows_from(source, media):
            yield flow.listener
