"""The port pool: what it hands out, what it takes back, and that its books are right whatever happens."""

import errno
import logging
import os
import socket
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from karl_trio.endpoint import Endpoint
from karl_trio.errors import OutOfPorts
from karl_trio.media.ports import MAX_ATTEMPTS, PairBook, PortPool


class FakeSocket:
    def __init__(self, host, endpoint):
        self.host = host
        self.endpoint = endpoint
        host.open.add(endpoint)

    def close(self):
        self.host.open.remove(self.endpoint)


class Host:
    """Opens fake sockets, unless told to refuse."""

    def __init__(self):
        self.open = set()
        self.foreign = set()
        self.failures = []
        self.attempts = 0

    def open_socket(self, endpoint):
        self.attempts += 1
        if self.failures:
            failure = self.failures.pop(0)
            if failure:
                raise OSError(failure, os.strerror(failure))
        if endpoint.port in self.foreign:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        assert endpoint not in self.open, "bound twice"
        return FakeSocket(self, endpoint)


def make_pool(low=40_000, high=40_007, *, rest=5.0, seed=1):
    host = Host()
    pool = PortPool("192.0.2.1", low, high, rest=rest, random=Random(seed), open_socket=host.open_socket)
    return pool, host


def books(pool):
    return pool.free, pool.resting, pool.in_use


def test_pair_is_an_even_port_for_rtp_and_the_one_above_for_rtcp():
    pool, host = make_pool()
    pair = pool.take_pair(0.0)
    assert pair.rtp.endpoint.port % 2 == 0
    assert pair.rtcp.endpoint == Endpoint("192.0.2.1", pair.rtp.endpoint.port + 1)
    assert host.open == {pair.rtp.endpoint, pair.rtcp.endpoint}


@pytest.mark.parametrize(
    ("low", "high", "first_ports"),
    [
        (40_000, 40_003, {40_000, 40_002}),
        (40_000, 40_004, {40_000, 40_002}),
        (39_999, 40_003, {40_000, 40_002}),
        (65_534, 65_535, {65_534}),
    ],
)
def test_odd_ends_of_the_range_are_left_out(low, high, first_ports):
    pool, _ = make_pool(low, high)
    assert pool.size == 2 * len(first_ports)
    assert {pool.take_pair(0.0).rtp.endpoint.port for _ in first_ports} == first_ports


@pytest.mark.parametrize(("low", "high"), [(40_000, 40_000), (40_001, 40_002), (40_002, 40_000)])
def test_range_without_a_pair_is_refused(low, high):
    with pytest.raises(ValueError, match="no pair of ports"):
        make_pool(low, high)


def test_order_of_ports_is_not_that_of_their_numbers_and_comes_from_the_seed():
    orders = []
    for seed in (1, 1, 2):
        pool, _ = make_pool(40_000, 40_999, seed=seed)
        orders.append([pool.take_pair(0.0).rtp.endpoint.port for _ in range(500)])
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_released_pair_rests_before_it_is_used_again():
    pool, _ = make_pool(40_000, 40_003)
    first = pool.take_pair(0.0)
    first.close(1.0)
    assert books(pool) == (2, 2, 0)
    second = pool.take_pair(2.0)
    assert second.rtp.endpoint != first.rtp.endpoint
    second.close(2.0)
    assert pool.take_pair(6.0).rtp.endpoint == first.rtp.endpoint


def test_resting_pairs_are_used_oldest_first_when_nothing_else_is_free():
    pool, _ = make_pool(40_000, 40_005)
    pairs = [pool.take_pair(0.0) for _ in range(3)]
    for index in (1, 2, 0):
        pairs[index].close(1.0 + index)
    again = [pool.take_pair(3.5).rtp.endpoint for _ in range(3)]
    assert again == [pairs[index].rtp.endpoint for index in (1, 2, 0)]


def test_pair_is_back_only_when_both_its_ports_are_closed():
    pool, host = make_pool(40_000, 40_001)
    pair = pool.take_pair(0.0)
    pair.rtcp.close(1.0)
    assert host.open == {pair.rtp.endpoint}
    assert books(pool) == (0, 0, 2)
    with pytest.raises(OutOfPorts):
        pool.take_pair(100.0)
    pair.rtp.close(200.0)
    assert books(pool) == (0, 2, 0)


def test_one_port_is_half_a_pair_and_the_other_half_is_for_the_next_one_port():
    pool, host = make_pool(40_000, 40_003)
    first, second = pool.take_single(0.0), pool.take_single(0.0)
    assert first.rtcp is None
    assert second.rtp.endpoint.port == first.rtp.endpoint.port + 1
    assert host.open == {first.rtp.endpoint, second.rtp.endpoint}
    assert books(pool) == (2, 0, 2)
    first.close(1.0)
    assert books(pool) == (2, 0, 2)
    second.close(1.0)
    assert books(pool) == (2, 2, 0)


def test_half_a_pair_that_nobody_used_rests_with_the_other_half():
    pool, _ = make_pool(40_000, 40_003)
    single = pool.take_single(0.0)
    assert books(pool) == (3, 0, 1)
    assert pool.take_pair(0.0).rtp.endpoint != single.rtp.endpoint
    single.close(1.0)
    assert books(pool) == (0, 2, 2)


def test_half_a_pair_that_another_program_took_meanwhile_is_passed_over():
    pool, host = make_pool(40_000, 40_003)
    first = pool.take_single(0.0)
    host.foreign.add(first.rtp.endpoint.port + 1)
    second = pool.take_single(0.0)
    assert second.rtp.endpoint.port != first.rtp.endpoint.port + 1
    first.close(1.0)
    second.close(1.0)
    assert books(pool) == (0, 4, 0)


def test_half_a_pair_stays_spare_when_no_socket_can_be_opened():
    pool, host = make_pool(40_000, 40_001)
    first = pool.take_single(0.0)
    host.failures = [errno.EMFILE]
    with pytest.raises(OutOfPorts):
        pool.take_single(0.0)
    assert pool.take_single(0.0).rtp.endpoint.port == first.rtp.endpoint.port + 1


@given(
    steps=st.lists(st.tuples(st.sampled_from(["pair", "single", "close"]), st.integers(0, 20)), max_size=60)
)
def test_pairs_and_single_ports_in_any_order_leave_the_books_right(steps):
    pool, host = make_pool(40_000, 40_011)
    held = []
    for now, (step, which) in enumerate(steps):
        try:
            if step == "close" and held:
                held.pop(which % len(held)).close(float(now))
            elif step != "close":
                held += (pool.take_pair if step == "pair" else pool.take_single)(float(now)).ports
        except OutOfPorts:
            assert pool.free + pool.resting < 2
        assert host.open == {port.endpoint for port in held}
        assert len(held) <= pool.in_use
        assert pool.free + pool.resting + pool.in_use == pool.size == 12
    for port in held:
        port.close(100.0)
    assert books(pool)[2] == 0


def test_closing_twice_does_nothing():
    pool, _ = make_pool(40_000, 40_001)
    pair = pool.take_pair(0.0)
    for _ in range(3):
        pair.close(1.0)
        pair.rtp.close(1.0)
    assert books(pool) == (0, 2, 0)
    other = pool.take_pair(10.0)
    pair.close(11.0)
    assert not other.rtp.is_closed
    assert books(pool) == (0, 0, 2)


def test_exhausted_pool_says_so():
    pool, _ = make_pool(40_000, 40_003)
    for _ in range(2):
        pool.take_pair(0.0)
    with pytest.raises(OutOfPorts, match="all 4 ports between 40000 and 40003 are in use"):
        pool.take_pair(0.0)
    assert "4 of 4 ports in use" in repr(pool)


@pytest.mark.parametrize("taken", [40_000, 40_001])
def test_pair_in_use_by_another_program_is_skipped_and_leaks_nothing(taken):
    pool, host = make_pool(40_000, 40_003)
    host.foreign = {taken}
    assert pool.take_pair(0.0).rtp.endpoint.port == 40_002
    assert {endpoint.port for endpoint in host.open} == {40_002, 40_003}
    with pytest.raises(OutOfPorts, match="no port that could be bound: Address already in use"):
        pool.take_pair(0.0)
    assert books(pool) == (0, 2, 2)


def test_pair_in_use_by_another_program_is_not_tried_at_every_take():
    pool, host = make_pool(40_000, 40_007)
    host.foreign = {40_000, 40_002, 40_004}
    pool.take_pair(0.0).close(0.0)
    host.attempts = 0
    pool.take_pair(6.0).close(6.0)
    pool.take_pair(6.0).close(6.0)
    assert host.attempts <= 10
    host.foreign = set()
    assert {pool.take_pair(100.0).rtp.endpoint.port for _ in range(4)} == {40_000, 40_002, 40_004, 40_006}


@pytest.mark.parametrize("rest", [0.0, 5.0])
def test_range_in_use_by_another_program_does_not_hold_up_a_request_for_long(rest):
    pool, host = make_pool(30_000, 39_999, rest=rest)
    host.foreign = set(range(30_000, 40_000))
    with pytest.raises(OutOfPorts):
        pool.take_pair(0.0)
    assert host.attempts == MAX_ATTEMPTS
    assert pool.in_use == 0


@pytest.mark.parametrize("limit", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("opened_before", [0, 1])
def test_open_file_limit_is_told_apart_and_the_pair_stays_free(limit, opened_before):
    pool, host = make_pool()
    host.failures = [0] * opened_before + [limit]
    with pytest.raises(OutOfPorts, match=f"open-file limit reached: {os.strerror(limit)}"):
        pool.take_pair(0.0)
    assert books(pool) == (8, 0, 0)
    assert not host.open


def test_address_that_is_not_ours_fails_at_once():
    pool, host = make_pool()
    host.failures = [errno.EADDRNOTAVAIL]
    with pytest.raises(OutOfPorts, match="cannot open a socket: Cannot assign requested address"):
        pool.take_pair(0.0)
    assert host.attempts == 1
    assert books(pool) == (8, 0, 0)


def test_each_episode_of_failing_is_logged_once(caplog):
    pool, host = make_pool()
    with caplog.at_level(logging.INFO):
        for failures in ([errno.EMFILE], [errno.EMFILE], [0, errno.EMFILE]):
            host.failures = failures
            with pytest.raises(OutOfPorts):
                pool.take_pair(0.0)
        assert len(caplog.messages) == 1
        assert "open-file limit reached" in caplog.messages[0]
        pool.take_pair(0.0).close(0.0)
        host.failures = [errno.EMFILE]
        with pytest.raises(OutOfPorts):
            pool.take_pair(0.0)
    assert len(caplog.messages) == 2


def test_what_is_no_operating_system_error_leaks_nothing_either():
    host = Host()

    def interrupt(endpoint):
        if host.open:
            raise KeyboardInterrupt
        return FakeSocket(host, endpoint)

    pool = PortPool("192.0.2.1", 40_000, 40_001, rest=5.0, random=Random(1), open_socket=interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.take_pair(0.0)
    assert not host.open
    assert books(pool) == (2, 0, 0)


def test_book_refuses_back_what_it_did_not_hand_out():
    book = PairBook(40_000, 40_007, rest=1.0, random=Random(1))
    with pytest.raises(KeyError):
        book.release(40_000, 0.0)
    assert (book.free, book.resting, book.taken) == (4, 0, 0)


class PoolBooks(RuleBasedStateMachine):
    """Takes, closes and failures in any order, with a plain account of them beside the pool's own."""

    REST = 5.0
    PORTS = range(40_000, 40_012)

    def __init__(self):
        super().__init__()
        self.pool, self.host = make_pool(self.PORTS[0], self.PORTS[-1], rest=self.REST)
        self.now = 0.0
        self.held = {}
        self.closed_at = {}
        self.was_refused = set()

    def take(self):
        pair = self.pool.take_pair(self.now)
        port = pair.rtp.endpoint.port
        assert port not in self.held
        waiting = self.now - self.closed_at.get(port, -100.0) < self.REST
        if waiting:
            rested = [
                other
                for other in self.PORTS[::2]
                if other not in self.held
                and other not in self.host.foreign
                and other + 1 not in self.host.foreign
                and other not in self.closed_at
                and other not in self.was_refused
            ]
            assert not rested, "a pair that still had to rest was used though others were free"
        self.held[port] = pair
        return pair

    @rule()
    def take_one(self):
        available = [
            port
            for port in self.PORTS[::2]
            if port not in self.held and not {port, port + 1} & self.host.foreign
        ]
        if available:
            self.take()
        else:
            with pytest.raises(OutOfPorts):
                self.pool.take_pair(self.now)

    @rule(
        succeeding=st.integers(0, 1),
        failure=st.sampled_from([errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL]),
    )
    @precondition(lambda self: len(self.held) < len(self.PORTS) // 2 and not self.host.foreign)
    def fail_to_take(self, succeeding, failure):
        before = self.pool.in_use
        self.host.failures = [0] * succeeding + [failure]
        with pytest.raises(OutOfPorts):
            self.pool.take_pair(self.now)
        assert self.pool.in_use == before

    @rule(port=st.sampled_from(PORTS))
    def bind_elsewhere(self, port):
        if Endpoint("192.0.2.1", port) not in self.host.open:
            self.host.foreign.add(port)

    @rule()
    def unbind_elsewhere(self):
        # They rest, if they were tried meanwhile.
        self.was_refused |= {port & ~1 for port in self.host.foreign}
        self.host.foreign.clear()

    @rule(data=st.data(), parts=st.sampled_from(["rtp", "rtcp", "both"]))
    @precondition(lambda self: self.held)
    def close(self, data, parts):
        port = data.draw(st.sampled_from(sorted(self.held)))
        pair = self.held[port]
        if parts == "both":
            pair.close(self.now)
        else:
            getattr(pair, parts).close(self.now)
        if pair.rtp.is_closed and pair.rtcp.is_closed:
            del self.held[port]
            self.closed_at[port] = self.now

    @rule(seconds=st.floats(0.0, 10.0))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def every_pair_is_in_one_place(self):
        assert self.pool.free + self.pool.resting + self.pool.in_use == self.pool.size == len(self.PORTS)
        assert self.pool.in_use == 2 * len(self.held)

    @invariant()
    def open_sockets_are_those_of_open_ports(self):
        ports = [port for pair in self.held.values() for port in (pair.rtp, pair.rtcp)]
        assert self.host.open == {port.endpoint for port in ports if not port.is_closed}

    def teardown(self):
        for pair in self.held.values():
            pair.close(self.now)
        assert not self.host.open
        assert self.pool.in_use == 0


TestPoolBooks = PoolBooks.TestCase


@pytest.fixture(params=["127.0.0.1", "::1"])
def loopback(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((request.param, 0))
    except OSError:
        pytest.skip(f"this host has no {request.param}")
    return request.param


def make_real_pool(address, pairs=8):
    """A pool above the range that the system itself picks from."""
    return PortPool(address, 62_000, 62_000 + 2 * pairs - 1, rest=5.0, random=Random())


def test_real_sockets_are_bound_not_inherited_and_never_block(loopback):
    pool = make_real_pool(loopback)
    pair = pool.take_pair(0.0)
    try:
        for port in (pair.rtp, pair.rtcp):
            assert Endpoint.from_sockaddr(port.socket.getsockname()) == port.endpoint
            assert port.fileno() == port.socket.fileno() > 0
            assert not os.get_inheritable(port.fileno())
            with pytest.raises(BlockingIOError):
                port.socket.recvfrom(100)
        pair.rtp.socket.sendto(b"hello", pair.rtcp.endpoint.sockaddr)
        assert pair.rtcp.socket.recvfrom(100) == (b"hello", pair.rtp.endpoint.sockaddr)
    finally:
        pair.close(1.0)
    assert pair.rtp.fileno() == -1
    assert pool.in_use == 0


def test_real_port_of_another_program_is_skipped(loopback):
    pool, other = make_real_pool(loopback, pairs=2), make_real_pool(loopback, pairs=2)
    pair = other.take_pair(0.0)
    mine = pool.take_pair(0.0)
    try:
        assert mine.rtp.endpoint != pair.rtp.endpoint
        with pytest.raises(OutOfPorts, match="in use"):
            pool.take_pair(0.0)
    finally:
        pair.close(0.0)
        mine.close(0.0)


def test_type_of_service_is_set_on_what_is_sent(loopback):
    pair = make_real_pool(loopback).take_pair(0.0)
    try:
        pair.rtp.set_tos(184)
        option = (
            (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
            if ":" in loopback
            else (socket.IPPROTO_IP, socket.IP_TOS)
        )
        assert pair.rtp.socket.getsockopt(*option) == 184
        assert pair.rtcp.socket.getsockopt(*option) == 0
    finally:
        pair.close(0.0)


def test_ipv6_pool_leaves_the_same_ports_to_ipv4():
    try:
        six = make_real_pool("::", pairs=1).take_pair(0.0)
    except OutOfPorts:
        pytest.skip("this host has no IPv6")
    four = make_real_pool("0.0.0.0", pairs=1).take_pair(0.0)
    six.close(0.0)
    four.close(0.0)
