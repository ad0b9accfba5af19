"""What the media are called toward a leg (a=mid, RFC 5888): names stay, and no two are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from .media import Media


def answered_mids(known: Sequence[Media | None]) -> list[str | None]:
    """Return what each media of an answer is called: what the offer called it, if anything (RFC 5888, 9.1).

    None stands for what the answer calls it, since nobody knows what the offer did.
    """
    advertised = [None if media is None else media.advertised for media in known]
    return [None if each is None else each.mid or "" for each in advertised]


def offered_mids(
    own: Sequence[str | None], known: Sequence[str | None], *, generates: bool
) -> tuple[str, ...]:
    """Return what each media of an offer is called, "" for nothing.

    Args:
        own: what the offerer calls them.
        known: what the other leg knows them by; that stays, as in rtpengine, for its answers use it.
        generates: give names to the media that have none.
    """
    if not (generates or any(own) or any(known)):
        return ("",) * len(own)
    taken = {mid for mid in known if mid}
    reserved = taken.union(mid for mid in own if mid)
    mids = []
    for place, (mid, before) in enumerate(zip(own, known, strict=True)):
        # What was left out of an offer that nobody answered may be known by the name of another one.
        kept = None if before in mids else before
        name = kept or mid or ""
        if (not kept and mid in taken) or (generates and not name):
            name = next(free for free in _numbers(place + 1, len(own)) if free not in reserved)
            reserved.add(name)
        taken.add(name)
        mids.append(name)
    return tuple(mids)


def _numbers(first: int, last: int) -> Iterator[str]:
    """Count from a media's own number; beyond the last media's, if that is taken."""
    yield str(first)
    yield from map(str, count(last + 1))
