"""Loss, order and jitter of a source, as its packets tell."""

import attrs
import pytest
from cattrs.preconf.json import make_converter
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.rtp.reception import MAX_SOURCES, Reception, Receptions
from karl_trio.rtp.sequence import MAX_DROPOUT, MAX_MISORDER, MODULUS


def hear(reception, numbers, *, start=0.0, ticks=160, interval=0.02):
    """Let packets with these sequence numbers come in, at the pace of their timestamps."""
    for index, number in enumerate(numbers):
        reception.packet(number % MODULUS, number * ticks % 2**32, 172, start + index * interval)
    return reception


def figures(reception):
    return reception.packets, reception.lost, reception.duplicates, reception.reordered


def test_packets_in_order_are_counted_and_none_is_lost():
    reception = hear(Reception(7), range(1000, 1050))
    assert figures(reception) == (50, 0, 0, 0)
    assert reception.bytes == 50 * 172
    assert reception.last_sequence == 1049
    assert reception.last_timestamp == 1049 * 160
    assert reception.expected == 50


def test_before_the_first_packet_there_is_nothing_to_tell():
    reception = Reception(7)
    assert (reception.last_sequence, reception.last_timestamp, reception.highest) == (None, None, None)
    reception.packet(0, 0, 172, 0.0)
    assert (reception.last_sequence, reception.last_timestamp, reception.highest) == (0, 0, None)


def test_gap_is_loss():
    reception = hear(Reception(7), [1, 2, 3, 7, 8])
    assert figures(reception) == (5, 3, 0, 0)
    assert reception.expected == 8


def test_late_packet_is_no_loss():
    assert figures(hear(Reception(7), [1, 2, 4, 3, 5])) == (5, 0, 0, 1)


def test_copy_does_not_make_up_for_a_loss():
    assert figures(hear(Reception(7), [1, 2, 2, 4, 4, 5])) == (6, 1, 2, 0)


def test_late_packet_counts_once_and_its_copy_as_a_duplicate():
    assert figures(hear(Reception(7), [1, 2, 4, 3, 3])) == (5, 0, 1, 1)


def test_packet_older_than_the_first_pair_is_late_and_not_a_copy():
    assert figures(hear(Reception(7), [5, 6, 4, 7])) == (4, 0, 0, 1)


@pytest.mark.parametrize("start", [MODULUS - 5, 2 * MODULUS - 1, 0])
def test_wrapping_of_the_sequence_number_is_no_loss(start):
    reception = hear(Reception(7), range(start, start + MODULUS + 10))
    assert (reception.lost, reception.duplicates) == (0, 0)
    assert reception.highest is not None
    assert reception.highest % MODULUS == (start + 9) % MODULUS


@pytest.mark.parametrize("numbers", [[65533, 65534, 65536, 65535, 65537], [65534, 65535, 65537, 65536]])
def test_reordering_across_the_wrap_is_no_loss(numbers):
    assert figures(hear(Reception(7), numbers)) == (len(numbers), 0, 0, 1)


def test_gap_across_the_wrap_is_counted():
    assert hear(Reception(7), [65530, 65531, 65540]).lost == 8


def test_packets_out_of_order_at_the_beginning_count_for_nothing_yet():
    reception = hear(Reception(7), [50, 1, 900, 10, 11, 12])
    assert figures(reception) == (6, 0, 0, 0)


def test_one_packet_far_off_changes_nothing():
    reception = hear(Reception(7), [1, 2, 3, 30_000, 4, 5])
    assert figures(reception) == (6, 0, 0, 0)
    assert reception.last_sequence == 5


def test_source_that_starts_again_is_followed_from_its_second_packet():
    reception = hear(Reception(7), [*range(1, 50), *range(30_000, 30_010), 30_011])
    assert reception.lost == 1
    assert reception.last_sequence == 30_011


def test_loss_from_before_a_restart_stays_counted():
    reception = hear(Reception(7), [1, 2, 5, 30_000, 30_001, 30_002])
    assert reception.lost == 2


def test_late_packets_from_before_a_restart_are_not_taken_for_losses_made_good():
    reception = hear(Reception(7), [100, 101, 105, 30_000, 30_001, 103])
    assert reception.lost == 3


@given(st.lists(st.integers(0, MODULUS - 1), max_size=300))
def test_nothing_that_comes_makes_the_figures_absurd(numbers):
    reception = hear(Reception(7), numbers)
    assert reception.packets == len(numbers)
    assert 0 <= reception.lost <= MAX_DROPOUT * len(numbers)
    assert 0 <= reception.duplicates + reception.reordered <= len(numbers)
    assert len(attrs.asdict(reception)["_missing"]) <= 3 * MAX_MISORDER


@given(st.permutations(range(20)), st.sets(st.integers(2, 19)), st.integers(0, MODULUS - 1))
def test_loss_is_what_never_came_in_whatever_order_the_rest_came(order, missing, start):
    """The first two come first, so that it is known where counting begins."""
    sent = [0, 1, *(number for number in order if number > 1 and number not in missing), 20]
    reception = hear(Reception(7), [start + number for number in sent])
    assert reception.lost == len(missing)
    assert reception.duplicates == 0
    assert reception.expected == 21


def test_gaps_everywhere_are_counted_in_bounded_memory():
    reception = hear(Reception(7), [0, 1, *range(4, 30_000, 3)])
    assert reception.lost == 2 * len(range(4, 30_000, 3))
    assert len(attrs.asdict(reception)["_missing"]) <= 3 * MAX_MISORDER


def test_steady_packets_have_no_jitter():
    assert hear(Reception(7), range(100)).jitter_ticks == pytest.approx(0, abs=1e-6)


def test_jitter_nears_the_mean_difference_of_transit_times():
    reception = Reception(7)
    for number in range(300):
        reception.packet(number, number * 160, 172, number * 0.02 + (number % 2) * 0.005)
    assert reception.jitter == pytest.approx(0.005, rel=0.01)
    assert reception.jitter_ticks == pytest.approx(40, rel=0.01)


def test_wrapping_of_the_timestamp_is_no_jitter():
    reception = Reception(7)
    for number in range(100):
        reception.packet(number, (2**32 - 50 * 160 + number * 160) % 2**32, 172, number * 0.02)
    assert reception.jitter_ticks == pytest.approx(0, abs=1e-3)


def test_timestamps_that_begin_anew_are_no_jitter():
    reception = hear(Reception(7), range(50))
    for number in range(50, 100):
        reception.packet(number, 3_000_000_000 + number * 160, 172, number * 0.02)
    assert reception.jitter_ticks == pytest.approx(0, abs=1e-6)


def test_packets_of_one_video_frame_or_dtmf_digit_make_no_jitter():
    reception = Reception(7)
    for number in range(100):
        reception.packet(number, number // 5 * 800, 172, number * 0.02)
    assert reception.jitter_ticks == pytest.approx(0, abs=1e-6)


def test_another_clock_rate_is_the_same_jitter_in_other_ticks():
    reception = Reception(7)
    for number in range(300):
        reception.packet(number, number * 160, 172, number * 0.02 + (number % 2) * 0.005)
    reception.clock_rate = 8_000
    assert reception.jitter == pytest.approx(0.005, rel=0.01)
    reception.clock_rate = 48_000
    assert reception.jitter == pytest.approx(0.005, rel=0.01)
    for number in range(300, 600):
        reception.packet(number, number * 960, 172, number * 0.02 + (number % 2) * 0.005)
    assert reception.clock_rate == 48_000
    assert reception.jitter_ticks == pytest.approx(240, rel=0.01)


def test_figures_written_down_and_rebuilt_go_on_where_they_stopped():
    reception = hear(Reception(7), [65_530, 65_531, 65_533, 65_535, 65_536, 65_538])
    converter = make_converter()
    rebuilt = converter.loads(converter.dumps(reception), Reception)
    assert rebuilt == reception
    # Another process has another clock, which must not show up as jitter.
    rebuilt.packet(1, 65_537 * 160, 172, 9_000.0)
    assert rebuilt.jitter_ticks == reception.jitter_ticks
    hear(rebuilt, [65_539, 65_539])
    assert figures(rebuilt) == (9, 2, 1, 1)


def test_sources_are_told_apart():
    receptions = Receptions()
    hear(receptions.select(1), range(10))
    hear(receptions.select(2), [1, 2, 5])
    assert receptions.select(1).packets == 10
    assert receptions.select(2).lost == 2
    assert [reception.ssrc for reception in receptions] == [1, 2]
    assert receptions.newest is receptions.select(2)


def test_before_any_source_none_is_the_newest():
    assert Receptions().newest is None


def test_new_source_begins_with_the_clock_rate_asked_for_and_keeps_it():
    receptions = Receptions()
    assert receptions.select(1, 48_000).clock_rate == 48_000
    assert receptions.select(1, 8_000).clock_rate == 48_000


def test_source_unused_for_longest_is_forgotten_when_there_are_too_many():
    receptions = Receptions()
    for ssrc in range(MAX_SOURCES):
        hear(receptions.select(ssrc), range(2))
    receptions.select(0)
    receptions.select(99)
    assert [reception.ssrc for reception in receptions] == [2, 3, 4, 5, 6, 7, 0, 99]
    assert receptions.forgotten == 1


def test_flood_of_made_up_sources_leaves_a_real_one_alone():
    receptions = Receptions()
    hear(receptions.select(4711), range(50))
    for ssrc in range(10_000, 30_000):
        receptions.select(ssrc).packet(ssrc % MODULUS, 0, 172, 1.0)
    assert len(receptions) == MAX_SOURCES
    assert receptions.select(4711).packets == 50
