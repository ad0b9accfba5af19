"""Write the tables of docs/ng-protocol.md anew from the tables of the code: `python -m scripts.tables`.

They stand between `<!-- table: NAME -->` and `<!-- end -->`. A test tells when they are out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from karl_trio.calls.explanation import Verdict, judge
from karl_trio.ng.flags import BARE_TRANSPORTS, FLAGS, TRANSPORTS
from karl_trio.ng.keys import KEYS, Kind
from karl_trio.ng.meanings import entries
from karl_trio.ng.requests import REQUESTS, OfferRequest, Request, SdpRequest, keys_of
from karl_trio.ng.structuring import key_of
from karl_trio.ng.words import CODEC_OPERATIONS, FAMILIES, WORDS
from karl_trio.server.commands.unsupported import MISSING

DOCUMENT = Path(__file__).parents[1] / "docs" / "ng-protocol.md"

_TABLE = re.compile(r"(<!-- table: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_HOLDS = {
    Kind.WORD: "a word",
    Kind.WORDS: "words",
    Kind.LIST: "a list",
    Kind.CODEC: "a dictionary",
    Kind.DICTIONARY: "a dictionary",
    Kind.EXTENSIONS: "a dictionary",
    Kind.FLAGS: "flags",
}
"""What a key holds; any other kind is one value."""

_COMMON = keys_of(Request)
"""What every request may have."""

Rows = Iterator[Sequence[str]]


def code(*names: str) -> str:
    """Write names as code, side by side."""
    return ", ".join(f"`{name}`" for name in names)


def state(text: str) -> str:
    """Say what this version does with an entry, where it does not simply obey."""
    (entry,) = entries(text)
    verdict = judge(entry).verdict
    return "" if verdict in (Verdict.WORKS, Verdict.INVALID) else verdict.value


def commands() -> Rows:
    yield "command", "does", "needs", "may have"
    for request in REQUESTS.values():
        needs = [key_of(each.name) for each in attrs.fields(request) if each.default is attrs.NOTHING]
        may_have = code(*sorted(keys_of(request) - _COMMON - {*needs}))
        if issubclass(request, SdpRequest) and request is not OfferRequest:
            more = sorted(keys_of(request) - keys_of(OfferRequest) - {*needs})
            may_have = f"what an offer may have; {code(*more)}" if more else "what an offer may have"
        about = (request.__doc__ or "").partition("\n")[0]
        if request in MISSING:
            about = f"*not supported yet.* {about}"
        yield code(request.command), about, code(*needs), may_have


def keys() -> Rows:
    yield "key", "holds", "meaning", "also called"
    for name, key in KEYS.items():
        yield code(name), _HOLDS.get(key.kind, "a value"), key.meaning, code(*key.also)


def flags() -> Rows:
    yield "flag", "meaning", "short for", "also called", "state"
    for name, flag in FLAGS.items():
        yield code(name), flag.meaning, code(*flag.stands_for), code(*flag.also), state(name)


def words() -> Rows:
    yield "key", "word", "meaning", "also called", "state"
    for key, vocabulary in WORDS.items():
        for word, flag in vocabulary.items():
            is_one_entry = not {" ", "*"} & {*word}
            told = state(f"{key}={word}") if is_one_entry else ""
            yield code(key), code(word), flag.meaning, code(*flag.also), told


def codec_operations() -> Rows:
    yield "operation", "meaning"
    for operation, meaning in CODEC_OPERATIONS.items():
        yield code(f"codec-{operation}-NAME"), meaning


def prefixes() -> Rows:
    yield "flag", "means"
    for prefix, family in FAMILIES.items():
        inner = f"[{family.operation}=[...]]" if family.operation else "..."
        yield code(f"{prefix}-..."), code(f"{family.key}={inner}")


def transports() -> Rows:
    yield "word", "adds", "takes away"
    for word, (adds, takes_away) in BARE_TRANSPORTS.items():
        yield code(word.upper()), ", ".join(sorted(adds)), ", ".join(sorted(takes_away))
    for parts, name in TRANSPORTS.items():
        yield f"all in all: {' + '.join(sorted(parts)) or 'nothing'}", code(name.upper()), ""


TABLES: dict[str, Callable[[], Rows]] = {
    "commands": commands,
    "keys": keys,
    "flags": flags,
    "words": words,
    "codec operations": codec_operations,
    "prefixes": prefixes,
    "transports": transports,
}


def table(rows: Rows) -> str:
    """Return a table in Markdown, its first row as the header."""
    header, *body = rows
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def filled(document: str) -> str:
    """Return a document with its tables as they should be."""
    return _TABLE.sub(lambda match: f"{match[1]}{table(TABLES[match['name']]())}{match[3]}", document)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
