"""Connections over real sockets: who gets one, how many there may be, and that none is left behind."""

from __future__ import annotations

import logging
import socket
from types import SimpleNamespace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.server.access import Access
from karl_trio.server.hangup import HangUp, Reason
from karl_trio.server.sockets import ListenError
from karl_trio.server.streams import StreamListener

LOOPBACK = Endpoint("127.0.0.1", 0)


async def echo(connection):
    """A protocol that sends everything back, and fails when it is told to."""
    while octets := await connection.receive():
        if octets == b"fail":
            raise ZeroDivisionError("told to")
        if octets == b"hang up":
            raise HangUp(Reason.MALFORMED)
        await connection.stream.send_all(octets)


@pytest.fixture
def counters(dispatcher):
    return dispatcher.daemon.counters


@pytest.fixture
def listen(nursery, dispatcher, counters):
    def start(endpoint=LOOPBACK, *, allow=("127.0.0.0/8", "::1"), **options):
        access = Access.of(Settings(control_allow=allow), counters)
        listener = StreamListener.open(endpoint, access, echo, **options)
        nursery.start_soon(listener.serve, dispatcher)
        return listener

    return start


async def connect(listener, *, source="127.0.0.1"):
    family = trio.socket.AF_INET6 if ":" in source else trio.socket.AF_INET
    opened = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    await opened.bind((source, 0))
    await opened.connect(listener.endpoint.sockaddr)
    return trio.SocketStream(opened)


async def said(client, octets=b""):
    """What the server says to something, empty if it closes."""
    if octets:
        await client.send_all(octets)
    with trio.fail_after(5):
        try:
            return bytes(await client.receive_some())
        except trio.BrokenResourceError:  # reset: we sent something that nobody read
            return b""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_client_is_served(listen, counters, address):
    listener = listen(Endpoint(address, 0))
    async with await connect(listener, source=address) as client:
        assert await said(client, b"hello") == b"hello"
        assert counters.connections == 1
    await wait_all_tasks_blocked()
    assert counters.connections == 0


async def test_a_stranger_is_hung_up_on_without_an_octet(listen, counters):
    listener = listen(allow=("127.0.0.1",))
    async with await connect(listener, source="127.0.0.9") as stranger:
        assert await said(stranger) == b""
    async with await connect(listener) as client:
        assert await said(client, b"hello") == b"hello"
    assert counters.not_allowed == 1


async def test_a_client_that_is_no_longer_allowed_is_hung_up_on(listen, counters):
    listener = listen(allow=("127.0.0.0/8",))
    async with await connect(listener) as one, await connect(listener, source="127.0.0.9") as other:
        assert await said(one, b"1") == b"1"
        assert await said(other, b"2") == b"2"
        changed = Settings(control_allow=("127.0.0.1",))
        listener.access.follow(changed)
        listener.follow(changed)
        assert await said(other) == b""
        assert await said(one, b"3") == b"3"
    assert counters.not_allowed == 1


async def test_there_are_no_more_connections_than_there_may_be(listen, counters):
    listener = listen(max_connections=2)
    async with await connect(listener) as first, await connect(listener) as second:
        assert await said(first, b"1") == b"1"
        assert await said(second, b"2") == b"2"
        async with await connect(listener) as third:
            assert await said(third) == b""
        assert counters.hangups == {Reason.TOO_MANY: 1}
        await first.aclose()
        await wait_all_tasks_blocked()
        async with await connect(listener) as fourth:
            assert await said(fourth, b"4") == b"4"


async def test_a_fault_of_ours_ends_that_connection_alone(listen, counters, caplog):
    listener = listen()
    async with await connect(listener) as unlucky, await connect(listener) as lucky:
        assert await said(unlucky, b"fail") == b""
        assert await said(lucky, b"hello") == b"hello"
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "ended by an internal error" in record.getMessage()
    assert record.exc_info


async def test_what_we_end_ourselves_is_counted_and_is_no_fault(listen, counters, caplog):
    async with await connect(listen()) as client:
        assert await said(client, b"hang up") == b""
    assert counters.hangups == {Reason.MALFORMED: 1}
    assert not caplog.records


async def test_a_client_that_resets_its_connection_is_no_fault(listen, counters, caplog):
    client = await connect(listen())
    assert await said(client, b"hello") == b"hello"
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await client.aclose()
    await wait_all_tasks_blocked()
    assert counters.connections == 0
    assert (counters.hangups, caplog.records) == ({}, [])


async def test_all_connections_end_with_the_listener(dispatcher, counters):
    access = Access.of(Settings(), counters)
    listener = StreamListener.open(LOOPBACK, access, echo)
    async with trio.open_nursery() as inner:
        inner.start_soon(listener.serve, dispatcher)
        client = await connect(listener)
        assert await said(client, b"hello") == b"hello"
        inner.cancel_scope.cancel()
    assert await said(client) == b""
    await client.aclose()
    assert counters.connections == 0
    StreamListener.open(listener.endpoint, access, echo).close()


def test_an_address_that_is_taken_is_told_in_one_line():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = Endpoint.from_sockaddr(other.getsockname())
        with pytest.raises(ListenError) as caught:
            StreamListener.open(taken, SimpleNamespace(), echo)
    assert str(caught.value) == f"cannot listen for connections on {taken}: Address already in use"


async def test_replies_carry_the_type_of_service_that_is_set(listen):
    listener = listen(tos=0xB8)
    async with await connect(listener) as client:
        assert await said(client, b"hello") == b"hello"
        (connection,) = listener._connections
        assert connection.stream.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8


async def test_without_files_for_another_connection_it_waits_and_goes_on(
    listen, counters, monkeypatch, mock_clock
):
    mock_clock.autojump_threshold = 0.01
    accept = trio.SocketListener.accept
    failures = iter([OSError(24, "Too many open files")])

    async def failing(self):
        for error in failures:
            raise error
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    async with await connect(listen()) as client:
        assert await said(client, b"hello") == b"hello"
    assert counters.unaccepted == 1
