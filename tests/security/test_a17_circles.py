"""A17: calls whose media comes back to the daemon, so that a packet would go round for ever."""

import trio

from karl_trio.cli.synthetic import destination_in
from karl_trio.client import NgClient

from .hosts import Talk, begin, rtp, sdp

AFTER = 0.2
"""Seconds: in a circle, a packet would go round some hundred times meanwhile."""

MOST_RELAYED = 50

LATCHING = {"flags": ["port-latching"]}
"""Lets an attacker keep the ports that he has wired."""


def at(destination):
    return sdp(destination.address, destination.port)


async def place(client, call_id, alice_says, bob_says, **keys):
    """Place a call; return the ports for Alice and for Bob."""
    offer = await client.offer(call_id, "alice", alice_says, **keys)
    answer = await client.answer(call_id, "alice", "bob", bob_says, **keys)
    return destination_in(answer.sdp).rtp, destination_in(offer.sdp).rtp


async def rewire(client, call_id, alice_says, bob_says):
    await client.offer(call_id, "alice", alice_says, to_tag="bob", **LATCHING)
    await client.answer(call_id, "alice", "bob", bob_says, **LATCHING)


async def relayed(daemon):
    """Send a packet from every port, as if a phone had spoken, and return how many that became."""
    streams = [stream for call in daemon.calls for stream in call.streams]
    before = sum(stream.packets_out for stream in streams)
    for stream in streams:
        stream.send(rtp(1))
    await trio.sleep(AFTER)
    return sum(stream.packets_out for stream in streams) - before


def circles(daemon):
    """How many packets would have gone round."""
    return sum(stream.drops.get("circle", 0) for call in daemon.calls for stream in call.streams)


async def test_a_call_that_is_wired_to_its_own_ports_goes_silent(autojump_clock, daemon, client, alice, bob):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    # Each side says that it is where the other one sends to.
    await rewire(client, "call-1", at(talk.for_bob.rtp), at(talk.for_alice.rtp))
    assert await relayed(daemon) <= MOST_RELAYED
    assert circles(daemon)
    # And it speaks again as soon as it is a call.
    await rewire(client, "call-1", sdp(alice.address, alice.port), sdp(bob.address, bob.port))
    assert await talk.is_intact()


async def test_two_calls_that_are_wired_to_each_other_go_silent(autojump_clock, daemon, client, alice, bob):
    """Each of them could be one of a chain."""
    first = await place(client, "call-1", sdp(alice.address, alice.port), sdp(bob.address, bob.port))
    second = await place(client, "call-2", at(first[1]), at(first[0]))
    assert await relayed(daemon) <= MOST_RELAYED
    assert not circles(daemon)
    # Only now the circle is closed.
    await rewire(client, "call-1", at(second[1]), at(second[0]))
    assert await relayed(daemon) <= MOST_RELAYED
    assert circles(daemon)
    # Once one of them has ended, there is nobody to send to.
    await client.delete("call-2", delete_delay=0)
    assert await relayed(daemon) <= MOST_RELAYED


async def test_a_circle_that_is_closed_by_learning_goes_silent_too(autojump_clock, start):
    """SDP of one call names the ports of the other, which learns where that comes from."""
    daemon = await start(endpoint_learning="immediate")
    hidden = sdp("127.0.9.9", 4000)
    async with NgClient(daemon.ng_addresses) as client:
        ports = await place(client, "call-1", hidden, hidden)
        await place(client, "call-2", at(ports[0]), at(ports[1]))
        assert await relayed(daemon) <= MOST_RELAYED
        assert circles(daemon)


async def test_echoes_do_not_answer_each_other(autojump_clock, daemon, client, alice):
    nobody = sdp("127.0.77.1", 4000)
    first = await place(client, "call-1", sdp(alice.address, alice.port), nobody, media_echo="both")
    second = await place(client, "call-2", at(first[0]), nobody, media_echo="both")
    await rewire(client, "call-1", at(second[0]), nobody)
    assert await relayed(daemon) <= MOST_RELAYED
    assert circles(daemon)


async def test_calls_that_pass_through_us_twice_work(autojump_clock, daemon, client, alice, bob):
    """As through two proxies that use the same media server."""
    outer = await client.offer("call-1", "alice", sdp(alice.address, alice.port))
    inner = await client.offer("call-2", "alice", outer.sdp)
    inner_answer = await client.answer("call-2", "alice", "bob", sdp(bob.address, bob.port))
    outer_answer = await client.answer("call-1", "alice", "bob", inner_answer.sdp)
    call = daemon.calls.find("call-1")
    talk = Talk(call, alice, bob, destination_in(outer_answer.sdp), destination_in(inner.sdp))
    for _ in range(5):
        said = [talk.say(alice), talk.say(bob)]
        await trio.sleep(AFTER)
        assert (bob.heard(), alice.heard()) == ([said[0]], [said[1]])
    assert not circles(daemon)
