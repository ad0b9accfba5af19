"""Endpoint learning: who is believed, when, and what attackers get out of it."""

import itertools

import pytest
from cattrs.preconf.json import make_converter

from karl_trio.endpoint import Endpoint
from karl_trio.media.latch import (
    FORMER_TIME,
    LEARNING_WINDOW,
    PROBATION_PACKETS,
    PROBATION_SILENCE,
    PROBATION_TIME,
    Latch,
    Learning,
    State,
)

PHONE = Endpoint("192.0.2.10", 4000)
SAME_ADDRESS = Endpoint("192.0.2.10", 61_000)
SAME_ADDRESS_TOO = Endpoint("192.0.2.10", 62_000)
SAME_PORT = Endpoint("203.0.113.7", 4000)
SAME_PORT_TOO = Endpoint("203.0.113.8", 4000)
OTHER = Endpoint("198.51.100.66", 5555)
OTHER_TOO = Endpoint("198.51.100.77", 5555)
BY_RANK = [OTHER, SAME_PORT, SAME_ADDRESS, PHONE]

PACKET_TIME = 0.02


def make_latch(learning=Learning.HEURISTIC, *, advertised=PHONE, now=0.0, **options):
    latch = Latch(learning, **options)
    latch.reopen(advertised, now)
    return latch


def talk(latch, source, *, start=0.0, packets=PROBATION_PACKETS, every=PACKET_TIME, ssrc=1, payload_type=0):
    """Let a source send packets; say which were accepted."""
    return [latch.packet(source, ssrc, payload_type, start + index * every) for index in range(packets)]


def learned(source, **options):
    """A latch that has learned a source other than the advertised one."""
    latch = make_latch(**options)
    assert all(talk(latch, source))
    assert latch.source == source
    return latch


# No endpoint yet


@pytest.mark.parametrize("learning", list(Learning))
@pytest.mark.parametrize("strict", [True, False])
def test_before_there_is_sdp_nothing_is_accepted_and_nothing_sent(learning, strict):
    latch = Latch(learning, strict=strict)
    assert not any(talk(latch, PHONE, packets=10))
    assert not latch.allows(PHONE)
    assert (latch.source, latch.destination, latch.trusted) == (None, None, None)


@pytest.mark.parametrize("learning", list(Learning))
@pytest.mark.parametrize("strict", [True, False])
def test_before_the_leg_is_told_of_the_port_nothing_is_accepted(learning, strict):
    latch = make_latch(learning, strict=strict, told=False)
    for source in (PHONE, OTHER):
        assert not any(talk(latch, source, packets=50))
        assert not latch.allows(source)
    # What opens a NAT in front of us goes there.
    assert latch.destination == PHONE
    latch.tell(60.0)
    assert all(talk(latch, PHONE, start=60.1))
    assert latch.destination == PHONE


def test_the_learning_window_opens_when_the_leg_is_told_of_the_port():
    latch = make_latch(Learning.DELAYED, told=False)
    latch.tell(60.0)
    latch.tell(62.0)
    assert latch.packet(OTHER, 1, 0, 62.9)
    assert not latch.is_confirmed
    assert latch.packet(PHONE, 1, 0, 63.1)
    assert latch.source == PHONE


@pytest.mark.parametrize("learning", list(Learning))
def test_withdrawn_endpoint_closes_everything(learning):
    latch = make_latch(learning)
    talk(latch, PHONE)
    latch.reopen(None, 1.0)
    assert not any(talk(latch, PHONE, start=1.0))
    assert (latch.source, latch.destination, latch.state) == (None, None, State.UNADVERTISED)


@pytest.mark.parametrize("learning", list(Learning))
def test_packets_are_sent_to_the_advertised_endpoint_until_something_is_learned(learning):
    assert make_latch(learning).destination == PHONE


# Off


def test_off_accepts_the_advertised_endpoint_only():
    latch = make_latch(Learning.OFF)
    assert all(talk(latch, PHONE))
    for source in (OTHER, SAME_PORT, SAME_ADDRESS):
        assert not any(talk(latch, source, packets=10))
        assert not latch.allows(source)
    assert (latch.destination, latch.source, latch.trusted) == (PHONE, PHONE, PHONE)
    assert latch.is_confirmed


def test_off_and_not_strict_accepts_anybody_and_still_sends_to_the_advertised_endpoint():
    latch = make_latch(Learning.OFF, strict=False)
    assert all(talk(latch, OTHER, packets=10))
    assert latch.allows(OTHER)
    assert latch.destination == PHONE


def test_off_follows_signalling():
    latch = make_latch(Learning.OFF)
    latch.reopen(OTHER, 10.0)
    assert talk(latch, PHONE, packets=1) == [False]
    assert talk(latch, OTHER, packets=1) == [True]
    assert latch.destination == OTHER


# Immediate


def test_immediate_believes_the_first_packet():
    latch = make_latch(Learning.IMMEDIATE)
    assert talk(latch, OTHER, packets=1) == [True]
    assert (latch.source, latch.destination, latch.state) == (OTHER, OTHER, State.CONFIRMED)
    assert talk(latch, PHONE, start=1.0) == [False] * 3


@pytest.mark.parametrize(
    ("learning", "wait"), [(Learning.IMMEDIATE, 0.0), (Learning.DELAYED, LEARNING_WINDOW)]
)
def test_immediate_and_delayed_learn_again_after_any_signalling(learning, wait):
    latch = make_latch(learning)
    talk(latch, OTHER, start=wait, packets=1)
    latch.reopen(PHONE, 20.0)
    # Until then packets go where they went.
    assert latch.destination == OTHER
    assert not latch.is_confirmed
    assert talk(latch, OTHER_TOO, start=20.0 + wait, packets=1) == [True]
    assert (latch.source, latch.destination) == (OTHER_TOO, OTHER_TOO)


# Delayed


def test_delayed_moves_with_each_packet_and_stops_after_the_window():
    latch = make_latch(Learning.DELAYED, now=100.0)
    for now, source in ((100.0, OTHER), (100.5, SAME_PORT), (102.9, PHONE)):
        assert latch.packet(source, 1, 0, now)
        assert latch.allows(source)
        assert (latch.source, latch.destination) == (None, source)
    assert latch.packet(SAME_ADDRESS, 1, 0, 103.0)
    assert (latch.source, latch.destination, latch.state) == (SAME_ADDRESS, SAME_ADDRESS, State.CONFIRMED)
    assert not latch.packet(PHONE, 1, 0, 103.1)


# Heuristic: before anybody is believed


@pytest.mark.parametrize("strict", [True, False])
def test_advertised_endpoint_is_believed_at_once_and_for_good(strict):
    latch = make_latch(strict=strict)
    assert latch.packet(PHONE, 1, 0, 0.0)
    assert (latch.source, latch.destination, latch.state) == (PHONE, PHONE, State.CONFIRMED)
    for source in (OTHER, SAME_PORT, SAME_ADDRESS):
        assert talk(latch, source, start=0.1, packets=20) == [not strict] * 20
    assert (latch.source, latch.destination) == (PHONE, PHONE)


@pytest.mark.parametrize("source", [OTHER, SAME_PORT, SAME_ADDRESS])
def test_other_source_is_heard_from_its_first_packet_and_gets_packets_once_it_is_proven(source):
    latch = make_latch()
    destinations = []
    for index in range(PROBATION_PACKETS):
        destinations.append(latch.destination)
        assert latch.packet(source, 1, 0, index * PACKET_TIME)
    assert destinations == [PHONE] * PROBATION_PACKETS
    assert (latch.source, latch.destination, latch.state) == (source, source, State.LEARNED)


def test_phone_that_begins_long_after_signalling_is_learned_all_the_same():
    latch = make_latch()
    talk(latch, OTHER, start=45.0)
    assert latch.destination == OTHER


@pytest.mark.parametrize("change", [{"ssrc": 2}, {"payload_type": 8}])
def test_proof_takes_packets_of_one_ssrc_and_payload_type(change):
    latch = make_latch()
    talk(latch, OTHER, packets=PROBATION_PACKETS - 1)
    talk(latch, OTHER, start=0.04, packets=PROBATION_PACKETS - 1, **change)
    assert not latch.is_confirmed
    talk(latch, OTHER, start=0.08, packets=1, **change)
    assert latch.is_confirmed


def test_burst_proves_nothing_however_long():
    latch = make_latch()
    talk(latch, OTHER, packets=1000, every=0.9 * PROBATION_TIME / 1000)
    assert not latch.is_confirmed
    assert latch.destination == PHONE


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(BY_RANK[:3], 2)))
def test_while_a_better_source_is_on_trial_a_lesser_one_is_refused(first, second):
    latch = make_latch()
    assert latch.packet(first, 1, 0, 0.0)
    assert latch.packet(second, 2, 0, 0.001)
    assert not latch.packet(first, 1, 0, 0.02)
    talk(latch, second, start=0.021, ssrc=2)
    assert latch.source == second


def test_better_source_that_fell_silent_on_trial_does_not_hold_up_a_lesser_one():
    latch = make_latch()
    assert latch.packet(SAME_PORT, 1, 0, 0.0)
    assert not latch.packet(OTHER, 2, 0, PROBATION_SILENCE - 0.01)
    assert all(talk(latch, OTHER, start=PROBATION_SILENCE))
    assert latch.source == OTHER


@pytest.mark.parametrize(("one", "another"), [(OTHER, OTHER_TOO), (SAME_ADDRESS, SAME_ADDRESS_TOO)])
def test_of_equals_who_interrupt_each_other_nobody_is_believed(one, another):
    latch = make_latch()
    for index in range(50):
        latch.packet(one, 1, 0, index * PACKET_TIME)
        latch.packet(another, 2, 0, index * PACKET_TIME + 0.01)
    assert latch.destination == PHONE
    talk(latch, another, start=1.0, ssrc=2)
    assert latch.destination == another


def test_lesser_source_is_accepted_but_not_learned_where_sources_are_not_checked_strictly():
    latch = make_latch(strict=False)
    latch.packet(SAME_ADDRESS, 1, 0, 0.0)
    assert latch.packet(OTHER, 2, 0, 0.01)
    talk(latch, SAME_ADDRESS, start=0.02)
    assert latch.source == SAME_ADDRESS


# Heuristic: displacing who was learned


@pytest.mark.parametrize(("believed", "newcomer"), list(itertools.permutations(BY_RANK[:3], 2)))
def test_in_the_window_a_better_rank_displaces_a_lesser_one(believed, newcomer):
    latch = learned(believed)
    is_better = BY_RANK.index(newcomer) > BY_RANK.index(believed)
    # The port alone is heard no sooner than it is believed.
    at_once = is_better and newcomer != SAME_PORT
    assert talk(latch, newcomer, start=0.1) == [at_once, at_once, is_better]
    assert latch.source == latch.destination == (newcomer if is_better else believed)


@pytest.mark.parametrize(
    ("believed", "newcomer"),
    [(OTHER, OTHER_TOO), (SAME_PORT, SAME_PORT_TOO), (SAME_ADDRESS, SAME_ADDRESS_TOO)],
)
def test_equal_never_displaces(believed, newcomer):
    latch = learned(believed)
    assert not any(talk(latch, newcomer, start=0.1, packets=50))
    assert latch.source == latch.destination == believed


@pytest.mark.parametrize("strict", [True, False])
def test_a_port_number_displaces_nobody_who_still_sends(strict):
    latch = learned(OTHER, strict=strict)
    for index in range(100):
        now = 0.1 + index * PACKET_TIME
        assert latch.packet(OTHER, 1, 0, now)
        assert latch.packet(SAME_PORT, 2, 0, now + 0.01) is not strict
        # The next packet of the believed source must be seen, for it ends the trial.
        assert latch.trusted is None
    assert latch.source == latch.destination == OTHER


def test_after_the_window_a_port_number_displaces_nobody():
    latch = learned(OTHER)
    assert not any(talk(latch, SAME_PORT, start=LEARNING_WINDOW, packets=50))
    assert latch.destination == OTHER


@pytest.mark.parametrize("believed", [OTHER, SAME_PORT])
def test_after_the_window_the_advertised_address_still_displaces_a_stranger(believed):
    latch = learned(believed)
    assert all(talk(latch, SAME_ADDRESS, start=100.0))
    assert latch.destination == SAME_ADDRESS


@pytest.mark.parametrize("believed", [OTHER, SAME_PORT, SAME_ADDRESS])
@pytest.mark.parametrize("now", [0.1, 1000.0])
def test_advertised_endpoint_displaces_who_was_learned_at_any_time(believed, now):
    latch = learned(believed)
    assert latch.packet(PHONE, 1, 0, now)
    assert (latch.source, latch.destination, latch.state) == (PHONE, PHONE, State.CONFIRMED)
    assert not any(talk(latch, believed, start=now))


def test_believed_source_does_not_hold_up_a_better_one_by_sending_on():
    latch = learned(OTHER)
    for index in range(PROBATION_PACKETS):
        assert latch.packet(OTHER, 1, 0, 1.01 + index * PACKET_TIME)
        assert latch.trusted == OTHER
        assert latch.packet(SAME_ADDRESS, 2, 0, 1.02 + index * PACKET_TIME)
    assert latch.source == latch.trusted == SAME_ADDRESS


def test_others_are_accepted_but_not_learned_where_sources_are_not_checked_strictly():
    latch = learned(SAME_ADDRESS, strict=False)
    assert all(talk(latch, OTHER, start=0.1, packets=50))
    assert latch.allows(OTHER)
    assert latch.source == latch.destination == SAME_ADDRESS


# Handover, asymmetric


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("believed", [PHONE, SAME_ADDRESS])
def test_handover_lets_a_new_source_take_over_from_a_silent_one_after_its_proof(believed, strict):
    latch = learned(believed, handover=True, strict=strict)
    accepted = talk(latch, OTHER, start=1.0)
    assert accepted == [not strict] * (PROBATION_PACKETS - 1) + [True]
    assert latch.source == latch.destination == OTHER
    # The old one has to prove itself as well.
    assert talk(latch, believed, start=2.0, packets=1) == [not strict]
    assert latch.destination == OTHER


def test_handover_takes_nothing_from_a_source_that_still_sends():
    latch = learned(PHONE, handover=True)
    for index in range(50):
        assert latch.packet(PHONE, 1, 0, 1 + index * PACKET_TIME)
        assert latch.trusted == PHONE
        assert not latch.packet(OTHER, 2, 0, 1.01 + index * PACKET_TIME)
        # The next packet of the phone must be seen, for it ends the trial.
        assert latch.trusted is None
    assert latch.destination == PHONE


@pytest.mark.parametrize(
    ("learning", "start"),
    [(Learning.HEURISTIC, 0.0), (Learning.IMMEDIATE, 0.0), (Learning.DELAYED, 0.0), (Learning.DELAYED, 5.0)],
)
def test_asymmetric_learns_whom_to_accept_and_never_where_to_send(learning, start):
    latch = make_latch(learning, asymmetric=True)
    assert all(talk(latch, OTHER, start=start))
    assert latch.allows(OTHER)
    assert latch.destination == PHONE
    talk(latch, OTHER, start=10.0)
    assert latch.source == OTHER
    assert not any(talk(latch, OTHER_TOO, start=11.0))


def test_signalling_makes_a_learned_source_asymmetric_and_symmetric_again():
    latch = learned(OTHER)
    latch.asymmetric = True
    latch.reopen(PHONE, 10.0)
    assert (latch.source, latch.destination) == (OTHER, PHONE)
    latch.asymmetric = False
    latch.reopen(PHONE, 20.0)
    assert (latch.source, latch.destination) == (OTHER, OTHER)


# Signalling


@pytest.mark.parametrize("believed", BY_RANK)
def test_reinvite_that_keeps_the_endpoint_keeps_who_is_believed(believed):
    latch = learned(believed)
    latch.reopen(PHONE, 60.0)
    for stranger in (OTHER_TOO, SAME_PORT_TOO):
        assert not any(talk(latch, stranger, start=60.1, packets=50))
    assert latch.source == latch.destination == believed


def test_changed_endpoint_is_learned_from_the_beginning():
    latch = learned(OTHER)
    new = Endpoint("192.0.2.99", 8000)
    latch.reopen(new, 60.0)
    assert (latch.source, latch.destination, latch.state) == (None, new, State.OPEN)
    assert latch.packet(new, 1, 0, 60.1)
    assert latch.source == latch.destination == new
    assert not latch.packet(PHONE, 1, 0, 60.2)


def test_old_phone_that_goes_on_for_a_moment_is_not_taken_for_the_new_one():
    latch = learned(OTHER)
    latch.reopen(Endpoint("10.0.0.7", 8000), 60.0)
    talk(latch, OTHER, start=60.0, packets=10)
    assert not latch.is_confirmed
    assert all(talk(latch, OTHER_TOO, start=60.2, ssrc=2))
    assert latch.destination == OTHER_TOO


def test_phone_that_only_changed_its_sdp_is_believed_again_soon():
    latch = learned(OTHER)
    latch.reopen(Endpoint("10.0.0.7", 8000), 60.0)
    assert all(talk(latch, OTHER, start=60.0, packets=int(FORMER_TIME / PACKET_TIME) + 2))
    assert latch.destination == OTHER


def test_learning_turned_on_and_off_by_signalling():
    latch = make_latch(Learning.OFF)
    latch.learning = Learning.HEURISTIC
    latch.reopen(PHONE, 1.0)
    talk(latch, OTHER, start=1.0)
    assert latch.destination == OTHER
    latch.learning = Learning.OFF
    latch.reopen(PHONE, 2.0)
    assert (latch.source, latch.destination) == (PHONE, PHONE)


# What must teach nothing


def test_packet_that_is_only_asked_about_changes_nothing():
    latch = make_latch()
    assert latch.allows(PHONE)
    assert not latch.allows(OTHER)
    assert not latch.is_confirmed
    talk(latch, SAME_ADDRESS)
    assert latch.allows(SAME_ADDRESS)
    assert latch.allows(PHONE)
    assert latch.source == SAME_ADDRESS


def test_advertised_endpoint_is_not_asked_for_once_somebody_else_is_final():
    latch = make_latch(Learning.IMMEDIATE)
    latch.packet(OTHER, 1, 0, 0.0)
    assert not latch.allows(PHONE)


# State as a value


@pytest.mark.parametrize("believed", BY_RANK)
@pytest.mark.parametrize("follows", [True, False])
def test_latch_written_down_and_rebuilt_believes_the_same(believed, follows):
    latch = make_latch(follows=follows, asymmetric=True, handover=True)
    latch.required_host = believed.address
    talk(latch, believed)
    converter = make_converter()
    rebuilt = converter.loads(converter.dumps(latch), Latch)
    assert rebuilt == latch
    assert rebuilt.packet(believed, 1, 0, 5.0)
    assert rebuilt.required_host == believed.address
    rebuilt.reopen(PHONE, 10.0)
    assert rebuilt.source == believed
