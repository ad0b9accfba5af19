"""From values off the wire to the types of the request classes, with cattrs.

Clients differ in what they write where one value is meant: numbers as digits, a list with one entry, a
string for a list. All of that is taken; what cannot be meant raises, and the error names the key.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NewType, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from karl_trio.endpoint import Family, canonical
from karl_trio.errors import InvalidParameters

from .keys import canonical as canonical_key

T = TypeVar("T", bound=attrs.AttrsInstance)

MAX_DIGITS = 20
"""Characters of a number: all that 64 bits need, with its sign."""

MAX_ADDRESS = 45
"""Characters of the longest spelling of an IPv6 address."""

Address = NewType("Address", str)
"""A literal IP address in its canonical spelling."""

SourceAddress = NewType("SourceAddress", str)
"""The same, which the wire has with its family before it."""

Body = NewType("Body", str)
"""A string that is judged elsewhere, even when it is empty."""

Seconds = NewType("Seconds", float)
"""A time that is not negative."""

Protocol = NewType("Protocol", str)
"""A transport protocol in upper case."""


def _single(value: object) -> object:
    """Return what stands alone in a list, or the value itself."""
    return value[0] if type(value) is list and len(value) == 1 else value


def _text(value: object, _: object = None) -> str:
    value = _single(value)
    if type(value) is not str:
        raise TypeError("not a string")
    return value


def _name(value: object, _: object) -> str:
    if type(value) is str and value:  # the rule; the rest is for the exceptions
        return value
    text = _text(value)
    if not text:
        raise ValueError("empty")
    return text


def _optional_name(value: object, _: object) -> str | None:
    return _text(value) or None


def _whole(value: object, _: object = None) -> int:
    value = _single(value)
    if type(value) is int:
        return value
    if type(value) is not str:
        raise TypeError("not a number")
    digits = value.strip()
    if len(digits) > MAX_DIGITS or "_" in digits or not digits.isascii():
        raise ValueError("not a number")
    try:
        return int(digits, 0)
    except ValueError:
        # Leading zeros, which Python refuses in base 0: "007".
        return int(digits, 10)


def _seconds(value: object, _: object) -> Seconds:
    value = _single(value)
    try:
        number = float(_whole(value))
    except ValueError:
        if len(str(value)) > MAX_DIGITS:
            raise
        number = float(str(value))
    if not 0 <= number < math.inf:
        raise ValueError("not a number of seconds")
    return Seconds(number)


def _switch(value: object, _: object) -> bool:
    # Spellings are no matter here: `words` has brought them all to these two.
    return {"on": True, "off": False}[_text(value)]


def _upper(value: object, _: object) -> str:
    return _text(value).upper()


def _address(value: object, _: object) -> Address:
    text = _text(value)
    if len(text) > MAX_ADDRESS + len("[]"):
        raise ValueError("not an IP address")
    return _canonical_address(text)


@lru_cache(maxsize=256)
def _canonical_address(text: str) -> Address:
    # A proxy tells the same few addresses over and over, and the parsing of one is dear.
    address = canonical(text.strip("[]"))
    if "%" in address:
        raise ValueError("an address with a zone, which means nothing to anyone else")
    return Address(address)


def _source_address(value: object, _: object) -> SourceAddress:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not 1 <= len(value) <= 2:
        raise TypeError("not an address with or without its family")
    return SourceAddress(_address(value[-1], None))


def _lists(value: object, _: object) -> dict[str, tuple[str, ...]]:
    assert isinstance(value, dict), "Parameters makes no other"
    return {name: tuple(items) for name, items in value.items()}


def _dictionaries(value: object, _: object) -> tuple[dict[str, object], ...]:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("not a list of dictionaries")
    return tuple([_canonical_keys(item) for item in value])


def _canonical_keys(value: Any) -> Any:
    """Return a value with the keys of all dictionaries in it in their one spelling."""
    if isinstance(value, dict):
        return {canonical_key(key): _canonical_keys(inner) for key, inner in value.items()}
    return [_canonical_keys(item) for item in value] if isinstance(value, list) else value


def _strings(value: object, _: object) -> tuple[str, ...]:
    assert isinstance(value, (list, tuple)), "Parameters makes no other"
    return tuple(value)


def _set(value: object, _: object) -> frozenset[str]:
    assert isinstance(value, (list, set)), "Parameters makes no other"
    return frozenset(value)


_HOOKS: dict[object, Callable[[Any, Any], object]] = {
    str: _name,
    str | None: _optional_name,
    Body: _text,
    int: _whole,
    bool: _switch,
    Seconds: _seconds,
    Address: _address,
    SourceAddress: _source_address,
    Protocol: _upper,
    Family: _upper,
    tuple[str, ...]: _strings,
    frozenset[str]: _set,
    Mapping[str, tuple[str, ...]]: _lists,
    Mapping[str, Any]: lambda value, _: value,
    tuple[Mapping[str, Any], ...]: _dictionaries,
}
# The hook for each type of a field. Only these types occur: there is a test for that.


def hook_for(annotation: object) -> Callable[[Any, Any], object]:
    """Return what makes the type of a field.

    None is never made of a value: the keys of optional attributes are absent or hold something. A string
    is the exception, for an empty one says no more than none.
    """
    if annotation not in _HOOKS:
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    return _HOOKS[annotation]


def key_of(name: str) -> str:
    """Return the canonical key for an attribute."""
    return name.replace("_", "-")


_converter = cattrs.Converter(detailed_validation=False)


def structurer(cls: type[T]) -> Callable[[Mapping[str, object]], T]:
    """Return a function that makes a `cls` from collected values; it takes a millisecond to write it."""
    attrs.resolve_types(cls)
    fields = attrs.fields(cls)
    overrides: Any = {a.name: override(rename=key_of(a.name), struct_hook=hook_for(a.type)) for a in fields}
    # Detailed validation would name the key that is wrong, but costs every good request three times as much.
    make = make_dict_structure_fn(cls, _converter, _cattrs_detailed_validation=False, **overrides)

    def structure(values: Mapping[str, object]) -> T:
        try:
            return make(values, cls)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidParameters(_explain(values) or str(error)) from error

    def _explain(values: Mapping[str, object]) -> str:
        """Find the key that is wrong; only after something was."""
        for a in fields:
            key = key_of(a.name)
            if key not in values:
                if a.default is attrs.NOTHING:
                    return f"{key}: missing"
                continue
            try:
                hook_for(a.type)(values[key], None)
            except (KeyError, TypeError, ValueError) as error:
                return f"{key}: {error}"
        return ""

    return structure
