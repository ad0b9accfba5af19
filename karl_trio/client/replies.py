"""The replies of the commands, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from karl_trio.errors import OutOfPorts, SessionLimitReached

Reply = dict[str, Any]
"""A reply as it came: string keys; strings, integers, lists and dictionaries as values."""

_FULL = frozenset(
    {
        SessionLimitReached.reason,
        SessionLimitReached.opensips_reason,
        OutOfPorts.reason,
        OutOfPorts.opensips_reason,
    }
)


def is_success(reply: Mapping[str, object]) -> bool:
    """Whether a reply carries a result: `ok`, or a ping's `pong`."""
    return reply.get("result") in ("ok", "pong")


def is_full(reply: Mapping[str, object]) -> bool:
    """Whether a node says that it has no room for a new call, in any of the words in use."""
    return reply.get("result") == "load limit" or reply.get("error-reason") in _FULL


def reason(reply: Mapping[str, object]) -> str:
    """Return why a reply is no success."""
    for key in ("error-reason", "message", "result"):
        if value := reply.get(key):
            return str(value)
    return "a reply without a result"


def warning(reply: Mapping[str, object]) -> str | None:
    """Return what a successful reply warns of; several lines when there are several warnings."""
    value = reply.get("warning")
    if not value:
        return None
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


@frozen
class SdpReply:
    """What an offer or an answer brings: the SDP to send on in place of the one that was given.

    Attributes:
        warning: what the node did not understand, such as a misspelt flag, or None.
        reply: the whole reply.
    """

    sdp: str
    warning: str | None
    reply: Reply

    @classmethod
    def of(cls, reply: Reply) -> SdpReply:
        return cls(str(reply.get("sdp", "")), warning(reply), reply)


@frozen
class DeleteReply:
    """What a delete brings.

    Attributes:
        warning: says so when there was no such call, or None.
        reply: the whole reply, with the call's last statistics where the node sends them.
    """

    warning: str | None
    reply: Reply

    @classmethod
    def of(cls, reply: Reply) -> DeleteReply:
        return cls(warning(reply), reply)


@frozen
class ListedCall:
    """One line of a list of calls; what the node does not tell is empty.

    Attributes:
        created: Unix time in seconds, or 0.
    """

    call_id: str
    from_tag: str = ""
    to_tag: str = ""
    state: str = ""
    created: int = 0

    @classmethod
    def of(cls, entry: object) -> ListedCall:
        """Read an entry in either dialect: the page's dictionary, or rtpengine's bare call-id."""
        if not isinstance(entry, Mapping):
            return cls(str(entry))
        created = entry.get("created")
        return cls(
            call_id=str(entry.get("call-id", "")),
            from_tag=str(entry.get("from-tag", "")),
            to_tag=str(entry.get("to-tag", "")),
            state=str(entry.get("state", "")),
            created=created if isinstance(created, int) else 0,
        )


def listed_calls(reply: Mapping[str, object]) -> tuple[ListedCall, ...]:
    """Return the calls of a `list` reply."""
    calls = reply.get("calls")
    return tuple(map(ListedCall.of, calls)) if isinstance(calls, list) else ()
