"""What an NG dictionary can hold, and how our own values become that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias, TypeVar

Value: TypeAlias = "str | int | list[Value] | dict[str, Value]"
"""One decoded value. Text that is no UTF-8 survives as lone surrogates (``surrogateescape``)."""

# The limits of both encodings, bencode and JSON.

MAX_DEPTH = 16
"""Dictionaries and lists within each other; the deepest reply that rtpengine gives nests 9."""

MAX_ITEMS = 20_000
"""Values in one message, keys not counted: far more than any useful datagram has (the largest `query` reply
that fits in one has about 6000), and at half a microsecond each, none holds the loop for more than 10 ms."""

MAX_INT_DIGITS = 19
"""What a signed 64-bit number needs; more only costs time (`int` of text is quadratic)."""

T = TypeVar("T")


def wire_form(value: object, text: Callable[[str], T]) -> object:
    """Return `value` in the types that the encoders know.

    Enumerations stand for their values, addresses for their spelling, booleans for 0 and 1,
    tuples for lists; dictionary entries that are None are left out.

    Args:
        text: what a string becomes: bytes for bencode, itself for JSON.

    Raises:
        TypeError: there is no such thing in NG, as for floats, and None outside of a dictionary.
    """
    kind = type(value)
    if kind is str:
        return text(value)  # type: ignore[arg-type]  # mypy does not narrow by type()
    if kind is int:
        return value
    if kind is dict:
        # Strings are by far the most common: for them the call is saved.
        return {
            text(key if type(key) is str else key_text(key)): text(item)
            if type(item) is str
            else wire_form(item, text)
            for key, item in value.items()  # type: ignore[attr-defined]
            if item is not None
        }
    if kind is list or kind is tuple:
        return [
            text(item) if type(item) is str else wire_form(item, text)
            for item in value  # type: ignore[attr-defined]
        ]
    return _unusual(value, text)


def key_text(key: object) -> str:
    """Return what a key of a dictionary is called on the wire.

    Raises:
        TypeError: it is no key.
    """
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, (str, IPv4Address, IPv6Address)):
        raise TypeError(f"{type(key).__name__} is no key of a dictionary: {key!r}")
    return str(key)


def _unusual(value: object, text: Callable[[str], T]) -> object:
    match value:
        case Enum():
            return wire_form(value.value, text)
        case bool() | int():
            return int(value)
        case bytes():
            return text(value.decode("utf-8", "surrogateescape"))
        case str() | IPv4Address() | IPv6Address():
            return text(str(value))
        case Mapping():
            return wire_form(dict(value), text)
        case list() | tuple() | set() | frozenset():
            return wire_form(sorted(value) if isinstance(value, (set, frozenset)) else list(value), text)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in NG: {value!r}")
