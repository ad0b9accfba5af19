"""What `delete` takes away, and what it says when there is nothing to take."""

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.deletion import NOTHING_MATCHED
from karl_trio.errors import UnknownCall

from .proxy import sdp


def connect(proxy):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))


def fork(proxy):
    for branch in ("z9hG4bK-1", "z9hG4bK-2"):
        proxy.offer(sdp(4000), via_branch=branch)
    proxy.answer(sdp(5000), to_tag="bob-1", via_branch="z9hG4bK-1")


@pytest.mark.parametrize("keys", [{}, {"from_tag": "alice"}, {"from_tag": "bob", "to_tag": "alice"}])
async def test_a_call_of_two_ends_as_a_whole(proxy, calls, interfaces, keys):
    connect(proxy)
    reply = proxy.delete(**keys)
    assert set(reply["tags"]) == {"alice", "bob"}
    assert len(calls) == 0
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 0


async def test_the_call_id_is_free_at_once(proxy, calls):
    connect(proxy)
    proxy.delete()
    connect(proxy)
    await wait_all_tasks_blocked()
    assert len(calls) == 1


async def test_a_failed_branch_goes_and_the_others_stay(proxy, calls, interfaces):
    fork(proxy)
    proxy.delete(from_tag="alice", via_branch="z9hG4bK-2")
    await wait_all_tasks_blocked()
    assert [leg.tag for leg in proxy.call().legs] == ["alice", "bob-1"]
    assert interfaces.pools[0].in_use == 4
    assert len(proxy.call().find_leg("alice").media[0].faces[0].rtp.sinks) == 1


async def test_the_last_branch_takes_the_call_with_it(proxy, calls):
    fork(proxy)
    proxy.delete(from_tag="alice", via_branch="z9hG4bK-2")
    proxy.delete(from_tag="alice", via_branch="z9hG4bK-1")
    assert len(calls) == 0


async def test_a_bye_from_one_branch_leaves_the_other(proxy, calls):
    fork(proxy)
    proxy.answer(sdp(6000), to_tag="bob-2", via_branch="z9hG4bK-2")
    proxy.delete(from_tag="bob-1", to_tag="alice")
    assert {leg.tag for leg in proxy.call().legs} == {"alice", "bob-2"}


async def test_a_bye_sent_again_is_no_fault(proxy):
    connect(proxy)
    proxy.delete(from_tag="alice")
    assert proxy.delete(from_tag="alice") == {"warning": NOTHING_MATCHED}


async def test_an_unknown_call_is_an_error_for_who_names_nothing_else_or_wants_it_so(proxy):
    with pytest.raises(UnknownCall):
        proxy.delete()
    with pytest.raises(UnknownCall):
        proxy.delete(from_tag="alice", flags=["fatal"])


async def test_a_tag_that_does_not_match_deletes_nothing(proxy, calls):
    connect(proxy)
    assert proxy.delete(from_tag="mallory") == {"warning": NOTHING_MATCHED}
    assert len(calls) == 1


async def test_the_figures_can_be_left_out(proxy):
    connect(proxy)
    assert proxy.delete(flags=["fast"]) == {}
