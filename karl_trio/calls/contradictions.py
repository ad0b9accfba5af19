"""Flags and keys of one request that cannot all have what they ask for, and which of them counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from karl_trio.ng.flags import BARE_TRANSPORTS, TRANSPORTS
from karl_trio.ng.keys import KEYS, Kind, canonical
from karl_trio.ng.meanings import Entry


@frozen
class Contradiction:
    """Entries that cannot all have what they ask for, and what happens."""

    texts: tuple[str, ...]
    outcome: str


_DTLS_TRANSPORTS = [name for parts, name in TRANSPORTS.items() if "dtls" in parts]

RIVALS: dict[tuple[str, str], str] = {
    ("trust-address", "sip-source-address"): "SIP-source-address counts, except for media with ICE",
    ("symmetric", "asymmetric"): "asymmetric counts",
    ("port-latching", "no-port-latching"): "port-latching counts",
    ("no-rtcp-attribute", "full-rtcp-attribute"): "no-rtcp-attribute counts",
    ("receive-only", "send-only"): "nothing would flow",
    ("inactive", "bidirectional"): "inactive counts",
    ("drop-traffic=start", "drop-traffic=stop"): "stop counts",
    ("rtcp-mux=offer", "rtcp-mux=demux"): "offer counts",
    ("rtcp-mux=require", "rtcp-mux=demux"): "require counts",
    ("rtcp-mux=accept", "rtcp-mux=reject"): "accept counts where sharing is offered on, else reject",
    ("rtcp-mux=demux", "rtcp-mux=reject"): "reject counts",
    ("bundle=accept", "bundle=reject"): "reject counts",
    ("bundle=offer", "bundle=reject"): "reject counts",
    ("bundle=require", "bundle=reject"): "reject counts",
    ("ice=remove", "trickle-ice"): "without ICE there is nothing to trickle",
    ("ice-reject", "trickle-ice"): "without ICE there is nothing to trickle",
    ("sdes=on", "sdes=off"): "one of them only can be meant",
    **{
        ("dtls=off", f"transport-protocol={name}"): "without DTLS there are no keys"
        for name in _DTLS_TRANSPORTS
    },
}
"""Two things that contradict each other, each a flag or a word of a key, and what happens."""


def contradictions(entries: Sequence[Entry]) -> Iterator[Contradiction]:
    """Find the entries that contradict each other."""
    facts = [(entry, _facts(entry)) for entry in entries if not entry.is_filled_in]
    for (one, other), outcome in RIVALS.items():
        saying = [entry.text for entry, said in facts if said & {one, other}]
        if {one, other} <= set().union(*(said for _, said in facts)):
            yield Contradiction(tuple(dict.fromkeys(saying)), outcome)
    yield from _said_twice([entry for entry, _ in facts])
    yield from _stripped(entries)


def _facts(entry: Entry) -> set[str]:
    """Return what an entry says, one string for each flag and for each word of a key."""
    facts = set(entry.parameters.flags)
    for key, value in entry.parameters.values.items():
        words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        facts.update(f"{key}={word}" for word in words)
    return facts


def _said_twice(entries: Sequence[Entry]) -> Iterator[Contradiction]:
    """Find keys that hold one value only, but are given several."""
    said: dict[str, dict[str, str]] = {}
    for entry in entries:
        if canonical(entry.text) in BARE_TRANSPORTS:
            continue  # these words add up
        for key, value in entry.parameters.values.items():
            if KEYS[key].kind in (Kind.WORD, Kind.PLAIN):
                said.setdefault(key, {})[entry.text] = str(value)
    for key, values in said.items():
        if len(set(values.values())) > 1:
            yield Contradiction(tuple(values), f"the last {key} counts")


def _stripped(entries: Sequence[Entry]) -> Iterator[Contradiction]:
    """Find out whether every codec is taken away and none put back."""
    codec: dict[str, list[str]] = {}
    for entry in entries:
        said = entry.parameters.values.get("codec")
        for operation, names in said.items() if isinstance(said, dict) else ():
            codec.setdefault(operation, []).extend(names)
    puts_back = codec.keys() & {"offer", "except", "transcode"}
    allows_none = any("allow-no-codec-media" in entry.parameters.flags for entry in entries)
    taken_away = {name for operation in ("strip", "mask", "consume") for name in codec.get(operation, ())}
    if {"all", "full"} & taken_away and not puts_back and not allows_none:
        texts = tuple(entry.text for entry in entries if "codec" in entry.parameters.values)
        yield Contradiction(texts, "no codec is left, and the offer fails")
