"""A cookie that was answered gets the same bytes again, for half a minute at least and a minute at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.server.cookies import LIFETIME, MAX_WAITING, AnswerCache


def test_an_answer_is_given_again():
    cache = AnswerCache()
    assert cache.find(b"c1", 100.0) is None
    cache.keep(b"c1", b"c1 d6:result2:oke", 100.0)
    assert cache.find(b"c1", 100.5) == b"c1 d6:result2:oke"
    assert cache.find(b"c2", 100.5) is None


@given(
    born=st.floats(0, 1000, allow_nan=False),
    looked=st.lists(st.floats(0, 30, allow_nan=False), max_size=20),
)
def test_an_answer_lives_between_one_and_two_lifetimes(born, looked):
    cache = AnswerCache()
    cache.find(b"first", 0.0)
    cache.find(b"c", born)
    cache.keep(b"c", b"answer", born)
    now = born
    for step in looked:  # other requests come in meanwhile, at any times
        now += step
        found = cache.find(b"c", now)
        if now - born < LIFETIME:
            assert found == b"answer"
        if now - born >= 2 * LIFETIME:
            assert found is None


def test_a_cache_that_slept_forgets_everything():
    cache = AnswerCache()
    cache.find(b"c", 0.0)
    cache.keep(b"c", b"answer", 29.0)
    assert cache.find(b"c", 1000.0) is None
    assert len(cache) == 0


@pytest.mark.parametrize("limit", [{"max_answers": 4}, {"max_octets": 40}])
def test_a_full_generation_grows_old_early_and_the_oldest_goes(limit):
    cache = AnswerCache(**limit)
    for number in range(12):
        assert cache.find(b"c%d" % number, 1.0) is None
        cache.keep(b"c%d" % number, b"answer%d" % number, 1.0)
        assert len(cache) <= 10
    assert cache.find(b"c11", 1.0) == b"answer11"
    assert cache.find(b"c8", 1.0) == b"answer8"
    assert cache.find(b"c0", 1.0) is None


def test_copies_of_a_request_being_worked_on_wait_for_its_answer():
    cache = AnswerCache()
    got = []
    assert not cache.wait(b"c", got.append)
    cache.begin(b"c")
    assert cache.wait(b"c", got.append)
    assert cache.wait(b"c", got.append)
    assert got == []
    cache.settle(b"c", b"answer", 1.0)
    assert got == [b"answer", b"answer"]
    assert not cache.wait(b"c", got.append)
    assert cache.find(b"c", 1.0) == b"answer"


def test_too_many_waiting_copies_are_dropped_and_counted():
    cache = AnswerCache()
    got = []
    cache.begin(b"c")
    for _ in range(MAX_WAITING + 3):
        assert cache.wait(b"c", got.append)
    cache.settle(b"c", b"answer", 1.0)
    assert len(got) == MAX_WAITING
    assert cache.dropped_waiters == 3


def test_a_request_given_up_may_come_again():
    cache = AnswerCache()
    got = []
    cache.begin(b"c")
    cache.wait(b"c", got.append)
    cache.abandon(b"c")
    assert got == []
    assert cache.find(b"c", 1.0) is None
    assert not cache.wait(b"c", got.append)
