"""NG requests as Kamailio 5.6 sent them, and what rtpengine 10.5 replied; others as OpenSIPS writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

KAMAILIO = Path(__file__).with_name("kamailio_ng_messages.txt")
"""Captured from the wire."""

OPENSIPS = Path(__file__).with_name("opensips_ng_messages.txt")
"""Written by hand."""

_HEADER = re.compile(r"=== (?P<name>\S+)  cookie=(?P<cookie>\S+)")


@frozen
class Exchange:
    """One request and its reply.

    Attributes:
        name: number, scenario and command: ``002_plain_offer``.
        request, reply: decoded; keys in the order of the wire, SDP with its CRLF line ends.
    """

    name: str
    cookie: str
    request: dict[str, Any]
    reply: dict[str, Any]

    @property
    def command(self) -> str:
        return str(self.request["command"])


def exchanges(*commands: str, file: Path = KAMAILIO) -> list[Exchange]:
    """Return what there is in a file, of some commands only if any are named."""
    return [exchange for exchange in _parse(file) if not commands or exchange.command in commands]


def _parse(file: Path) -> Iterator[Exchange]:
    text = file.read_text(encoding="utf-8")
    for chapter in text.split("\n\n==="):
        header, _, rest = chapter.partition("\n--> request\n")
        match = _HEADER.fullmatch("=== " + header.removeprefix("===").strip())
        assert match is not None, header
        request, reply = rest.split("\n<-- reply\n")
        yield Exchange(match["name"], match["cookie"], _dictionary(request), _dictionary(reply))


def _dictionary(text: str, indent: int = 2) -> dict[str, Any]:
    """Read lines of ``key: literal``, ``key: |`` with a text below, or ``key:`` with a dictionary below."""
    found: dict[str, Any] = {}
    for block in re.split(rf"\n(?= {{{indent}}}\S)", text.strip("\n")):
        first, *below = block.split("\n")
        key, _, value = first[indent:].partition(":")
        if value == " |":
            found[key] = "".join(line[indent + 2 :] + "\r\n" for line in below)
        elif value:
            found[key] = ast.literal_eval(value.strip())
        else:
            found[key] = _dictionary("\n".join(below), indent + 2) if below else {}
    return found
