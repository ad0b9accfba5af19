"""What RTP header extensions are called: a=extmap (RFC 8285, section 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import evolve, frozen

MAX_ID = 65_535
"""An identifier has up to five digits; beyond 255 it has yet to be mapped to one that fits into a packet."""

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
"""The extension that says which media a packet belongs to (RFC 9143, section 15)."""

_EXTMAP = re.compile(
    r"(?P<id>[0-9]{1,5})(?:/(?P<direction>sendonly|recvonly|sendrecv|inactive))? +(?P<uri>\S+)(?P<rest> .*)?"
)

_MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly"}


@frozen
class Extension:
    """One header extension as an SDP maps it.

    Attributes:
        id: what it is called in packets.
        uri: what it is.
        direction: seen by the one who writes; None if nothing is said, which means sendrecv.
        attributes: what else is said of it, as it was written.
    """

    id: int
    uri: str
    direction: str | None = None
    attributes: str = ""

    def __str__(self) -> str:
        direction = "" if self.direction is None else f"/{self.direction}"
        return f"{self.id}{direction} {self.uri}{self.attributes}"

    @property
    def mirrored(self) -> Extension:
        """The same, as the other side would write it."""
        if self.direction is None:
            return self
        return evolve(self, direction=_MIRRORED.get(self.direction, self.direction))


def parse_extmap(value: str) -> Extension | None:
    """Read the value of an a=extmap; None if it cannot be understood: it is as if it were not there."""
    match = _EXTMAP.fullmatch(value.rstrip(" "))
    if match is None or not 0 < int(match["id"]) <= MAX_ID:
        return None
    return Extension(int(match["id"]), match["uri"], match["direction"], match["rest"] or "")


def parse_extmaps(values: Iterable[str]) -> tuple[Extension, ...]:
    """Read all a=extmap of a section, leaving out what cannot be understood."""
    return tuple([extension for value in values if (extension := parse_extmap(value)) is not None])
