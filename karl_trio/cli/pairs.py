"""The keys of a request as they are typed: `key=value`, `key:=JSON`, `key=@FILE`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

LISTS = frozenset(
    (
        *("OSRTP", "SDES", "T.38", "bundle", "direction", "flags", "from-tags"),
        *("rtcp-mux", "replace", "sdp-media-remove", "supports"),
    )
)
"""The keys whose values are lists, and so are split at commas; in a call-id a comma is a comma."""


class PairError(ValueError):
    """Something typed that is no key and value; the message is for the person who typed it."""


def request_of(command: str, pairs: Iterable[str], read: Callable[[str], bytes]) -> dict[str, object]:
    """Return the request that the arguments of `karl-trio ng` ask for.

    `key=value` is a string, or a list when the key is given more than once, or when it is one that
    takes a list and the value has commas. `key:=JSON` is any JSON value without fractions and nulls.
    `key=@FILE` is a file's contents, `key=@-` those of standard input, and `key=@@text` is `@text`.

    Args:
        read: returns the contents of a file, `-` being standard input.

    Raises:
        PairError: one of the arguments makes no sense.
    """
    request: dict[str, object] = {"command": command}
    for pair in pairs:
        key, value = _split(pair, read)
        if key == "command":
            raise PairError(f"{pair!r}: the command is the first argument")
        if key in request:
            request[key] = [*_as_list(request[key]), *_as_list(value)]
        else:
            request[key] = value
    return request


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _split(pair: str, read: Callable[[str], bytes]) -> tuple[str, object]:
    key, equals, text = pair.partition("=")
    if not equals or not key.rstrip(":"):
        raise PairError(f"{pair!r} is not key=value, key:=JSON or key=@FILE")
    if key.endswith(":"):
        return key[:-1], _json(pair, text)
    if text.startswith("@@"):
        return key, text[1:]
    if text.startswith("@"):
        try:
            return key, read(text[1:]).decode(errors="surrogateescape")
        except OSError as error:
            raise PairError(f"{pair!r}: {error.strerror}") from error
    if key in LISTS and "," in text:
        return key, [item for item in text.split(",") if item]
    return key, text


def _json(pair: str, text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PairError(f"{pair!r} is not JSON: {error}") from error
    if _has_no_bencode(value):
        raise PairError(f"{pair!r}: the protocol knows no fractions and no null")
    return value


def _has_no_bencode(value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(map(_has_no_bencode, value))
    return value is None or isinstance(value, float)
