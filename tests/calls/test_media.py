"""Two phones with real sockets talk through a call; strangers listen in vain."""

import gc
import socket
import weakref

import trio

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings
from karl_trio.media.poller import Poller

from ..media.fakes import receiver_report, rtp
from .conftest import make_interfaces
from .phones import Phone6
from .proxy import Proxy, ports, sdp


async def connected(proxy, alice, bob):
    """Put a call through; return the ports that Alice and Bob are to send to."""
    (for_bob,) = ports(proxy.offer(sdp(alice.endpoint.port)))
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port)))
    await trio.testing.wait_all_tasks_blocked()
    return for_alice, for_bob


async def test_rtp_and_rtcp_arrive_unchanged_and_from_the_port_that_was_announced(proxy, phones):
    alice, bob = phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    for sequence in range(20):
        alice.say(rtp(sequence), for_alice)
        bob.say(rtp(sequence, ssrc=9), for_bob)
    assert await bob.hear(20) == [(rtp(sequence), for_bob) for sequence in range(20)]
    assert await alice.hear(20) == [(rtp(sequence, ssrc=9), for_alice) for sequence in range(20)]
    alice.rtcp.sendto(receiver_report(), ("127.0.0.1", for_alice + 1))
    assert await bob.hear(1, bob.rtcp) == [(receiver_report(), for_bob + 1)]


async def test_early_media_is_heard_before_the_final_answer(proxy, phones):
    alice, bob = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port))
    bob_port = proxy.call().find_leg("alice").peers[0].media[0].faces[0].rtp.port.endpoint.port
    proxy.answer(sdp(bob.endpoint.port, direction="sendonly"))
    await trio.testing.wait_all_tasks_blocked()
    bob.say(rtp(1), bob_port)
    assert [datagram for datagram, _ in await alice.hear(1)] == [rtp(1)]


async def test_a_stranger_gets_nothing_and_is_not_heard(proxy, phones):
    alice, bob, stranger = phones(), phones(), phones(address="127.0.0.99")
    for_alice, for_bob = await connected(proxy, alice, bob)
    alice.say(rtp(1), for_alice)
    bob.say(rtp(1, ssrc=9), for_bob)
    await bob.hear(1)
    await alice.hear(1)
    for sequence in range(50):
        stranger.say(rtp(sequence, ssrc=6), for_alice)
        stranger.say(rtp(sequence, ssrc=6), for_bob)
    alice.say(rtp(2), for_alice)
    bob.say(rtp(2, ssrc=9), for_bob)
    assert [datagram for datagram, _ in await bob.hear(1)] == [rtp(2)]
    assert [datagram for datagram, _ in await alice.hear(1)] == [rtp(2, ssrc=9)]
    # Strangers arrive at another socket than the phones, so they may be read later.
    with trio.fail_after(5):
        while sum(stream.errors for stream in proxy.call().streams) < 100:
            await trio.sleep(0.001)
    drops = [stream.drops for stream in proxy.call().streams if stream.drops]
    assert drops == [{"foreign_source": 50}] * 2
    assert stranger.is_silent()


async def test_nothing_is_lost_while_a_leg_moves_to_its_new_port(proxy, phones):
    alice, bob = phones(), phones()
    for_alice, for_bob = await connected(proxy, alice, bob)
    moved = phones()
    (new_for_bob,) = ports(proxy.offer(sdp(moved.endpoint.port), to_tag="bob"))
    await trio.testing.wait_all_tasks_blocked()
    bob.say(rtp(1, ssrc=9), for_bob)
    proxy.answer(sdp(bob.endpoint.port))
    bob.say(rtp(2, ssrc=9), for_bob)
    bob.say(rtp(3, ssrc=9), new_for_bob)
    assert sorted(datagram for datagram, _ in await moved.hear(3)) == [rtp(n, ssrc=9) for n in (1, 2, 3)]
    moved.say(rtp(1), for_alice)
    assert await bob.hear(1) == [(rtp(1), new_for_bob)]


async def test_over_ipv6_too_the_phone_is_heard_and_the_stranger_is_not(nursery):
    calls = CallTable(settings=Settings(), interfaces=make_interfaces("::1"), poller=Poller())
    await nursery.start(calls.serve)
    nursery.start_soon(calls.poller.run)
    proxy = Proxy(calls)
    with Phone6() as alice, Phone6() as bob, Phone6() as stranger:
        proxy.offer(sdp(alice.port, address="::1"))
        (for_alice,) = ports(proxy.answer(sdp(bob.port, address="::1")))
        await trio.testing.wait_all_tasks_blocked()
        for sequence in range(5):
            await alice.say(rtp(sequence), for_alice)
            assert await bob.hear() == rtp(sequence)
        await stranger.say(rtp(1, ssrc=6), for_alice)
        await alice.say(rtp(5), for_alice)
        assert await bob.hear() == rtp(5)


async def test_after_delete_the_ports_are_closed(proxy, phones):
    alice, bob = phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    proxy.delete()
    await trio.testing.wait_all_tasks_blocked()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", for_alice))
    alice.say(rtp(1), for_alice)
    assert bob.is_silent()


async def test_an_ended_call_leaves_nothing_for_the_garbage_collector(proxy, phones):
    """Full collections stop all media, so the daemon makes none while there are calls."""
    alice, bob = phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    alice.say(rtp(1), for_alice)
    await bob.hear(1)
    proxy.offer(sdp(alice.endpoint.port + 2), to_tag="bob")
    remains = [weakref.ref(thing) for thing in (proxy.call(), *proxy.call().legs, *proxy.call().streams)]
    gc.collect()
    gc.disable()
    try:
        proxy.delete()
        await trio.testing.wait_all_tasks_blocked()
        assert len(remains) == 9
        assert [ref() for ref in remains if ref() is not None] == []
    finally:
        gc.enable()


async def test_a_fault_in_one_call_ends_that_call_only(proxy, phones, calls, caplog):
    alice, bob, carol, dave = phones(), phones(), phones(), phones()
    for_alice, _ = await connected(proxy, alice, bob)
    (for_dave,) = ports(proxy.offer(sdp(carol.endpoint.port), call_id="healthy"))
    (for_carol,) = ports(proxy.answer(sdp(dave.endpoint.port), call_id="healthy"))

    class Faulty:
        def send(self, datagram):
            raise RuntimeError("a bug in a sink")

    stream = proxy.call().find_leg("alice").media[0].faces[0].rtp
    stream.sinks = (Faulty(),)
    await trio.testing.wait_all_tasks_blocked()
    alice.say(rtp(1), for_alice)
    carol.say(rtp(1), for_carol)
    assert await dave.hear(1) == [(rtp(1), for_dave)]
    with trio.fail_after(5):
        while len(calls) > 1:
            await trio.sleep(0.01)
    assert [call.call_id for call in calls] == ["healthy"]
    assert "a bug in a sink" in caplog.text
