"""What this version does with the flags and keys that a script of a SIP proxy holds, entry by entry.

Each is judged by the very check that a real offer has to pass, so what is told here is what will happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum

from attrs import frozen

from karl_trio.errors import CodecNegotiationFailed, InvalidParameters, NotSupported
from karl_trio.ng.flags import BARE_TRANSPORTS, TRANSPORTS
from karl_trio.ng.keys import KEYS, Kind, canonical
from karl_trio.ng.meanings import Entry
from karl_trio.ng.requests import REQUESTS, OfferRequest, keys_of, structure
from karl_trio.sdp import description as sdp

from .capabilities import check_capabilities
from .codecs import Negotiated, choose_codecs

_SAMPLE = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n"
)
"""An offer as any phone may send it: plain RTP with two codecs."""


class Verdict(Enum):
    """What becomes of an entry."""

    WORKS = "works"
    FILLED_IN = "filled in by the script"
    NO_EFFECT = "has no effect yet"
    OBSOLETE = "obsolete"
    REFUSED = "not supported yet"
    INVALID = "not valid"
    UNKNOWN = "unknown"


@frozen
class Explanation:
    """An entry, what becomes of it, and more about that where there is more to say."""

    entry: Entry
    verdict: Verdict
    note: str = ""


def judge(entry: Entry) -> Explanation:
    """Find out what a request with this entry alone would come to."""
    if entry.is_filled_in:
        return Explanation(entry, Verdict.FILLED_IN)
    if entry.names_template:
        return Explanation(entry, Verdict.WORKS, "where the node has such a template")
    if entry.parameters.warnings:
        return Explanation(entry, Verdict.UNKNOWN, "; ".join(entry.parameters.warnings))
    if entry.is_obsolete:
        return Explanation(entry, Verdict.OBSOLETE)
    body = {"command": "offer", "call-id": "-", "from-tag": "-", "rtpp-flags": entry.text, "sdp": _SAMPLE}
    try:
        request = structure(body)
        assert isinstance(request, OfferRequest)
        description = sdp.parse(request.sdp)
        warnings = check_capabilities(request, description)
        audio = Negotiated(place=0, section=description.media[0], names={})
        # An entry that strips all codecs may stand beside one that puts some back.
        with suppress(CodecNegotiationFailed):
            choose_codecs(request, [audio], is_answer=False)
    except InvalidParameters as error:
        return Explanation(entry, Verdict.INVALID, error.detail)
    except NotSupported as error:
        return Explanation(entry, Verdict.REFUSED, error.detail)
    if request.unused and _users(request.unused):
        return Explanation(entry, Verdict.WORKS, f"only in {', '.join(_users(request.unused))}")
    if warnings:
        return Explanation(entry, Verdict.NO_EFFECT, "; ".join(warnings))
    return Explanation(entry, Verdict.WORKS)


def _users(keys: Sequence[str]) -> list[str]:
    """Return the commands that some of these keys mean something to."""
    return [request.command for request in REQUESTS.values() if not keys_of(request).isdisjoint(keys)]


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
    ("inactive", "bidirectional"): "one of them only can be meant",
    ("rtcp-mux=offer", "rtcp-mux=demux"): "offer counts",
    ("rtcp-mux=require", "rtcp-mux=demux"): "require counts",
    ("rtcp-mux=accept", "rtcp-mux=reject"): "accept counts where sharing is offered on, else reject",
    ("rtcp-mux=demux", "rtcp-mux=reject"): "reject counts",
    ("bundle=require", "bundle=reject"): "one of them only can be meant",
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
    if {"all", "full"} & {*codec.get("strip", ())} and not puts_back and not allows_none:
        texts = tuple(entry.text for entry in entries if "codec" in entry.parameters.values)
        yield Contradiction(texts, "no codec is left, and the offer fails")
