"""Packets and octets counted in one number.

A relay counts every packet in several places. In Python each number that changes is a new object
somewhere in memory, and with thousands of streams each of them is a cache miss; so packets are counted
in the upper bits of a number and their octets in the lower ones. Tallies can be added up like numbers.
"""

from __future__ import annotations

PACKET = 1 << 48
"""One packet without octets; below it there is room for 281 TB, three years of a full Gbit/s."""


def packets_of(tally: int) -> int:
    return tally // PACKET


def octets_of(tally: int) -> int:
    return tally % PACKET
