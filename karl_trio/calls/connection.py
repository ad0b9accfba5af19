"""The command `connect`: legs that talk to each other without an offer and an answer between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from karl_trio.errors import InvalidParameters, InvalidSessionState, NotSupported
from karl_trio.ng.leg_requests import ConnectRequest
from karl_trio.sdp.selection import SUPPLEMENTAL_CODECS

from .audience import MAX_SUBSCRIBERS, sources_of
from .call import MAX_LEGS, Call
from .leg import Heard, Leg, Subscription
from .media import FaceState, Media
from .participants import find_parties
from .table import CallTable
from .wiring import wire

ONE_WAY = frozenset({"directional", "bidirectional"})
"""Flags that leave the legs with those that they talk to already, and let them hear more."""

MOST_NAMED = 4
"""Legs named in a warning; a reply over UDP has better use for its octets."""


def connect(calls: CallTable, request: ConnectRequest, now: float) -> tuple[str, ...]:
    """Join two legs, in the place of whom they talked to before; or let legs hear another one in addition.

    Returns warnings.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: there is no such call.
        InvalidSessionState: there are no such legs, or they and their calls do not go together.
        NotSupported: it takes a transcoder.
    """
    call = calls.find(request.call_id)
    sources = find_parties(call, request)
    other = call if request.to_call_id is None else calls.find(request.to_call_id)
    listener = other.find_leg(request.to_tag)
    if listener is None:
        raise InvalidSessionState(f"no leg has the tag {request.to_tag!r}")
    if request.all == "all":
        sources = tuple(leg for leg in sources if leg is not listener)
    check_merger(call, other)
    pairs = [(source, listener) for source in sources]
    if ONE_WAY.isdisjoint(request.flags):
        if len(sources) != 1:
            raise InvalidParameters("one leg can talk to one other; directional lets it hear several")
        check_pairs(pairs, is_mutual=True)
    else:
        if "bidirectional" in request.flags:
            pairs += [(listener, source) for source in sources]
        check_subscriptions(pairs)
    # Nothing below can fail.
    if other is not call:
        calls.merge(call, other)
    call.keep()
    if ONE_WAY.isdisjoint(request.flags):
        _join(sources[0], listener, now)
    else:
        subscribe(pairs)
    wire(call)
    return mixing_warnings(call, (listener, *sources))


def check_merger(call: Call, other: Call) -> None:
    """Check that two calls can become one.

    Raises:
        InvalidSessionState: they cannot.
    """
    if other is call:
        return
    if len(call.legs) + len(other.legs) > MAX_LEGS:
        raise InvalidSessionState(f"{len(call.legs)} and {len(other.legs)} legs are too many for one call")
    for leg in other.legs:
        for tag in (leg.tag, *leg.aliases):
            if tag is not None and call.find_leg(tag) is not None:
                raise InvalidSessionState(f"both calls have a leg with the tag {tag!r}")


def check_subscriptions(pairs: Sequence[tuple[Leg, Leg]]) -> None:
    """Check that legs can listen to others.

    Args:
        pairs: each a source and its listener.

    Raises:
        InvalidSessionState: a leg cannot listen to itself, nor so many to one, nor without a common media.
        NotSupported: it takes a transcoder.
    """
    check_pairs(pairs, is_mutual=False)
    for source in {source for source, _ in pairs}:
        listeners = {each.listener for each in source.subscribers}
        listeners |= {listener for leg, listener in pairs if leg is source}
        if len(listeners) > MAX_SUBSCRIBERS:
            raise InvalidSessionState(f"{len(listeners)} listeners to {source!r}")


def check_pairs(pairs: Sequence[tuple[Leg, Leg]], *, is_mutual: bool) -> None:
    """Check that what legs say can be passed on to others as it is.

    Args:
        is_mutual: the other way round, too.
    """
    for source, listener in pairs:
        if source is listener:
            raise InvalidSessionState(f"{source!r} talks to itself")
        joined = list(common_media(source, listener))
        if not joined:
            raise InvalidSessionState(f"{source!r} and {listener!r} have no media in common")
        for media, other in joined:
            _check_codecs(source, media, listener, other)
            if is_mutual:
                _check_codecs(listener, other, source, media)


def common_media(source: Leg, listener: Leg) -> Iterator[tuple[Media, Media]]:
    """Go through the media that two legs have in common: those at the same place, if of the same kind."""
    for media, other in zip(source.media, listener.media, strict=False):
        if media.faces and other.faces and (not media.kind or not other.kind or media.kind == other.kind):
            yield media, other


def subscribe(pairs: Sequence[tuple[Leg, Leg]], heard: Heard = Heard.SAID) -> None:
    """Let legs listen to others, all media that they have in common; who hears another already goes on."""
    for source, listener in pairs:
        if is_heard_by(source, listener):
            continue
        for media, other in common_media(source, listener):
            source.subscribers.append(
                Subscription(media=media.index, listener=listener, listener_media=other.index, heard=heard)
            )


def is_heard_by(source: Leg, listener: Leg) -> bool:
    """Whether what a leg says goes to another one already."""
    return listener in source.peers or any(
        each.listener is listener and each.heard is not Heard.RTCP for each in source.subscribers
    )


def mixing_warnings(call: Call, listeners: Iterable[Leg]) -> tuple[str, ...]:
    """Say which legs are sent several sources at once, for few phones play more than one."""
    crowded = [leg for leg in listeners if len({*leg.peers, *sources_of(call, leg)}) > 1]
    if not crowded:
        return ()
    names = ", ".join(repr(leg.tag) for leg in crowded[:MOST_NAMED])
    return (f"several sources, each as RTP of its own, go to {names}: mixing is not there yet",)


def _join(leg: Leg, other: Leg, now: float) -> None:
    """Let two legs talk to each other, and to nobody else."""
    for one, new in ((leg, other), (other, leg)):
        for old in one.peers:
            if old is not new:
                old.peers.remove(one)
                for media in old.media:
                    for face in media.faces:
                        if face.peer is one:
                            face.turn_to(None)
        one.peers = [new]
        one.subscribers = [each for each in one.subscribers if each.listener is not new]
        for media in one.media:
            current = media.face_for(new)
            for face in media.faces:
                face.turn_to(new)
                if face is not current and face.state is not FaceState.SUPERSEDED:
                    face.supersede(now)


def _check_codecs(source: Leg, media: Media, listener: Leg, other: Media) -> None:
    """Check that a listener understands all that a source may say."""
    ours, theirs = media.advertised, other.advertised
    if ours is None or theirs is None:
        return
    if ours.is_secure or theirs.is_secure:
        raise NotSupported("an encrypted leg cannot be connected: SRTP is not there yet")
    agreed = None if media.agreed is None else media.agreed.formats
    for payload_type, name in ours.codec_names.items():
        if agreed is not None and str(payload_type) not in agreed:
            continue
        known = theirs.codec_names.get(payload_type)
        is_needed = name.partition("/")[0].lower() not in SUPPLEMENTAL_CODECS
        if (known is None and is_needed) or (known is not None and known.lower() != name.lower()):
            what = f"{name} as payload type {payload_type}, which {source.tag!r} may use"
            raise NotSupported(f"{listener.tag!r} does not know {what}: transcoding is not there yet")
