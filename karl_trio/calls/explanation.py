"""What this version does with the flags and keys that a script of a SIP proxy holds, entry by entry.

Each is judged by the very check that a real offer has to pass, so what is told here is what will happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum

from attrs import frozen

from karl_trio.errors import CodecNegotiationFailed, InvalidParameters, NotSupported
from karl_trio.ng import leg_requests  # noqa: F401 - has its part in REQUESTS
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
    CONFIGURED = "known to the server only"
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
    if entry.is_template:
        return Explanation(entry, Verdict.CONFIGURED)
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
