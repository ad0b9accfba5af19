"""JSON as NG uses it: the same values as in bencode, and the same limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from karl_trio.errors import Malformed

from .values import MAX_DEPTH, MAX_INT_DIGITS, MAX_ITEMS, Value, key_text, plain


def decode(data: bytes) -> Value:
    """Decode one JSON document; true and false become 1 and 0, entries that are null are left out.

    Raises:
        Malformed: it is not JSON, holds what NG has not (fractions, null in a list, a key for
            the second time, half of a surrogate pair), or goes beyond a limit.
    """
    text = data.decode("utf-8", "surrogateescape")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_dictionary,
            parse_int=_whole,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        raise Malformed(f"no JSON ({error.msg})", offset) from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    return _checked(document, 0, iter(range(MAX_ITEMS)))


def encode(value: object) -> bytes:
    """Encode a value as bencode does, without spaces and with characters as they are.

    Raises:
        TypeError: `plain` knows nothing that stands for it.
    """
    text = json.dumps(_plain_throughout(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogateescape")


def _plain_throughout(value: object) -> object:
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is dict:
        entries = value.items()  # type: ignore[attr-defined]  # mypy does not narrow by type()
        return {key_text(key): _plain_throughout(item) for key, item in entries if item is not None}
    if kind is list or kind is tuple:
        return [_plain_throughout(item) for item in value]  # type: ignore[attr-defined]
    return _plain_throughout(plain(value))


_TOO_DEEP = f"more than {MAX_DEPTH} values within each other"


def _dictionary(pairs: list[tuple[str, object]]) -> dict[str, object]:
    dictionary = dict(pairs)
    if len(dictionary) != len(pairs):
        raise Malformed("a key for the second time")
    return dictionary


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INT_DIGITS:
        raise Malformed("no integer")
    return int(digits)


def _refuse_number(digits: str) -> NoReturn:
    raise Malformed(f"{digits[:MAX_INT_DIGITS]} is no integer")


def _checked(value: object, depth: int, budget: Iterator[int]) -> Value:
    """Return the value as bencode would have brought it."""
    if next(budget, None) is None:
        raise Malformed(f"more than {MAX_ITEMS} values")
    if depth >= MAX_DEPTH and isinstance(value, (list, dict)):
        raise Malformed(_TOO_DEEP)
    match value:
        case str():
            return _text(value)
        case int():
            return int(value)
        case list():
            return [_checked(item, depth + 1, budget) for item in value]
        case dict():
            return {
                _text(key): _checked(item, depth + 1, budget)
                for key, item in value.items()
                if item is not None
            }
        case _:
            raise Malformed("null has no form in NG")


def _text(text: str) -> str:
    # JSON can write half of a surrogate pair as an escape, and then nothing can be done with the string.
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Malformed("half of a surrogate pair") from None
    return text
