"""Steps and extension of sequence numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.rtp.sequence import MAX_DROPOUT, MAX_MISORDER, MODULUS, Step, extend, step


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (1, Step.AHEAD),
        (2, Step.AHEAD),
        (MAX_DROPOUT - 1, Step.AHEAD),
        (MAX_DROPOUT, Step.JUMP),
        (MODULUS // 2, Step.JUMP),
        (-MAX_MISORDER, Step.JUMP),
        (-MAX_MISORDER + 1, Step.BEHIND),
        (-1, Step.BEHIND),
        (0, Step.BEHIND),
    ],
)
@pytest.mark.parametrize("highest", [0, 5, 40_000, 65_535, 65_536, 3 * MODULUS + 17])
def test_steps_at_the_edges_wherever_the_count_stands(highest, distance, expected):
    assert step((highest + distance) % MODULUS, highest) is expected


@given(st.integers(MODULUS, 1 << 40), st.integers(-MODULUS // 2, MODULUS // 2 - 1))
def test_extending_finds_the_nearest_number(highest, distance):
    assert extend((highest + distance) % MODULUS, highest) == highest + distance


def test_what_came_before_the_first_cycle_is_negative():
    assert extend(65_535, 0) == -1
