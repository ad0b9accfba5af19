"""Messages cut out of a stream of octets in which nothing separates one from the next.

A message ends where its dictionary does, so its bencode is followed token by token: strings are stepped over,
and only how deep we are is remembered. What was looked at once is not looked at again, however small the
pieces are that the stream brings. Whether a dictionary is a good one is for `bencode` to say when the
message is taken apart.
"""

from __future__ import annotations

import re

from attrs import define, field

from .framing import MAX_COOKIE, BadBody, Format, NoCookie
from .values import MAX_DEPTH, MAX_INT_DIGITS

MAX_MESSAGE = 65_535
"""Octets of a request with its cookie: what a datagram can carry as well. Reading one that is larger would
take so long that media had to wait."""

_TOKEN = re.compile(
    rb"(?P<length>0|[1-9][0-9]{0,8}):|(?P<open>[dl])|(?P<close>e)|i(?:0|-?[1-9][0-9]{0,%d})e"
    % (MAX_INT_DIGITS - 1)
)
_BEGUN = re.compile(rb"[0-9]{0,9}|i-?[0-9]{0,%d}" % MAX_INT_DIGITS)
# What may become a token as soon as more octets come.


class TooLong(BadBody):
    """A message of more octets than it may have."""


@define(eq=False)
class MessageStream:
    """The octets that came and are no whole message yet.

    Attributes:
        max_message: octets that a message may have, with its cookie.
    """

    max_message: int = MAX_MESSAGE
    _octets: bytearray = field(factory=bytearray, init=False)
    _cookie: bytes = field(default=b"", init=False)
    _at: int = field(default=0, init=False)  # the next token; beyond the end while a string is incomplete
    _depth: int = field(default=0, init=False)

    @property
    def has_begun(self) -> bool:
        """Whether the stream stopped within a message."""
        return bool(self._octets)

    def feed(self, octets: bytes | bytearray) -> None:
        """Add what the stream brought."""
        self._octets += octets

    def next_message(self) -> bytes | None:
        """Take out the next message, for `parse`; None until more octets have come.

        Raises:
            NoCookie: what follows is no message.
            BadBody: its end cannot be found, and so nor can the next message be.
        """
        if not self._cookie and not self._find_cookie():
            return None
        if not self._find_end():
            return None
        message = bytes(self._octets[: self._at])
        del self._octets[: self._at]
        self._cookie, self._at, self._depth = b"", 0, 0
        return message

    def _find_cookie(self) -> bool:
        """Find the cookie and the first octet of the dictionary; False if they have not come yet."""
        end = self._octets.find(b" ", 0, MAX_COOKIE + 1)
        if end == 0 or (end < 0 and len(self._octets) > MAX_COOKIE):
            raise NoCookie("no cookie")
        start = end + 1
        if end < 0 or start == len(self._octets):
            return False
        self._cookie = bytes(self._octets[:end])
        self._at = start
        if self._octets[start] == ord("{"):
            raise BadBody("nothing tells where JSON ends on a stream", start, self._cookie, Format.JSON)
        if self._octets[start] != ord("d"):
            raise self._malformed("no dictionary")
        return True

    def _find_end(self) -> bool:
        """Go on to the end of the dictionary; False if it has not come yet."""
        octets = self._octets
        while self._at < len(octets):
            token = _TOKEN.match(octets, self._at)
            if token is None:
                if not _BEGUN.fullmatch(octets, self._at):
                    raise self._malformed("no value")
                return False
            end = token.end()
            match token.lastgroup:
                case "length":
                    end += int(token["length"])
                case "open":
                    self._depth += 1
                case "close":
                    self._depth -= 1
            if self._depth > MAX_DEPTH:
                raise self._malformed(f"more than {MAX_DEPTH} values within each other")
            if end > self.max_message:
                raise TooLong(
                    f"longer than {self.max_message} octets", self._at, self._cookie, Format.BENCODE
                )
            self._at = end
            if self._depth == 0:
                return True
        return False

    def _malformed(self, what: str) -> BadBody:
        return BadBody(what, self._at, self._cookie, Format.BENCODE)
