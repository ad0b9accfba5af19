"""Following the sequence numbers of an RTP source (RFC 3550, A.1).

Sixteen bits wrap every 22 minutes at 50 packets a second, so a number means something only next to the
highest one so far. One a little ahead ends a gap; one a little behind is late or a copy; one that is far from
both is not believed until its successor comes: then the source has started again.
"""

from __future__ import annotations

from enum import Enum, auto

MAX_DROPOUT = 3000
"""How far ahead a number is too far to end a gap: one minute at 50 packets a second."""

MAX_MISORDER = 100
"""How far behind a number is too far to be late: two seconds at 50 packets a second."""

MODULUS = 1 << 16


class Step(Enum):
    """What a sequence number is next to the highest one so far."""

    AHEAD = auto()
    """The next one, or one after a gap."""

    BEHIND = auto()
    """Late, or a copy; the highest one again, too."""

    JUMP = auto()
    """Too far off to be either."""


def step(sequence: int, highest: int) -> Step:
    """Say what a 16-bit number is next to the highest one so far, which may be an extended one."""
    ahead = (sequence - highest) % MODULUS
    if 0 < ahead < MAX_DROPOUT:
        return Step.AHEAD
    if ahead == 0 or ahead > MODULUS - MAX_MISORDER:
        return Step.BEHIND
    return Step.JUMP


def extend(sequence: int, highest: int) -> int:
    """Return the extended number, nearest to an extended one, that ends in these 16 bits.

    It is negative for what came before number 0 of the first cycle.
    """
    half = MODULUS // 2
    return highest + (sequence - highest + half) % MODULUS - half
