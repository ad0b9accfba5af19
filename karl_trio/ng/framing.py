"""Messages on the wire: a cookie, a space, and a dictionary in bencode or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import frozen

from karl_trio.errors import Malformed

from . import bencode, json_body
from .values import MAX_ITEMS, Value

MAX_COOKIE = 256
"""Bytes; proxies send 10 to 40. Answers are kept under their cookie, so its length is what a sender can
make us keep, and nothing that has no space in this range is meant for us."""


class Format(Enum):
    """How a dictionary is written; a reply is written like its request."""

    BENCODE = "bencode"
    JSON = "json"


_FORMATS = {b"d": Format.BENCODE, b"{": Format.JSON}
# By the first byte of the dictionary.


@frozen
class Message:
    """One request or reply.

    Attributes:
        cookie: what ties a reply to its request, and a repeated request to the first; empty where the
            transport itself does the one, and nobody does the other.
        body: keys as they were spelled.
    """

    cookie: bytes
    body: dict[str, Value]
    format: Format = Format.BENCODE


class NoCookie(Malformed):
    """A datagram that cannot be answered, for nothing says to what."""


class BadBody(Malformed):
    """A message with a cookie whose dictionary cannot be decoded; offsets count from the cookie.

    Attributes:
        cookie: with which to answer; empty if there was to be none.
        format: how to write the answer.
    """

    def __init__(self, what: str, offset: int, cookie: bytes, format: Format) -> None:  # noqa: A002
        super().__init__(what, offset)
        self.cookie = cookie
        self.format = format


def cookie_of(datagram: bytes) -> bytes:
    """Return the cookie alone: a repeated request is known by it and need not be decoded.

    Raises:
        NoCookie: there is none.
    """
    length = datagram.find(b" ", 0, MAX_COOKIE + 1)
    if length < 1:
        raise NoCookie("no cookie")
    return datagram[:length]


def parse(datagram: bytes, *, max_items: int = MAX_ITEMS) -> Message:
    """Take a datagram apart.

    Args:
        max_items: values that there may be in bencode.

    Raises:
        NoCookie: there is none.
        BadBody: the rest is no dictionary.
    """
    cookie = cookie_of(datagram)
    return _parse_body(datagram, len(cookie) + 1, cookie, max_items)


def parse_plain(octets: bytes) -> Message:
    """Take a message apart that has no cookie.

    Raises:
        BadBody: it is no dictionary.
    """
    return _parse_body(octets, 0, b"", MAX_ITEMS)


def _parse_body(datagram: bytes, start: int, cookie: bytes, max_items: int) -> Message:
    form = _FORMATS.get(datagram[start : start + 1])
    if form is None:
        raise BadBody("no dictionary", start, cookie, Format.BENCODE)
    try:
        if form is Format.BENCODE:
            # What follows the dictionary is ignored, as rtpengine does: most often it is the newline
            # of a person with echo and netcat.
            body, _ = bencode.decode_prefix(datagram, start, max_items=max_items)
        else:
            body = json_body.decode(datagram[start:])
    except Malformed as error:
        offset = error.offset if form is Format.BENCODE else start + error.offset
        raise BadBody(error.what, offset, cookie, form) from None
    assert type(body) is dict, "each first byte begins a dictionary"
    return Message(cookie, body, form)


def frame(cookie: bytes, body: Mapping[str, object], format: Format = Format.BENCODE) -> bytes:  # noqa: A002
    """Put a message together, without a cookie if that is empty."""
    encoded = encode(body, format)
    return cookie + b" " + encoded if cookie else encoded


def encode(body: Mapping[str, object], format: Format) -> bytes:  # noqa: A002
    """Encode a dictionary alone."""
    return bencode.encode(body) if format is Format.BENCODE else json_body.encode(body)
