"""What was under way or wanted for a call goes on when another one has absorbed it (`connect`)."""

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.piercing import PIERCE_INTERVAL, PIERCE_TIME
from karl_trio.calls.rates import take_sample
from karl_trio.calls.statistics import statistics_reply
from karl_trio.calls.timeouts import deadline_of
from karl_trio.config import Settings

from ..media.fakes import rtp
from .proxy import sdp
from .test_connect import two_calls


@pytest.mark.parametrize("both", [False, True])
async def test_nat_is_pierced_until_the_time_is_up_and_by_one_call_only(proxy, phones, autojump_clock, both):
    autojump_clock.autojump_threshold = 0.01
    alice, carol = phones(), phones()
    flags = ["pierce-NAT"]
    proxy.offer(sdp(alice.endpoint.port), flags=flags if both else [])
    await trio.sleep(0.1)
    proxy.offer(sdp(carol.endpoint.port), call_id="call-2", from_tag="carol", flags=flags)
    await trio.sleep(2.2 * PIERCE_INTERVAL)
    assert len(carol.everything()) == 2 * 3
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    await trio.sleep(5 * PIERCE_INTERVAL)
    # Once for RTP and RTCP each; one more just after the change.
    assert len(carol.everything()) in (2 * 5, 2 * 6)
    assert bool(alice.everything()) == both
    await trio.sleep(PIERCE_TIME)
    carol.everything()
    await trio.sleep(5 * PIERCE_INTERVAL)
    assert carol.is_silent()


@pytest.mark.parametrize(("own", "seconds"), [({}, 300), ({"media_timeout": 100}, 100)])
async def test_its_time_out_and_delay_hold_where_the_other_call_has_none(proxy, autojump_clock, own, seconds):
    proxy.offer(sdp(4000), **own)
    proxy.answer(sdp(5000))
    await trio.sleep(30)
    proxy.offer(sdp(4100), call_id="call-2", from_tag="carol", media_timeout=300, delete_delay=7)
    proxy.answer(sdp(5100), call_id="call-2", from_tag="carol", to_tag="dave")
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    call = proxy.call()
    assert deadline_of(call, Settings()).at == pytest.approx(trio.current_time() + seconds, abs=0.1)
    assert proxy.query()["last-signal"] == int(proxy.call("call-2").last_signal)
    for leg in call.legs:
        proxy.delete(call_id=leg.call_id)
    await trio.sleep(6)
    assert len(proxy.calls) == 1
    await trio.sleep(2)
    assert len(proxy.calls) == 0


async def test_whether_nobody_answers_counts_from_the_last_offer_of_either(proxy, autojump_clock):
    for call_id, tag in (("call-1", "alice"), ("call-2", "carol")):
        proxy.offer(sdp(4000), call_id=call_id, from_tag=tag)
        await trio.sleep(50)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2", flags=["directional"])
    assert not proxy.call().is_answered
    expected = trio.current_time() - 50 + Settings().offer_timeout
    assert deadline_of(proxy.call(), Settings()).at == pytest.approx(expected, abs=0.1)


async def test_all_that_the_one_call_sends_has_the_same_type_of_service(proxy, phones):
    (alice, bob, *_), _ = await two_calls(proxy, phones)
    proxy.offer(sdp(alice.endpoint.port), to_tag="bob", tos=184)
    proxy.answer(sdp(bob.endpoint.port))
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    streams = list(proxy.call().streams)
    assert len(streams) == 8
    for stream in streams:
        assert stream.port.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 184


async def test_query_and_statistics_show_it_under_either_name_and_count_it_once(proxy, phones, calls):
    (alice, _, carol, _), (for_alice, *_) = await two_calls(proxy, phones)
    proxy.connect("carol", from_tag="alice", to_call_id="call-2")
    for sequence in range(3):
        alice.say(rtp(sequence), for_alice)
    await carol.hear(3)
    first, second = proxy.query("call-1"), proxy.query("call-2")
    assert first == second
    assert set(first["tags"]) == {"alice", "bob", "carol", "dave"}
    assert first["totals"]["packets-sent"] == first["totals"]["packets-received"] == 3
    assert first["tags"]["carol"]["medias"][0]["streams"][0]["stats_out"]["packets"] == 3
    sample = await take_sample(list(calls), calls.totals, 0)
    assert (sample.streams, sample.packets) == (8, 3)
    assert statistics_reply(calls, 1.0)["sessions"] == 1
    proxy.delete(delete_delay=0)
    proxy.delete(call_id="call-2", delete_delay=0)
    await wait_all_tasks_blocked()
    sample = await take_sample(list(calls), calls.totals, 0)
    assert (sample.streams, sample.packets, calls.totals.managed) == (0, 3, 1)
