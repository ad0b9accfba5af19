"""The lines of a session description, kept so that they can be put together again to the byte."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen
class Line:
    """One line: ``<kind>=<value>`` and how it ended.

    Attributes:
        kind: the letter before the equals sign; empty when there is no such letter, and then
            `value` is the whole line.
        value: what stands after the equals sign.
        ending: CRLF, LF, or nothing at the end of the text.
    """

    kind: str
    value: str
    ending: str

    def __str__(self) -> str:
        return f"{self.kind}={self.value}{self.ending}" if self.kind else f"{self.value}{self.ending}"


def split(text: str) -> tuple[Line, ...]:
    """Take any text apart, so that `join` gives back exactly the same text."""
    # Not splitlines(): SDP knows CRLF and LF only, and other characters that Unicode
    # takes for the end of a line may stand in a session name.
    *ended, rest = text.split("\n")
    lines = [_line(body[:-1], "\r\n") if body.endswith("\r") else _line(body, "\n") for body in ended]
    if rest:
        lines.append(_line(rest, ""))
    return tuple(lines)


def _line(body: str, ending: str) -> Line:
    return Line(body[0], body[2:], ending) if body[1:2] == "=" else Line("", body, ending)


def join(lines: Iterable[Line]) -> str:
    """Put lines together; the inverse of `split`."""
    return "".join(map(str, lines))
