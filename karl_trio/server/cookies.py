"""Answers that were given already, for requests that come again.

A SIP proxy that hears nothing sends its request again under the same cookie. The second copy must not be
carried out a second time: it gets the very bytes that the first one got. Answers are kept in two generations.
New ones go into the young one; every `LIFETIME` seconds, or as soon as the young one is full, it becomes the
old one and what was old is dropped. So an answer lives between one and two lifetimes, and forgetting costs
nothing.

The cookie alone is the key: a proxy that changes its source port or its transport still means the same
request.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

Replier = Callable[[bytes], None]
"""Sends one framed reply to whoever asked; it never raises, a reply that cannot be sent is lost and
counted."""

LIFETIME = 30.0
"""Seconds before a generation grows old: well above the last retransmission of a patient proxy (Kamailio
gives up after five copies a second apart)."""

MAX_ANSWERS = 131_072
"""Answers in a generation. At 5,000 calls a second, which are 15,000 answers, a generation still lasts 8 s,
longer than proxies go on asking; a full one grows old early."""

MAX_OCTETS = 64 * 1024 * 1024
"""Octets of cookies and answers in a generation: room for `MAX_ANSWERS` answers with a usual SDP, while big
`query` replies, asked for in a loop, do not eat the machine; a full generation grows old early."""

MAX_WAITING = 8
"""Copies of one request that wait for its answer. Proxies send five; whoever sends more will get the answer
from the cache with the next one, so what is above is dropped."""


@define(eq=False)
class AnswerCache:
    """Which cookies were answered, with what, and which are being worked on.

    Attributes:
        dropped_waiters: copies of requests dropped because too many of them were waiting already.
    """

    max_answers: int = MAX_ANSWERS
    max_octets: int = MAX_OCTETS
    dropped_waiters: int = field(default=0, init=False)
    _young: dict[bytes, bytes] = field(factory=dict, init=False, repr=False)
    _old: dict[bytes, bytes] = field(factory=dict, init=False, repr=False)
    _octets: int = field(default=0, init=False)
    _grows_old: float = field(default=0.0, init=False)
    _pending: dict[bytes, list[Replier]] = field(factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, cookie: bytes, now: float) -> bytes | None:
        """Return the answer that this cookie got, unless it was never answered or that is too long ago."""
        if now >= self._grows_old:
            self._turn(now)
        return self._young.get(cookie) or self._old.get(cookie)

    def keep(self, cookie: bytes, answer: bytes, now: float) -> None:
        """Remember an answer that was given."""
        size = len(cookie) + len(answer)
        if len(self._young) >= self.max_answers or self._octets + size > self.max_octets:
            self._turn(now)
        self._young[cookie] = answer
        self._octets += size

    def _turn(self, now: float) -> None:
        due = self._grows_old
        if now < due:  # full before its time
            self._old, due = self._young, now
        elif now < due + LIFETIME:
            self._old = self._young
        else:  # nobody asked for so long that the young generation is itself too old
            self._old, due = {}, now
        self._young = {}
        self._octets = 0
        self._grows_old = due + LIFETIME

    def begin(self, cookie: bytes) -> None:
        """Note that a request is being worked on and that copies of it shall wait."""
        self._pending[cookie] = []

    def wait(self, cookie: bytes, reply: Replier) -> bool:
        """Let a copy wait for the answer; False if nothing is being worked on under this cookie."""
        waiting = self._pending.get(cookie)
        if waiting is None:
            return False
        if len(waiting) < MAX_WAITING:
            waiting.append(reply)
        else:
            self.dropped_waiters += 1
        return True

    def settle(self, cookie: bytes, answer: bytes, now: float) -> None:
        """Remember the answer of a request that was worked on, and give it to the copies that waited."""
        self.keep(cookie, answer, now)
        for reply in self._pending.pop(cookie, ()):
            reply(answer)

    def abandon(self, cookie: bytes) -> None:
        """Forget a request that will not be answered; its copies go unanswered too."""
        self._pending.pop(cookie, None)
