"""The examples of docs/ng-protocol.md and docs/subscriptions.md: what is asked, and what has to come back.

An example is a console block with `karl-trio ng ...` and what that prints. A diff block behind it has the
SDP: what was sent are the lines that begin with a space or a minus, what comes back are those with a space or
a plus. An sdp block has what was sent, where none comes back; without any block, the file holds what it held
before. `...` stands for anything, and as a line of its own for any lines. All examples under one heading are
carried out one after the other on the same server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

DOCUMENT = Path(__file__).parents[2] / "docs" / "ng-protocol.md"
DOCUMENTS = (DOCUMENT, DOCUMENT.with_name("subscriptions.md"))

_PART = re.compile(
    r"^(?:#+ (?P<heading>[^\n]+)|```(?P<kind>console|diff|sdp)\n(?P<text>.*?)^```)$", re.MULTILINE | re.DOTALL
)


@define
class Example:
    """One request.

    Attributes:
        line: as it is typed, behind the prompt.
        printed: the lines below it.
        sent, returned: the lines of the SDP; None where the example has none.
    """

    line: str
    printed: list[str] = field(factory=list)
    sent: list[str] | None = None
    returned: list[str] | None = None


def chapters() -> dict[str, list[Example]]:
    """Return the examples under each heading that has any."""
    found: dict[str, list[Example]] = {}
    heading = ""
    for part in _PART.finditer("\n".join(document.read_text() for document in DOCUMENTS)):
        if part["heading"]:
            heading = part["heading"]
        elif part["kind"] == "console":
            found.setdefault(heading, []).extend(_requests(part["text"]))
        else:
            lines = part["text"].splitlines()
            example = found[heading][-1]
            if part["kind"] == "sdp":
                lines = [f"-{line}" for line in lines]
            example.sent, example.returned = _sdp(lines, " -"), _sdp(lines, " +")
    return found


def _requests(text: str) -> Iterator[Example]:
    for command in re.split(r"^\$ karl-trio ng ", text, flags=re.MULTILINE)[1:]:
        line, *printed = command.replace("\\\n", "").splitlines()
        yield Example(line, printed)


def _sdp(lines: list[str], signs: str) -> list[str] | None:
    return [line[1:] for line in lines if line[0] in signs] or None
