"""Making a reply fit into a datagram."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from .framing import Format, encode

UDP_LIMIT = 1400
"""Octets of a reply that goes over UDP: with its headers it stays below the 1500 of an Ethernet packet, also
through a tunnel, so that it is not fragmented; firewalls like to drop fragments."""

Reply = Mapping[str, object]

_STATISTICS = frozenset({"stats", "stats_out", "drops", "SSRC", "ingress SSRCs", "egress SSRCs"})
_DETAILS = frozenset(
    {
        *("advertised endpoint", "learning", "family"),
        *("last packet", "last kernel packet", "last user packet"),
    }
)

STEPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("statistics", _STATISTICS),
    ("details", _STATISTICS | _DETAILS),
    ("streams", _STATISTICS | {"streams"}),
    ("medias", _STATISTICS | {"medias"}),
)
"""What goes first from what is told of each leg, and what next: a word for it, and its keys. The figures of
the whole call are in `totals` and stay."""

LISTS = ("calls", "call-ids")
"""What is cut short in the end; they hold the same calls in the same order."""


def shed(reply: Reply, limit: int, format: Format = Format.BENCODE) -> Reply:  # noqa: A002
    """Return a reply of at most `limit` octets once encoded, if leaving out what is dispensable can do it.

    The key `truncated` then says what has been left out. Nothing else is dispensable: a long SDP stays.

    Args:
        limit: octets for the dictionary, without its cookie.
        format: what it will be written in.
    """

    def fits(smaller: Reply) -> bool:
        return len(encode(smaller, format)) <= limit

    if fits(reply):
        return reply
    tags = reply.get("tags")
    if isinstance(tags, Mapping):
        for word, keys in STEPS:
            # The keys of `tags` are names from the network, and may be like any of ours.
            fewer = {tag: _without(keys, tree) for tag, tree in tags.items()}
            rest = {name: value for name, value in reply.items() if name not in keys}
            smaller = {**rest, "tags": fewer, "truncated": word}
            if fits(smaller):
                return smaller
        reply = smaller
    lists = {name: value for name in LISTS if isinstance(value := reply.get(name), list)}
    if not lists:
        return reply

    def cut(count: int) -> Reply:
        return {**reply, **{name: value[:count] for name, value in lists.items()}, "truncated": "calls"}

    counts = range(max(map(len, lists.values())) + 1)
    too_many = bisect_left(counts, True, key=lambda count: not fits(cut(count)))
    return cut(max(too_many - 1, 0))


def _without(keys: frozenset[str], value: object) -> object:
    """Return a copy without these keys, however deep they are."""
    if isinstance(value, Mapping):
        return {name: _without(keys, inner) for name, inner in value.items() if name not in keys}
    if isinstance(value, (list, tuple)):
        return [_without(keys, inner) for inner in value]
    return value
