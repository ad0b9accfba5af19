"""`explain`: what the flags in a SIP proxy's script mean, and what this version does with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from karl_trio.calls.contradictions import Contradiction, contradictions
from karl_trio.calls.explanation import Explanation, Verdict, judge
from karl_trio.errors import InvalidParameters, Malformed
from karl_trio.ng.meanings import entries

from .screen import Screen, as_json, printable
from .status import ExitStatus, complain

_CALL = re.compile(r"\brtpengine_\w+\s*\(")
"""A call of the SIP proxy's rtpengine module, up to its arguments."""

_PART = re.compile(
    r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<variable>\$\w+(?:\([^()]*\))?)|\+)"""
)
"""A part of its first argument: strings and variables, joined by plus signs."""

_AT_FAULT = frozenset({Verdict.UNKNOWN, Verdict.INVALID})
_TOLD_BY_NOTE = frozenset({Verdict.WORKS, Verdict.UNKNOWN, Verdict.NO_EFFECT})
_STYLES = {
    Verdict.UNKNOWN: "red",
    Verdict.INVALID: "red",
    Verdict.REFUSED: "yellow",
    Verdict.NO_EFFECT: "yellow",
    Verdict.OBSOLETE: "yellow",
}


def explain(*flags: str, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Say what the flags in a SIP proxy's script do.

    Parameters
    ----------
    flags
        The flags, as one argument or several: `'RTP/AVP ICE=remove codec-strip-G729'`. A whole line
        of a script will do: `'rtpengine_manage("replace-origin trust-address")'`.
    json
        Print the explanation as JSON.
    """
    if not flags:
        complain("there are no flags to explain")
        return ExitStatus.USAGE
    try:
        found = entries(flags_of(" ".join(flags)))
    except (Malformed, InvalidParameters) as error:
        complain(str(error))
        return ExitStatus.USAGE
    judged = [judge(entry) for entry in found]
    clashes = [*contradictions(found)]
    if json:
        Screen().line(as_json(_as_dictionary(judged, clashes)))
    else:
        _show(judged, clashes)
    return ExitStatus.FAILED if any(each.verdict in _AT_FAULT for each in judged) else ExitStatus.OK


def flags_of(text: str) -> str:
    """Return the flags in a call such as `rtpengine_manage("...")`; a text without one is all flags."""
    call = _CALL.search(text)
    if call is None:
        return text
    at, flags = call.end(), ""
    while part := _PART.match(text, at):
        flags += part["double"] or part["single"] or part["variable"] or ""
        at = part.end()
    return flags


def _as_dictionary(judged: Sequence[Explanation], clashes: Sequence[Contradiction]) -> dict[str, object]:
    return {
        "entries": [
            {
                "entry": each.entry.text,
                "canonical": list(each.entry.canonical),
                "meaning": list(each.entry.meaning),
                "verdict": each.verdict.value,
                **({"note": each.note} if each.note else {}),
            }
            for each in judged
        ],
        "contradictions": [{"entries": list(clash.texts), "outcome": clash.outcome} for clash in clashes],
    }


def _show(judged: Sequence[Explanation], clashes: Sequence[Contradiction]) -> None:
    screen = Screen()
    for each in judged:
        screen.line(printable(each.entry.text), style="bold")
        for sentence in each.entry.meaning:
            screen.line(f"    {sentence}")
        if each.entry.canonical not in ((), (each.entry.text,)):
            screen.line(printable(f"    = {' '.join(each.entry.canonical)}"))
        if told := _remark(each):
            screen.line(printable(f"    {told}"), style=_STYLES.get(each.verdict))
    for clash in clashes:
        screen.line(printable(f"! {' with '.join(clash.texts)}: {clash.outcome}"), style="yellow")


def _remark(each: Explanation) -> str:
    """Return what there is to say beyond the meaning of an entry."""
    if each.verdict in _TOLD_BY_NOTE:
        return each.note
    return f"{each.verdict.value}: {each.note}" if each.note else each.verdict.value
