"""One task reads all media sockets; a fault belongs to the socket that it came from."""

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.media.poller import MAX_EVENTS, Poller


@pytest.fixture
async def poller(nursery):
    poller = Poller()
    nursery.start_soon(poller.run)
    return poller


@pytest.fixture
def pair():
    pairs = []

    def make():
        receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        pairs.extend((receiver, sender))
        return receiver, sender

    yield make
    for each in pairs:
        each.close()


async def until(condition):
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.001)


async def test_every_datagram_of_every_socket_is_read(poller, pair, nursery):
    heard = []
    senders = []
    for number in range(3 * MAX_EVENTS // 2):
        receiver, sender = pair()
        senders.append(sender)

        def receive(now, receiver=receiver, number=number):
            heard.append((number, receiver.recv(100)))

        nursery.start_soon(poller.serve, receiver.fileno(), receive)
    await wait_all_tasks_blocked()
    for sender in senders:
        sender.send(b"one")
        sender.send(b"two")
    await until(lambda: len(heard) == 2 * len(senders))
    assert sorted(heard) == sorted((n, what) for n in range(len(senders)) for what in (b"one", b"two"))


async def test_the_time_given_is_trios(poller, pair, nursery):
    receiver, sender = pair()
    times = []

    def receive(now):
        receiver.recv(100)
        times.append(now)

    nursery.start_soon(poller.serve, receiver.fileno(), receive)
    await wait_all_tasks_blocked()
    before = trio.current_time()
    sender.send(b"x")
    await until(lambda: times)
    assert before <= times[0] <= trio.current_time()


async def test_an_error_is_raised_in_the_task_that_serves_the_socket_and_in_no_other(poller, pair, nursery):
    broken, to_broken = pair()
    healthy, to_healthy = pair()
    failures, heard = [], []

    def fail(now):
        broken.recv(100)
        raise RuntimeError("a bug")

    async def serve_broken():
        try:
            await poller.serve(broken.fileno(), fail)
        except RuntimeError as error:
            failures.append(error)

    nursery.start_soon(serve_broken)
    nursery.start_soon(poller.serve, healthy.fileno(), lambda now: heard.append(healthy.recv(100)))
    await wait_all_tasks_blocked()
    to_broken.send(b"x")
    to_broken.send(b"y")
    to_healthy.send(b"z")
    await until(lambda: failures and heard)
    assert [str(error) for error in failures] == ["a bug"]
    assert heard == [b"z"]
    assert len(poller) == 1


async def test_a_cancelled_socket_is_not_read_any_more(poller, pair):
    receiver, sender = pair()
    heard = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.serve, receiver.fileno(), lambda now: heard.append(receiver.recv(100)))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        # Cancelled, but its task has not run yet.
        sender.send(b"late")
        poller.drain()
    assert heard == []
    assert len(poller) == 0


async def test_a_failure_and_a_cancellation_at_once_wake_the_task_once(poller, pair):
    receiver, sender = pair()

    def fail(now):
        raise RuntimeError("a bug")

    with trio.fail_after(5), pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.serve, receiver.fileno(), fail)
            await wait_all_tasks_blocked()
            sender.send(b"x")
            poller.drain()
            nursery.cancel_scope.cancel()
    assert len(poller) == 0


async def test_a_second_socket_is_read_for_the_same_task_and_ends_with_it(poller, pair):
    first, to_first = pair()
    second, to_second = pair()
    heard, failures = [], []

    def fail(now):
        second.recv(100)
        raise RuntimeError("a bug")

    async def serve():
        try:
            await poller.serve(first.fileno(), lambda now: heard.append(first.recv(100)))
        except RuntimeError as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await wait_all_tasks_blocked()
        poller.attach(second.fileno(), lambda now: heard.append(second.recv(100)), beside=first.fileno())
        to_first.send(b"one")
        to_second.send(b"two")
        await until(lambda: len(heard) == 2)
        poller.detach(second.fileno())
        poller.detach(second.fileno())
        assert len(poller) == 1
        poller.attach(second.fileno(), fail, beside=first.fileno())
        to_second.send(b"three")
        await until(lambda: failures)
    assert sorted(heard) == [b"one", b"two"]
    assert len(poller) == 0


async def test_a_second_socket_that_fails_while_its_task_is_being_cancelled_wakes_nobody(poller, pair):
    first, _ = pair()
    second, to_second = pair()
    heard = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.serve, first.fileno(), heard.append)
        await wait_all_tasks_blocked()
        poller.attach(second.fileno(), heard.append, beside=first.fileno())
        nursery.cancel_scope.cancel()
        to_second.send(b"late")
        poller.drain()
    assert heard == []


async def test_other_tasks_get_their_turn_under_a_flood(poller, pair, nursery):
    turns = 0

    def flood(now):
        """Never reads, so the socket stays readable."""

    receiver, sender = pair()
    sender.send(b"x")
    nursery.start_soon(poller.serve, receiver.fileno(), flood)
    with trio.move_on_after(5):
        while turns < 100:
            await trio.lowlevel.checkpoint()
            turns += 1
    assert turns == 100


async def test_a_lone_datagram_does_not_wait_for_others(mock_clock, poller, pair, nursery):
    receiver, sender = pair()
    heard = []
    nursery.start_soon(poller.serve, receiver.fileno(), lambda now: heard.append((receiver.recv(100), now)))
    await wait_all_tasks_blocked()
    sender.send(b"one")
    # The clock stands still: nothing that sleeps would wake.
    while not heard:
        await trio.lowlevel.checkpoint()
    assert heard == [(b"one", trio.current_time())]


async def test_a_burst_at_one_socket_is_read_without_waiting(mock_clock, poller, pair, nursery):
    receiver, sender = pair()
    heard = []
    nursery.start_soon(poller.serve, receiver.fileno(), lambda now: heard.append(receiver.recv(100)))
    await wait_all_tasks_blocked()
    # As many as the queue of such a socket takes by default.
    for number in range(10):
        sender.send(b"%d" % number)
    while not heard:
        await trio.lowlevel.checkpoint()
    assert heard == [b"%d" % number for number in range(10)]
