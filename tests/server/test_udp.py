"""The NG listener: requests come in, replies leave from the address that was asked, nothing stops it."""

import socket

import pytest
import trio
import trio.testing

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.server.access import Access
from karl_trio.server.counters import ControlCounters
from karl_trio.server.sockets import ListenError
from karl_trio.server.udp import BURST, UdpListener


def everybody():
    return Access.of(Settings(control_allow=("0.0.0.0/0", "::/0")), ControlCounters())


class Echo:
    """A dispatcher that sends every request back, and remembers who sent it."""

    def __init__(self):
        self.sources = []

    def receive(self, datagram, source, reply, *, size_limit=None):
        self.sources.append(source)
        reply(b"echo " + datagram)


@pytest.fixture
async def listen(nursery):
    def start(endpoint, dispatcher=None):
        listener = UdpListener.open(endpoint, everybody())
        nursery.start_soon(listener.serve, dispatcher or Echo())
        return listener

    return start


async def client(address="127.0.0.1", family=trio.socket.AF_INET):
    opened = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
    await opened.bind((address, 0))
    return opened


async def ask(opened, datagram, destination):
    await opened.sendto(datagram, destination)
    with trio.fail_after(5):
        return await opened.recvfrom(65535)


async def test_a_request_is_replied_to(listen):
    echo = Echo()
    listener = listen(Endpoint("127.0.0.1", 0), echo)
    with await client() as phone:
        reply, source = await ask(phone, b"c1 x", listener.endpoint.sockaddr)
        assert reply == b"echo c1 x"
        assert source == listener.endpoint.sockaddr
        assert echo.sources == [Endpoint.from_sockaddr(phone.getsockname())]


async def test_a_reply_leaves_from_the_address_that_was_asked(listen):
    listener = listen(Endpoint("0.0.0.0", 0))
    with await client() as proxy:
        for address in ("127.0.0.1", "127.0.0.77"):
            _, source = await ask(proxy, b"c", (address, listener.endpoint.port))
            assert source == (address, listener.endpoint.port)


async def test_ipv6_is_served_beside_ipv4_on_the_same_port(listen):
    first = listen(Endpoint("0.0.0.0", 0))
    second = listen(Endpoint("::", first.endpoint.port))
    with await client("::1", trio.socket.AF_INET6) as proxy:
        reply, source = await ask(proxy, b"c", ("::1", second.endpoint.port))
        assert reply == b"echo c"
        assert source[:2] == ("::1", second.endpoint.port)


async def test_a_flood_leaves_turns_for_other_tasks(listen):
    """However many requests wait, other tasks run after every few of them."""
    turns = []

    class Counting(Echo):
        def receive(self, datagram, source, reply, *, size_limit=None):
            super().receive(datagram, source, reply)
            turns[-1] += 1

    async def media():
        while True:
            turns.append(0)
            await trio.lowlevel.checkpoint()

    counting = Counting()
    listener = UdpListener.open(Endpoint("127.0.0.1", 0), everybody())
    with await client() as proxy:
        for number in range(40):
            await proxy.sendto(b"c%d x" % number, listener.endpoint.sockaddr)
        async with trio.open_nursery() as inner:
            inner.start_soon(media)
            inner.start_soon(listener.serve, counting)
            with trio.fail_after(5):
                for number in range(40):
                    assert await proxy.recv(100) == b"echo c%d x" % number
            inner.cancel_scope.cancel()
    # Trio runs what is ready in random order, so a turn of others may lie before one burst and after the
    # next.
    assert max(turns) <= 2 * BURST


async def test_a_reply_that_cannot_be_sent_is_counted_and_forgotten(listen):
    listener = listen(Endpoint("127.0.0.1", 0), replying := Oversized())
    with await client() as proxy:
        await proxy.sendto(b"big", listener.endpoint.sockaddr)
        reply, _ = await ask(proxy, b"small", listener.endpoint.sockaddr)
    assert reply == b"small"
    assert listener.access.counters.unsent == 1
    assert replying.requests == 2


class Oversized:
    """A dispatcher whose first reply is larger than any datagram."""

    def __init__(self):
        self.requests = 0

    def receive(self, datagram, source, reply, *, size_limit=None):
        self.requests += 1
        reply(bytes(70_000) if datagram == b"big" else datagram)


def test_an_address_that_is_taken_is_told_in_one_line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = Endpoint.from_sockaddr(other.getsockname())
        with pytest.raises(ListenError) as caught:
            UdpListener.open(taken, everybody())
    assert str(caught.value) == f"cannot listen for NG requests on {taken}: Address already in use"


async def test_replies_carry_the_type_of_service_that_is_set(nursery):
    listener = UdpListener.open(Endpoint("127.0.0.1", 0), everybody(), tos=0xB8)
    nursery.start_soon(listener.serve, Echo())
    with await client() as proxy:
        proxy.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        assert await type_of_service(proxy, listener) == 0xB8
        listener.follow(Settings(control_tos=0x60))
        assert await type_of_service(proxy, listener) == 0x60


async def type_of_service(proxy, listener):
    await proxy.sendto(b"c", listener.endpoint.sockaddr)
    with trio.fail_after(5):
        _, ((_, _, tos),), _, _ = await proxy.recvmsg(100, 100)
    return tos[0]


async def test_the_socket_is_closed_when_the_listener_ends():
    listener = UdpListener.open(Endpoint("127.0.0.1", 0), everybody())
    async with trio.open_nursery() as inner:
        inner.start_soon(listener.serve, Echo())
        await trio.testing.wait_all_tasks_blocked()
        inner.cancel_scope.cancel()
    UdpListener.open(listener.endpoint, everybody()).close()
