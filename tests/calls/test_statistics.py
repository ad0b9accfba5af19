"""The figures that operators and scripts read."""

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.rates import KERNEL_SLICE, QUEUE_ROUNDS, REST, measure, take_sample
from karl_trio.calls.statistics import list_reply, query_reply, statistics_reply
from karl_trio.rtp.tally import PACKET

from ..media.fakes import rtp
from .proxy import ports, sdp


async def test_query_tells_what_each_leg_sent_and_got(proxy, phones):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port), metadata="a=b", label="caller")
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port)))
    await wait_all_tasks_blocked()
    for sequence in (1, 2, 3, 6):
        alice.say(rtp(sequence), for_alice)
    await bob.hear(4)
    reply = query_reply(proxy.call(), None, None)
    assert reply["totals"]["RTP"] == {"packets": 4, "bytes": 688, "errors": 0}
    assert (reply["totals"]["packets-received"], reply["totals"]["packets-sent"]) == (4, 4)
    assert reply["metadata"] == "a=b"
    leg = reply["tags"]["alice"]
    assert leg["label"] == "caller"
    assert leg["subscriptions"] == [{"tag": "bob", "type": "offer/answer"}]
    (media,) = leg["medias"]
    assert (media["type"], media["codec"]) == ("audio", "PCMU/8000")
    stream = media["streams"][0]
    assert stream["local port"] == for_alice
    assert stream["endpoint"] == {"family": "IPv4", "address": "127.0.0.1", "port": alice.endpoint.port}
    assert stream["stats"] == {"packets": 4, "bytes": 688, "errors": 0}
    assert stream["last user packet"] == stream["last packet"] == pytest.approx(proxy.call().created, abs=2)
    assert stream["last kernel packet"] == 0
    assert "confirmed" in stream["flags"]
    assert media["ingress SSRCs"][0]["lost"] == 2
    assert reply["SSRC"][str(0x1234)]["packets"] == 4
    assert reply["tags"]["bob"]["medias"][0]["streams"][0]["stats_out"]["packets"] == 4


async def test_query_can_be_narrowed_to_a_leg_and_its_peers(proxy):
    proxy.offer(sdp(4000), via_branch="z9hG4bK-1")
    proxy.offer(sdp(4000), via_branch="z9hG4bK-2")
    proxy.answer(sdp(5000), to_tag="bob", via_branch="z9hG4bK-1")
    call = proxy.call()
    assert list(query_reply(call, "bob", None)["tags"]) == ["bob", "alice"]
    assert list(query_reply(call, "alice", "bob")["tags"]) == ["bob", "alice"]
    assert list(query_reply(call, "nobody", None)["tags"]) == []
    assert list(query_reply(call, None, None)["tags"]) == ["alice", "bob", "<untagged 3>"]


async def test_list_is_limited_and_tells_the_state(proxy, calls):
    proxy.offer(sdp(4000))
    proxy.offer(sdp(4000), call_id="call-2")
    proxy.answer(sdp(5000), call_id="call-2")
    proxy.offer(sdp(4000), call_id="call-3")
    proxy.delete(call_id="call-3", delete_delay=30)
    reply = list_reply(calls, 32)
    assert [(call["call-id"], call["state"]) for call in reply["calls"]] == [
        ("call-1", "offered"),
        ("call-2", "active"),
        ("call-3", "ending"),
    ]
    assert reply["calls"][1]["to-tag"] == "bob"
    assert list_reply(calls, 2)["call-ids"] == ["call-1", "call-2"]
    assert list_reply(calls, 0)["calls"] == []


async def test_totals_go_on_counting_when_calls_have_ended(proxy, calls, phones):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port))
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port)))
    await wait_all_tasks_blocked()
    for sequence in range(5):
        alice.say(rtp(sequence), for_alice)
    await bob.hear(5)
    before = await take_sample(list(calls), calls.totals, 0)
    proxy.delete()
    await wait_all_tasks_blocked()
    after = await take_sample(list(calls), calls.totals, 0)
    assert (before.packets, before.octets) == (after.packets, after.octets) == (5, 860)
    assert (before.streams, after.streams) == (4, 0)
    reply = statistics_reply(calls, 10.0)
    assert reply["sessions"] == 0
    assert reply["totalstatistics"]["regularterminatedsessions"] == 1
    assert reply["totalstatistics"]["onewaystreams"] == 1
    assert reply["totalstatistics"]["zerowaystreams"] == 0


async def test_rates_are_per_second(proxy, calls, nursery, autojump_clock):
    nursery.start_soon(measure, calls, calls.totals, calls.rates)
    proxy.offer(sdp(4000))
    await trio.sleep(0.5)
    stream = next(proxy.call().streams)
    for _ in range(3):
        stream.receptions.forgotten_tally += 50 * (PACKET + 172)
        await trio.sleep(1)
    assert calls.rates.packets == pytest.approx(50)
    current = statistics_reply(calls, 3.5)["currentstatistics"]
    assert (current["packetrate"], current["byterate"], current["sessionsown"]) == (50, 8600, 1)


async def test_a_long_sample_rests_so_that_it_keeps_nobody_from_the_core(proxy, calls, autojump_clock):
    for number in range(2 * KERNEL_SLICE + 1):
        proxy.offer(sdp(4000), call_id=f"call-{number}")

    class SlowRoad:
        def visit(self, stream, now):
            autojump_clock.jump(0.0001)
            return False

    streams = sum(len(list(call.relayed)) for call in calls)
    begun = trio.current_time()
    await take_sample(list(calls), calls.totals, 0, SlowRoad())
    # Between the slices, each of which takes longer than it may go on for.
    assert trio.current_time() - begun == pytest.approx(streams * 0.0001 + 2 * REST)


async def test_datagrams_that_the_kernel_drops_at_a_full_queue_are_counted(proxy, calls):
    proxy.offer(sdp(4000))
    stream = next(proxy.call().streams)
    stream.port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for sequence in range(100):
            sender.sendto(rtp(sequence), stream.port.endpoint.sockaddr)
    for turn in range(QUEUE_ROUNDS):
        sample = await take_sample(list(calls), calls.totals, turn)
    assert 50 < stream.queue_drops < 100
    assert sample.queue_drops == stream.queue_drops


async def test_drops_of_a_believed_phone_are_counted_and_outlive_its_socket(proxy, calls, phones):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port))
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port)))
    await wait_all_tasks_blocked()
    for sequence in (1, 2, 3):
        alice.say(rtp(sequence), for_alice)
    await bob.hear(3)
    stream = next(proxy.call().streams)
    assert stream.has_twin
    # More than any queue of ours holds, before the poller gets its turn.
    for sequence in range(4, 3004):
        alice.say(rtp(sequence), for_alice)
    await wait_all_tasks_blocked()
    for turn in range(QUEUE_ROUNDS):
        sample = await take_sample(list(calls), calls.totals, turn)
    drops = sample.queue_drops
    assert drops == 3003 - stream.packets > 0
    stream.close_twin(trio.current_time())
    alice.say(rtp(3004), for_alice)
    await wait_all_tasks_blocked()
    for turn in range(QUEUE_ROUNDS):
        sample = await take_sample(list(calls), calls.totals, turn)
    assert sample.queue_drops == drops


async def test_ports_in_use_are_told_for_each_interface(proxy, calls):
    proxy.offer(sdp(4000))
    (interface,) = statistics_reply(calls, 1.0)["statistics"]["interfaces"]
    assert interface["ports"]["used"] == 4
    assert interface["ports"]["used"] + interface["ports"]["free"] == interface["ports"]["totals"] == 400
