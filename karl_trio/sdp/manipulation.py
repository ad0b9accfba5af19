"""Attribute lines that a request adds, removes or replaces by itself: the key `sdp-attr`.

The changes are of the text only. They are made to a section that is written already, so they reach the
lines that we write ourselves, and nothing of them comes back into what we understand of the SDP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from karl_trio.errors import InvalidParameters

SESSION = "session"
"""What `manipulations` calls the session section."""

SESSION_WORDS = frozenset({"none", "global"})
"""What requests call it."""

MEDIA_KINDS = frozenset({"audio", "video", "text", "application", "message", "image"})
"""The registered kinds of media (RFC 8866, 8.2.1)."""

OTHER_KIND = "other"
"""What requests call all other kinds."""

COMMANDS = frozenset({"add", "remove", "substitute"})


@frozen(kw_only=True)
class AttributeChanges:
    """What to do with the a= lines of one section; attributes are written without their ``a=``.

    An attribute to remove or substitute is given by its name (``fmtp``, or ``fmtp:`` if it has a value), by
    its name and the first word of its value (``fmtp:101``), or in full; case makes no difference.

    Attributes:
        add: appended, unless they are there already.
        remove: left out, in lower case.
        substitute: what is written instead, by the attribute in lower case.
    """

    add: tuple[str, ...] = ()
    remove: frozenset[str] = frozenset()
    substitute: Mapping[str, str] = field(factory=dict)

    def apply(self, lines: Iterable[str]) -> list[str]:
        """Return the lines of a section as they are after the changes."""
        changed = []
        for line in lines:
            if line.startswith("a="):
                keys = _keys(line)
                if not self.remove.isdisjoint(keys):
                    continue
                # The fullest description counts first.
                key = next((key for key in keys if key in self.substitute), None)
                changed.append(line if key is None else f"a={self.substitute[key]}")
            else:
                changed.append(line)
        present = set(changed)
        changed.extend(line for line in (f"a={attribute}" for attribute in self.add) if line not in present)
        return changed


def _keys(line: str) -> tuple[str, ...]:
    """Return what an attribute line may be called, the fullest first."""
    attribute = line[2:].lower()
    name, colon, value = attribute.partition(":")
    if not colon:
        return (attribute,)
    return attribute, f"{name}:{value.partition(' ')[0]}", f"{name}:", name


def media_kind(kind: str) -> str:
    """Return what requests call a kind of media."""
    kind = kind.lower()
    return kind if kind in MEDIA_KINDS else OTHER_KIND


def is_media_kind(word: str) -> bool:
    """Whether a word from a request is a kind of media."""
    return word in MEDIA_KINDS or word == OTHER_KIND


def manipulations(sections: Mapping[str, object]) -> dict[str, AttributeChanges]:
    """Return the changes that the key `sdp-attr` asks for, by kind of media or `SESSION`.

    Raises:
        InvalidParameters: a section or a command that there is not, or what is no attribute.
    """
    found: dict[str, AttributeChanges] = {}
    for spelling, commands in sections.items():
        word = spelling.lower()
        if word not in SESSION_WORDS and not is_media_kind(word):
            raise InvalidParameters(f"sdp-attr: no such section: {spelling[:80]!r}")
        where = f"sdp-attr.{word}"
        if not isinstance(commands, dict):
            raise InvalidParameters(f"{where}: not a dictionary")
        unknown = commands.keys() - COMMANDS
        if unknown:
            raise InvalidParameters(f"{where}: no such command: {min(unknown)[:80]!r}")
        name = SESSION if word in SESSION_WORDS else word
        before = found.get(name, AttributeChanges())
        found[name] = AttributeChanges(
            add=(*before.add, *_attributes(f"{where}.add", commands.get("add", []))),
            remove=before.remove.union(
                attribute.lower() for attribute in _attributes(f"{where}.remove", commands.get("remove", []))
            ),
            substitute={**before.substitute, **_pairs(f"{where}.substitute", commands.get("substitute", []))},
        )
    return found


def _attributes(where: str, value: object) -> list[str]:
    values = value.split(",") if isinstance(value, str) else value
    if not isinstance(values, list):
        raise InvalidParameters(f"{where}: not a list")
    return [_attribute(where, item) for item in values]


def _attribute(where: str, value: object) -> str:
    # A line break would begin a line of any other kind.
    if not isinstance(value, str) or not value or not {"\r", "\n", "\0"}.isdisjoint(value):
        raise InvalidParameters(f"{where}: not an attribute")
    return value


def _pairs(where: str, value: object) -> dict[str, str]:
    """Read pairs, each a list of its own, ``["a", "b"]``, two strings in a row, or one string ``a>b``."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise InvalidParameters(f"{where}: not a list")
    pairs = {}
    items = iter(value)
    for item in items:
        pair = item.split(">", 1) if isinstance(item, str) else item
        if isinstance(item, str) and len(pair) < 2:
            pair = [item, next(items, None)]
        if not isinstance(pair, list) or len(pair) < 2:
            raise InvalidParameters(f"{where}: not a pair")
        pairs[_attribute(where, pair[0]).lower()] = _attribute(where, pair[1])
    return pairs
