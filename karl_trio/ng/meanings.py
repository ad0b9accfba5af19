"""What the flags and keys of a request mean, entry by entry, in words for a person.

Everything comes from the tables that a request is read with, so it is told here as it will be understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from . import rtpp_flags
from .flags import FLAGS
from .flags import NAMES as FLAG_NAMES
from .keys import KEYS, canonical
from .keys import NAMES as KEY_NAMES
from .parameters import Parameters, collect
from .words import CODEC_OPERATIONS, WORDS, prefix_of

_UPPER = frozenset({"transport-protocol", "address-family"})
"""Keys whose words everybody writes in upper case."""


@frozen
class Entry:
    """One flag, or one key with its value.

    Attributes:
        text: as it was written.
        canonical: what it says, as we spell that; several entries where it stands for several.
        meaning: one sentence for each thing that it says.
        parameters: what a request makes of it.
    """

    text: str
    canonical: tuple[str, ...]
    meaning: tuple[str, ...]
    parameters: Parameters

    @property
    def is_obsolete(self) -> bool:
        """Whether it names something that nobody needs any more."""
        return any(FLAGS[FLAG_NAMES[flag]].is_obsolete for flag in self.parameters.flags)

    @property
    def is_filled_in(self) -> bool:
        """Whether a variable of a script, `$var(name)`, stands for it or for the value of its key."""
        name, equals, value = self.text.partition("=")
        return name.startswith("$") or (bool(equals) and canonical(name) in KEY_NAMES and "$" in value)

    @property
    def is_template(self) -> bool:
        """Whether it names a template, which only the server knows."""
        return canonical(self.text.partition("=")[0]) == "template"


def entries(text: str) -> list[Entry]:
    """Return the entries of a string such as ``trust-address codec=[strip=[all]]``.

    Raises:
        Malformed: its brackets do not match.
        InvalidParameters: a value is of the wrong type for its key; the detail names it.
    """
    rtpp_flags.parse(text)
    return [_entry(piece) for piece in _split(text)]


def _split(text: str) -> Iterator[str]:
    """Split at the spaces that are in no brackets."""
    depth = start = 0
    for at, character in enumerate(text + " "):
        depth += (character == "[") - (character == "]")
        if character.isspace() and not depth:
            if at > start:
                yield text[start:at]
            start = at + 1


def _entry(text: str) -> Entry:
    parameters = collect({"rtpp-flags": text})
    flag = FLAG_NAMES.get(canonical(text))
    meaning: Sequence[str] = [FLAGS[flag].meaning] if flag is not None else [*_meaning(text, parameters)]
    return Entry(text, tuple(_canonical(parameters)), tuple(dict.fromkeys(meaning)), parameters)


def _canonical(parameters: Parameters) -> Iterator[str]:
    for flag in sorted(parameters.flags):
        yield FLAG_NAMES[flag]
    for key, value in parameters.values.items():
        text = _written(value)
        yield f"{key}={text.upper() if key in _UPPER else text}"


def _written(value: object) -> str:
    """Write a value as `rtpp-flags` has it."""
    match value:
        case [single] if not isinstance(single, (list, dict)):
            return str(single)
        case list():
            return f"[{' '.join(map(_written, value))}]"
        case dict():
            return f"[{' '.join(f'{key}={_written(item)}' for key, item in value.items())}]"
        case _:
            return str(value)


def _meaning(text: str, parameters: Parameters) -> Iterator[str]:
    for key, value in parameters.values.items():
        if key == "codec" and isinstance(value, dict):
            yield from (CODEC_OPERATIONS[operation] for operation in value)
        elif key in WORDS:
            for word in [value] if isinstance(value, str) else value if isinstance(value, list) else ():
                yield _word_meaning(key, word)
        else:
            yield KEYS[key].meaning
    for flag in sorted(parameters.flags):
        yield FLAGS[FLAG_NAMES[flag]].meaning
    if parameters.values or parameters.flags:
        return
    name = canonical(text.partition("=")[0])
    if name in KEY_NAMES:
        yield KEYS[KEY_NAMES[name]].meaning
    elif name in FLAG_NAMES and not parameters.warnings:
        yield "Does without this flag, as if it were not there."


def _word_meaning(key: str, word: str) -> str:
    return WORDS[key][word if word in WORDS[key] else f"{prefix_of(key, word)}*"].meaning
