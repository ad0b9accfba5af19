"""Bencode, as NG uses it: keys in any order, and nothing else that is loose.

SIP proxies write the keys in the order in which they came to need them, so the rule of sorted keys does
not hold on this wire, and libraries that insist on it are of no use here. Every other rule is
held to, for the bytes come from a network: one pass, no recursion, no copy of what is still to be read, and
limits on everything that a sender chooses.

Strings come out as `str`, decoded in the same pass, since all that follows works on text. Bytes that
are no UTF-8 survive (``surrogateescape``) and are written back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import NoReturn

import bencoder

from karl_trio.errors import Malformed

from .values import MAX_DEPTH, MAX_INT_DIGITS, MAX_ITEMS, Value, key_text, plain

MAX_LENGTH_DIGITS = 9
"""Digits in the length of a string: far more than any transport carries, and never a slow `int`."""

LONGEST_REMEMBERED = 24
"""Characters of a string whose encoding is remembered: keys and flags have that at most, an SDP has not."""

MOST_REMEMBERED = 4096
"""Encodings that are remembered: our own words are some 300, and strangers' fill no more than half a MB."""

_SHORT_LENGTHS = {str(length): length for length in range(1000)}
# Checks and converts the length of nearly every string in one step; "01" and "+1" are not in it.

_INTEGER = re.compile(rf"0|-?[1-9][0-9]{{0,{MAX_INT_DIGITS - 1}}}")
_DIGITS_TO_THE_END = re.compile(r"-?([0-9]*)\Z")
_LENGTH = re.compile(rf"0|[1-9][0-9]{{0,{MAX_LENGTH_DIGITS - 1}}}")


class Truncated(Malformed):
    """The data ends before the value does; on a byte stream the rest may still come."""


def decode(data: bytes) -> Value:
    """Decode exactly one value.

    Raises:
        Malformed: it is not bencode, goes beyond a limit, or something follows it.
    """
    value, end = decode_prefix(data)
    if end != len(data):
        raise Malformed("data after the value", end)
    return value


def decode_prefix(data: bytes, start: int = 0, *, max_items: int = MAX_ITEMS) -> tuple[Value, int]:
    """Decode the value that begins at `start`, and say where it ends.

    Args:
        max_items: values that there may be, keys not counted.

    Raises:
        Truncated: the data ends too early.
        Malformed: it is not bencode, or goes beyond a limit. Offsets count from the start of `data`.
    """
    # One character for each byte, so that lengths and offsets hold; strings that are not ASCII
    # are decoded again, by themselves.
    text = data.decode("latin-1")
    is_ascii = data.isascii()
    size = len(text)
    find = text.find
    short_lengths = _SHORT_LENGTHS

    # The container being filled, the key that waits for its value, and those further out.
    container: dict[str, Value] | list[Value] | None = None
    key: str | None = None
    outer: list[tuple[dict[str, Value] | list[Value] | None, str | None]] = []
    value: Value
    items = 0
    at = start
    try:
        while True:
            byte = text[at]
            if key is None and type(container) is dict and byte != "e":
                colon = find(":", at, at + MAX_LENGTH_DIGITS + 1)
                length = short_lengths.get(text[at:colon]) if colon > 0 else None
                if length is None:
                    length = _long_length(text, at, colon)
                begin = at
                at = colon + 1 + length
                key = text[colon + 1 : at]
                if not is_ascii and not key.isascii():
                    key = key.encode("latin-1").decode("utf-8", "surrogateescape")
                if at >= size:
                    raise Truncated("the data ends within a dictionary", size)
                if key in container:
                    raise Malformed("a key for the second time", begin)
                byte = text[at]

            if byte in "0123456789":
                colon = find(":", at, at + MAX_LENGTH_DIGITS + 1)
                length = short_lengths.get(text[at:colon]) if colon > 0 else None
                if length is None:
                    length = _long_length(text, at, colon)
                at = colon + 1 + length
                if at > size:
                    raise Truncated("a string longer than the data", colon + 1)
                value = text[colon + 1 : at]
                if not is_ascii and not value.isascii():
                    value = value.encode("latin-1").decode("utf-8", "surrogateescape")
            elif byte == "e" and container is not None and key is None:
                value = container
                container, key = outer.pop()
                at += 1
            elif byte in "dl":
                outer.append((container, key))
                if len(outer) > MAX_DEPTH:
                    raise Malformed(f"more than {MAX_DEPTH} values within each other", at)
                container, key = ({} if byte == "d" else []), None
                at += 1
                continue
            elif byte == "i":
                end = find("e", at, at + MAX_INT_DIGITS + 3)
                digits = text[at + 1 : end]
                if end < 0 or not _INTEGER.fullmatch(digits):
                    _refuse_integer(text, at)
                value = int(digits)
                at = end + 1
            else:
                raise Malformed("no value", at)

            items += 1
            if items > max_items:
                raise Malformed(f"more than {max_items} values", at)
            if container is None:
                return value, at
            if key is None:
                container.append(value)  # type: ignore[union-attr]  # a dictionary has a key by now
            else:
                container[key] = value  # type: ignore[call-overload]  # and only a dictionary has one
                key = None
    except IndexError:
        raise Truncated("the data ends within a value", size) from None


def _long_length(text: str, at: int, colon: int) -> int:
    """Return a string length that is no short one; a function of its own to keep the loop short."""
    if colon > 0 and _LENGTH.fullmatch(text, at, colon):
        return int(text[at:colon])
    if colon < 0 and _LENGTH.fullmatch(text, at):
        raise Truncated("the data ends within a length", len(text))
    raise Malformed("no length of a string", at)


def _refuse_integer(text: str, at: int) -> NoReturn:
    digits = _DIGITS_TO_THE_END.match(text, at + 1)
    if digits and len(digits[1]) <= MAX_INT_DIGITS:
        raise Truncated("the data ends within an integer", len(text))
    raise Malformed("no integer", at)


def encode(value: object) -> bytes:
    """Encode a value, the keys of dictionaries sorted and entries that are None left out.

    Raises:
        TypeError: `plain` knows nothing that stands for it.
    """
    pieces: list[bytes] = []
    _write(value, pieces.append)
    return b"".join(pieces)


def _write(value: object, append: Callable[[bytes], None]) -> None:
    kind = type(value)
    if kind is str:
        append(_STRINGS.get(value) or _string(value))  # type: ignore[call-overload, arg-type]
    elif kind is int:
        append(bencoder.encode(value))
    elif kind is dict:
        append(b"d")
        for key, item in _in_order(value):  # type: ignore[arg-type]  # mypy does not narrow by type()
            if item is not None:
                append(_STRINGS.get(key) or _string(key))
                _write(item, append)
        append(b"e")
    elif kind is list or kind is tuple:
        append(b"l")
        for item in value:  # type: ignore[attr-defined]
            _write(item, append)
        append(b"e")
    else:
        _write(plain(value), append)


def _in_order(value: dict[object, object]) -> list[tuple[str, object]]:
    """Return the entries by their keys as they are written."""
    entries = [(key if type(key) is str else key_text(key), item) for key, item in value.items()]
    # Of what is no UTF-8, the octets are in another order than the characters that stand for them.
    entries.sort(key=_octets if any(not key.isascii() for key, _ in entries) else _KEY)
    return entries


def _octets(entry: tuple[str, object]) -> bytes:
    return entry[0].encode("utf-8", "surrogateescape")


_KEY = itemgetter(0)


def _string(text: str) -> bytes:
    """Encode a string, and remember it: replies say the same few hundred over and over."""
    encoded: bytes = bencoder.encode(text.encode("utf-8", "surrogateescape"))
    if len(text) <= LONGEST_REMEMBERED and len(_STRINGS) < MOST_REMEMBERED:
        _STRINGS[text] = encoded
    return encoded


_STRINGS: dict[str, bytes] = {}
