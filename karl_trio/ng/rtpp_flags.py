"""The string form of a request: ``trust-address direction=[internal external] codec=[strip=[all]]``.

A script of a SIP proxy passes such a string on as it is, in the key ``rtpp-flags``.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from karl_trio.errors import Malformed

from .values import MAX_DEPTH, Value

Piece: TypeAlias = "tuple[str, Value | None]"
"""A flag (with None), or a key and its value."""

_TOKEN = re.compile(r"\s+|(?P<close>\])|(?P<key>[^\s\[\]=]+)=\[|(?P<open>\[)|(?P<word>[^\s\[\]]+)")


def parse(text: str) -> list[Piece]:
    """Split such a string; a list holds strings, or becomes a dictionary if it has a ``key=value``.

    Raises:
        Malformed: brackets do not match, or are too many within each other.
    """
    pieces: list[Piece] = []
    outer: list[tuple[str, list[Piece]]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, "every character begins a token"
        if match["key"] is not None or match["open"] is not None:
            outer.append((match["key"] or "", pieces))
            if len(outer) > MAX_DEPTH:
                raise Malformed(f"more than {MAX_DEPTH} brackets within each other", at)
            pieces = []
        elif match["close"] is not None:
            if not outer:
                raise Malformed("a bracket that was never opened", at)
            key, around = outer.pop()
            around.append((key, _value(pieces)))
            pieces = around
        elif match["word"] is not None:
            key, equals, value = match["word"].partition("=")
            pieces.append((key, value) if equals and outer else (match["word"], None))
        at = match.end()
    if outer:
        raise Malformed("a bracket that is never closed", len(text))
    return pieces


def _value(pieces: list[Piece]) -> Value:
    """Return what stands between two brackets."""
    if all(value is None or not key for key, value in pieces):
        return [key if value is None else value for key, value in pieces]
    return {key: "" if value is None else value for key, value in pieces}
