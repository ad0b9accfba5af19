"""Calls end when they have been silent for as long as the operator allows, and not before."""

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.call import EndReason
from karl_trio.calls.timeouts import SUPERSEDED_SILENCE, reap

from .proxy import sdp


@pytest.fixture
async def reaped(calls, nursery):
    nursery.start_soon(reap, calls)
    return calls


def hear(call, tag):
    """Pretend that a packet just came from a leg."""
    call.find_leg(tag).media[0].faces[-1].rtp.last_user_packet = trio.current_time()


async def connected(proxy, **keys):
    proxy.offer(sdp(4000), **keys)
    proxy.answer(sdp(5000))
    await wait_all_tasks_blocked()


async def test_a_silent_call_is_reaped_after_the_timeout_and_its_ports_are_free(
    autojump_clock, proxy, reaped, interfaces, caplog
):
    caplog.set_level("INFO")
    await connected(proxy)
    await trio.sleep(58.5)
    assert len(reaped) == 1
    await trio.sleep(3)
    assert len(reaped) == 0
    assert interfaces.pools[0].in_use == 0
    assert reaped.totals.ended[EndReason.TIMEOUT] == 1
    assert "call ended: timeout" in caplog.text


async def test_one_talking_leg_keeps_a_call_alive(autojump_clock, proxy, reaped):
    await connected(proxy)
    for _ in range(10):
        await trio.sleep(50)
        hear(proxy.call(), "bob")
    assert len(reaped) == 1


async def test_a_call_on_hold_lives_longer(autojump_clock, proxy, reaped):
    await connected(proxy)
    proxy.offer(sdp(4000, direction="inactive"), to_tag="bob")
    proxy.answer(sdp(5000, direction="inactive"))
    await trio.sleep(3500)
    assert len(reaped) == 1
    await trio.sleep(200)
    assert len(reaped) == 0
    assert reaped.totals.ended[EndReason.SILENT_TIMEOUT] == 1


async def test_a_leg_that_only_listens_may_be_silent_for_longer(autojump_clock, proxy, reaped):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000, direction="recvonly"))
    await trio.sleep(300)
    assert len(reaped) == 1


async def test_an_offer_that_nobody_answers_is_reaped(autojump_clock, proxy, reaped):
    reaped.settings = evolve(reaped.settings, offer_timeout=120)
    proxy.offer(sdp(4000))
    await trio.sleep(118)
    assert len(reaped) == 1
    await trio.sleep(4)
    assert len(reaped) == 0
    assert reaped.totals.ended[EndReason.OFFER_TIMEOUT] == 1


async def test_no_call_outlives_the_final_timeout(autojump_clock, proxy, reaped):
    reaped.settings = evolve(reaped.settings, final_timeout=100)
    await connected(proxy)
    for _ in range(9):
        await trio.sleep(10)
        hear(proxy.call(), "alice")
    assert len(reaped) == 1
    await trio.sleep(12)
    assert len(reaped) == 0
    assert reaped.totals.ended[EndReason.FINAL_TIMEOUT] == 1


async def test_a_proxy_may_ask_for_another_timeout(autojump_clock, proxy, reaped):
    await connected(proxy, media_timeout=300)
    await trio.sleep(290)
    assert len(reaped) == 1
    await trio.sleep(12)
    assert len(reaped) == 0


async def test_a_timeout_of_zero_is_never(autojump_clock, proxy, reaped):
    reaped.settings = evolve(reaped.settings, timeout=0, silent_timeout=0)
    await connected(proxy)
    await trio.sleep(5000)
    assert len(reaped) == 1


async def test_a_replaced_port_is_closed_when_nobody_uses_it_any_more(
    autojump_clock, proxy, reaped, interfaces
):
    await connected(proxy)
    proxy.offer(sdp(4020), to_tag="bob")
    proxy.answer(sdp(5000))
    assert interfaces.pools[0].in_use == 6
    old = proxy.call().find_leg("bob").media[0].faces[0]
    for _ in range(5):
        await trio.sleep(SUPERSEDED_SILENCE - 2)
        old.rtp.last_user_packet = trio.current_time()
        hear(proxy.call(), "alice")
    assert interfaces.pools[0].in_use == 6
    await trio.sleep(SUPERSEDED_SILENCE + 2)
    assert interfaces.pools[0].in_use == 4


async def test_a_deleted_call_may_go_on_for_a_while(autojump_clock, proxy, reaped):
    await connected(proxy)
    proxy.delete(from_tag="alice", delete_delay=30)
    await trio.sleep(29)
    assert len(reaped) == 1
    await trio.sleep(2)
    assert len(reaped) == 0
    assert reaped.totals.ended[EndReason.REGULAR] == 1


async def test_an_offer_in_time_takes_a_delete_back(autojump_clock, proxy, reaped):
    await connected(proxy)
    proxy.delete(from_tag="alice", delete_delay=30)
    await trio.sleep(10)
    proxy.offer(sdp(4000), to_tag="bob")
    await trio.sleep(40)
    assert len(reaped) == 1


async def test_deleting_again_makes_the_end_no_later(autojump_clock, proxy, reaped):
    await connected(proxy)
    proxy.delete(from_tag="alice", delete_delay=10)
    proxy.delete(from_tag="alice", delete_delay=50)
    await trio.sleep(11)
    assert len(reaped) == 0


def listen(proxy, source, listener="recorder", **keys):
    proxy.subscribe(from_tag=source, to_tag=listener, **keys)
    proxy.subscribe_answer(sdp(6000, direction="recvonly"), listener)


async def test_a_listener_neither_keeps_a_dead_call_alive_nor_is_missed_itself(autojump_clock, proxy, reaped):
    await connected(proxy)
    listen(proxy, "alice")
    for _ in range(5):
        await trio.sleep(50)
        hear(proxy.call(), "alice")
    assert len(reaped) == 1
    await trio.sleep(50)
    hear(proxy.call(), "recorder")
    await trio.sleep(12)
    assert len(reaped) == 0
    assert reaped.totals.ended[EndReason.TIMEOUT] == 1


async def test_a_listener_to_a_ringing_call_does_not_make_it_an_answered_one(autojump_clock, proxy, reaped):
    proxy.offer(sdp(4000))
    listen(proxy, "alice")
    await trio.sleep(300)
    assert len(reaped) == 1


async def test_published_media_lives_while_it_is_heard(autojump_clock, proxy, reaped):
    reaped.settings = evolve(reaped.settings, offer_timeout=120)
    proxy.publish(sdp(4000, direction="sendonly"))
    for _ in range(10):
        await trio.sleep(50)
        hear(proxy.call(), "alice")
    assert len(reaped) == 1
    await trio.sleep(62)
    assert reaped.totals.ended[EndReason.TIMEOUT] == 1


async def test_an_offer_of_ours_that_nobody_answers_is_reaped(autojump_clock, proxy, reaped):
    reaped.settings = evolve(reaped.settings, offer_timeout=120)
    proxy.create()
    await trio.sleep(118)
    assert len(reaped) == 1
    await trio.sleep(4)
    assert reaped.totals.ended[EndReason.OFFER_TIMEOUT] == 1
