"""What an NG dictionary can hold, and how our own values become that."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

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


def plain(value: object) -> object:
    """Return what stands for a value that is neither str, int, dict, list nor tuple itself.

    Enumerations stand for their values, addresses for their spelling, booleans for 0 and 1, sets for sorted
    lists. What is in them is left as it is.

    Raises:
        TypeError: there is no such thing in NG, as for floats, and None outside of a dictionary.
    """
    match value:
        case Enum():
            return value.value
        case bool() | int():
            return int(value)
        case bytes():
            return value.decode("utf-8", "surrogateescape")
        case str() | IPv4Address() | IPv6Address():
            return str(value)
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value)
        case list() | tuple():
            return list(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in NG: {value!r}")


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
