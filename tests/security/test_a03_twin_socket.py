"""A3, at the second socket of a port, where the kernel checks sources: nothing of a stranger may come in."""

import errno
import os
import socket

import pytest
import trio

from karl_trio.endpoint import Endpoint
from karl_trio.media import ports
from karl_trio.media.relay import MOST_WAITING

from .hosts import begin, everything, open_socket, rtp, sdp

FORGED = rtp(1, ssrc=0xBAD, payload=b"\x55" * 160)


@pytest.fixture
def between_bind_and_connect(monkeypatch):
    """Let something happen while a twin is bound and not yet connected."""
    events = []

    class Socket(socket.socket):
        def connect(self, address):
            if events:
                events.pop()()
            super().connect(address)

    monkeypatch.setattr(ports.socket, "socket", Socket)
    return events.append


async def test_what_strangers_send_while_a_twin_opens_is_not_relayed(
    autojump_clock, daemon, client, alice, bob, mallory, between_bind_and_connect
):
    talk = await begin(daemon, client, alice, bob)

    def inject():
        for _ in range(MOST_WAITING // 2):
            mallory.socket.sendto(FORGED, talk.for_alice.rtp.sockaddr)
        talk.say(alice)

    between_bind_and_connect(inject)
    talk.say(alice)
    await talk.settle()
    stream = talk.stream(talk.for_alice.rtp)
    assert stream._twin is not None
    assert stream.drops == {"foreign_source": MOST_WAITING // 2}
    assert [datagram[4:12] for datagram in bob.heard()] == [rtp(n, ssrc=0xA11CE)[4:12] for n in (1, 2)]
    assert await talk.is_intact()


async def test_a_twin_that_strangers_have_filled_is_not_used(
    autojump_clock, daemon, client, alice, bob, mallory, between_bind_and_connect
):
    """They need a moment in which the daemon does not run, and 256 packets in it."""
    talk = await begin(daemon, client, alice, bob)
    stream = talk.stream(talk.for_alice.rtp)

    def inject():
        for _ in range(2 * MOST_WAITING):
            mallory.socket.sendto(FORGED, talk.for_alice.rtp.sockaddr)

    between_bind_and_connect(inject)
    talk.say(alice)
    await talk.settle()
    assert stream.drops == {"foreign_source": MOST_WAITING}
    assert len(bob.heard()) == 1
    assert stream._twin is None
    for _ in range(5):
        assert await talk.is_intact()
        await talk.send(mallory.socket, [FORGED], talk.for_alice.rtp)
    assert bob.heard() == []


async def test_the_phone_may_show_up_while_a_twin_for_somebody_else_opens(
    autojump_clock, daemon, client, alice, bob, mallory, between_bind_and_connect
):
    """Whoever was learned in its place loses the call at once."""
    talk = await begin(daemon, client, alice, bob)
    stream = talk.stream(talk.for_alice.rtp)
    between_bind_and_connect(lambda: talk.say(alice))
    while stream.latch.source is None:
        await talk.send(mallory.socket, [FORGED], talk.for_alice.rtp)
        await trio.sleep(0.02)
    assert stream.latch.source == alice.endpoint
    bob.heard()
    await talk.send(mallory.socket, [FORGED] * 10, talk.for_alice.rtp)
    assert bob.heard() == []
    talk.say(bob)
    await talk.settle()
    assert (len(alice.heard()), mallory.booty()) == (1, [])
    assert await talk.is_intact()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize(
    "options",
    [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)],
)
async def test_no_other_program_can_bind_a_port_that_has_a_twin(
    autojump_clock, daemon, client, alice, bob, address, options
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    assert talk.stream(talk.for_alice.rtp)._twin is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        for option in options:
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError) as caught:
            thief.bind((address, talk.for_alice.rtp.port))
    assert caught.value.errno == errno.EADDRINUSE


async def test_a_twin_gets_the_packets_of_its_peer_alone(autojump_clock):
    peer, neighbour, other = (open_socket(address) for address in ("127.0.1.1", "127.0.1.1", "127.0.66.6"))
    with ports.open_udp_socket(Endpoint("127.0.0.1", 0)) as bound, peer, neighbour, other:
        port = bound.getsockname()[1]
        with ports.open_twin_socket(bound, Endpoint.from_sockaddr(peer.getsockname())) as twin:
            for number, sender in enumerate([peer, neighbour, other, peer]):
                sender.sendto(b"%d" % number, ("127.0.0.1", port))
            assert everything(twin) == [b"0", b"3"]
            assert everything(bound) == [b"1", b"2"]
        peer.sendto(b"4", ("127.0.0.1", port))
        assert everything(bound) == [b"4"]


@pytest.mark.parametrize("refuses", [False, True])
async def test_packets_that_wait_in_a_twin_are_not_lost_when_it_closes(
    autojump_clock, daemon, client, alice, bob, refuses
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    bob.heard()
    stream = talk.stream(talk.for_alice.rtp)
    said = [talk.say(alice) for _ in range(100)]
    if refuses:
        # What is sent to a closed port comes back as an ICMP error, which goes before all that waits.
        alice.rtp.close()
        stream.send(FORGED)
    stream.close_twin(trio.current_time())
    assert bob.heard() == said


@pytest.mark.parametrize(
    "number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.EMSGSIZE]
)
async def test_a_forged_icmp_error_costs_no_packet(autojump_clock, daemon, client, alice, bob, number):
    """A connected socket reports it at the next send, which does not send anything then."""
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    bob.heard()
    stream = talk.stream(talk.for_bob.rtp)
    send = stream._twin_send
    pending = [OSError(number, os.strerror(number))]

    def report_first(datagram):
        if pending:
            raise pending.pop()
        return send(datagram)

    stream._twin_send = report_first
    stream.refresh()
    said = talk.say(alice)
    await talk.settle()
    assert pending == []
    assert bob.heard() == [said]
    assert stream.errors_out == 0


async def test_after_a_re_invite_the_old_endpoint_is_a_stranger(
    autojump_clock, daemon, client, hosts, alice, bob
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.1)
    moved = open_socket("127.0.1.9")
    with moved:
        await client.offer("call-1", "alice", sdp(*moved.getsockname()), flags=["port-latching"])
        moved.sendto(rtp(1, ssrc=7), talk.for_alice.rtp.sockaddr)
        await talk.settle()
        bob.heard()
        await talk.send(alice.rtp, [FORGED] * 10, talk.for_alice.rtp)
        assert bob.heard() == []
        talk.say(bob)
        await talk.settle()
        assert len(everything(moved)) == 1
