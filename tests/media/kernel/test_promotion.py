"""When a stream is given to the kernel, and when it is taken back. The kernel is a fake."""

from __future__ import annotations

import time
from collections import deque
from itertools import count
from types import SimpleNamespace

import pytest
import trio
from attrs import evolve

from karl_trio.endpoint import Endpoint
from karl_trio.media.filters import PayloadFilter
from karl_trio.media.kernel.flows import Glance
from karl_trio.media.kernel.promotion import FIRST_REST, LONGEST_REST, STEADY, TRIES, Event, Passing, State
from karl_trio.media.relay import relay

from ..fakes import deliver, make_stream, rtp, sent_by

ALICE = Endpoint("198.51.100.1", 4000)
BOB = Endpoint("203.0.113.2", 5000)
CAROL = Endpoint("203.0.113.3", 6000)
SAME_HOST = Endpoint("198.51.100.1", 4001)


class FakeRoad:
    """Has room for one passage."""

    def __init__(self):
        self.passage = None
        self.counter = None
        self.has_room = True
        self.admitted = lambda stream: None

    def ways(self, passage):
        return "the usual way"

    def admit(self, stream, passage, ways, counter):
        if not self.has_room:
            return None
        self.admitted(stream)
        self.passage, self.counter = passage, counter
        return 3

    def dismiss(self, passage, counter):
        assert (passage, counter) == (self.passage, 3)
        self.passage = None

    def read(self, counter):
        return self.counter

    def glance(self, counter):
        counted = self.counter
        return Glance(counted.packets, counted.octets, counted.last, counted.errors)

    def relay(self, packets):
        """Relay the stream's next packets, of 172 octets."""
        before = self.counter
        self.counter = evolve(
            before,
            packets=before.packets + packets,
            octets=before.octets + 172 * packets,
            advanced=before.advanced + packets,
            highest=(before.highest + packets) % 65536,
            seen=2**64 - 1,
            known=min(63, before.known + packets),
            timestamp=before.timestamp + 160 * packets,
            last=time.monotonic_ns(),
        )


@pytest.fixture
def road():
    return FakeRoad()


@pytest.fixture
async def alice(autojump_clock):
    return make_stream(30000, phone=ALICE, clock_rates={0: 8000, 101: 8000, 96: 90000, 72: 8000})


@pytest.fixture
async def bob(autojump_clock):
    return make_stream(30002, phone=BOB, clock_rates={0: 8000})


def speak(alice, bob):
    """Let both phones be heard, and believed."""
    for sequence in (1, 2):
        deliver(alice, rtp(sequence), ALICE, now=trio.current_time())
        deliver(bob, rtp(sequence), BOB, now=trio.current_time())


@pytest.fixture
async def promoted(road, alice, bob):
    alice.sinks, bob.sinks = (bob,), (alice,)
    speak(alice, bob)
    passing = alice.promotion = Passing(road, alice)
    passing.visit(trio.current_time())
    assert passing.state is State.KERNEL
    return passing


async def visit_after(passing, seconds):
    await trio.sleep(seconds)
    passing.visit(trio.current_time())
    return passing.is_active


async def test_it_needs_both_ends_and_a_source_that_has_proved_itself(autojump_clock, road, alice, bob):
    alice.sinks = (bob,)
    passing = alice.promotion = Passing(road, alice)
    deliver(alice, rtp(1), ALICE)
    deliver(alice, rtp(2), ALICE)
    assert not await visit_after(passing, 1.0)
    deliver(bob, rtp(1), BOB)
    assert await visit_after(passing, 1.0)
    assert (road.passage.source, road.passage.local) == (ALICE, alice.port.endpoint)
    assert (road.passage.out, road.passage.destination) == (bob.port.endpoint, BOB)
    # Payload type 72 looks like RTCP, and 96 is of another clock.
    assert (road.passage.payload_types, road.passage.clock_rate) == ({0, 101}, 8000)


async def test_what_comes_while_it_is_promoted_is_relayed_first(autojump_clock, road, alice, bob):
    alice.sinks, bob.sinks = (bob,), (alice,)
    speak(alice, bob)
    passing = alice.promotion = Passing(road, alice)
    early = deque([3, 4])
    road.admitted = lambda stream: (
        early and stream.port.twin.inbox.append((rtp(early.popleft()), ALICE.sockaddr))
    )
    assert await visit_after(passing, 1.0)
    assert [datagram for datagram, _ in sent_by(bob)[-2:]] == [rtp(3), rtp(4)]
    assert road.counter.highest == 4


async def test_a_stream_that_is_never_quiet_is_tried_again_later(autojump_clock, road, alice, bob):
    alice.sinks, bob.sinks = (bob,), (alice,)
    speak(alice, bob)
    passing = alice.promotion = Passing(road, alice)
    numbers = count(3)
    road.admitted = lambda stream: stream.port.twin.inbox.append((rtp(next(numbers)), ALICE.sockaddr))
    assert not await visit_after(passing, 1.0)
    assert alice.packets == 2 + TRIES
    road.admitted = lambda stream: None
    assert await visit_after(passing, 0.1)


async def test_one_packet_is_no_proof(autojump_clock, road, alice, bob):
    alice.sinks = (bob,)
    passing = alice.promotion = Passing(road, alice)
    deliver(bob, rtp(1), BOB)
    deliver(alice, rtp(1), ALICE)
    assert not await visit_after(passing, 1.0)
    deliver(alice, rtp(2), ALICE)
    assert await visit_after(passing, 1.0)


async def test_what_waits_in_the_socket_goes_first(autojump_clock, road, alice, bob):
    alice.sinks = (bob,)
    passing = alice.promotion = Passing(road, alice)
    for sequence in (1, 2):
        deliver(alice, rtp(sequence), ALICE)
    deliver(bob, rtp(1), BOB)
    for sequence in (3, 4):
        alice.port.twin.inbox.append((rtp(sequence), ALICE.sockaddr))
    assert await visit_after(passing, 1.0)
    assert [datagram for datagram, _ in sent_by(bob)] == [rtp(sequence) for sequence in (1, 2, 3, 4)]
    assert road.counter.highest == 4


def hold(alice, bob):
    alice.sinks = ()


def fork(alice, bob):
    alice.sinks = (bob, make_stream(30004, phone=CAROL))


def listen_in(alice, bob):
    alice.sinks = (PayloadFilter(bob, bob, [None] * 128),)


def move(stream, phone):
    stream.latch.reopen(phone, trio.current_time())
    stream.refresh()


def retype(alice, bob):
    alice.clock_rates = {0: 8000}
    alice.refresh()


def turn_into_fax(alice, bob):
    alice.is_opaque = True
    alice.refresh()


def close(alice, bob):
    alice.promotion.close()


def close_sink(alice, bob):
    bob.poller = None
    bob.reconsider()


@pytest.mark.parametrize(
    "change",
    [
        hold,
        fork,
        listen_in,
        retype,
        turn_into_fax,
        close,
        close_sink,
        lambda alice, bob: move(alice, SAME_HOST),
        lambda alice, bob: move(bob, CAROL),
        lambda alice, bob: move(bob, None),
    ],
)
async def test_any_change_of_what_is_done_with_packets_takes_it_back_at_once(
    autojump_clock, promoted, road, alice, bob, change
):
    road.relay(5)
    change(alice, bob)
    assert road.passage is None
    assert not promoted.is_active
    assert (alice.packets, bob.packets_out) == (7, 7), "and what the kernel has counted is not lost"


@pytest.mark.parametrize(
    "change",
    [
        lambda alice, bob: setattr(alice, "sinks", (bob,)),
        lambda alice, bob: move(alice, ALICE),
        lambda alice, bob: move(bob, BOB),
        lambda alice, bob: setattr(bob, "sinks", ()),
    ],
)
async def test_what_changes_nothing_leaves_it_where_it_is(autojump_clock, promoted, alice, bob, change):
    change(alice, bob)
    assert promoted.is_active


async def test_packets_of_strangers_leave_it_where_it_is(autojump_clock, promoted, alice):
    for sequence in range(50):
        deliver(alice, rtp(sequence, ssrc=6), CAROL, now=trio.current_time())
    assert promoted.is_active
    assert alice.drops == {"foreign_source": 50}


async def test_a_packet_of_the_source_that_comes_up_takes_it_back_and_is_relayed(
    autojump_clock, promoted, road, alice, bob
):
    road.relay(5)
    deliver(alice, rtp(8), ALICE, now=trio.current_time())
    assert not promoted.is_active
    assert [datagram for datagram, _ in sent_by(bob)][-1] == rtp(8)
    assert (alice.packets, bob.packets_out) == (8, 8)
    (reception,) = alice.receptions
    assert (reception.lost, reception.last_sequence) == (0, 8)


async def test_it_rests_longer_each_time_that_happens_soon(autojump_clock, promoted, alice):
    rest, sequence = FIRST_REST, 3
    while rest < LONGEST_REST:
        deliver(alice, rtp(sequence), ALICE, now=trio.current_time())
        sequence += 1
        assert not await visit_after(promoted, rest - 0.1)
        assert await visit_after(promoted, 0.2)
        rest *= 2
    await trio.sleep(STEADY + 1)
    deliver(alice, rtp(sequence), ALICE, now=trio.current_time())
    assert await visit_after(promoted, LONGEST_REST)
    deliver(alice, rtp(sequence + 1), ALICE, now=trio.current_time())
    assert await visit_after(promoted, 2 * FIRST_REST + 0.1)


async def test_an_error_from_the_network_takes_it_back(autojump_clock, promoted, alice, bob):
    bob.port.twin.inbox.append((ConnectionRefusedError(), BOB.sockaddr))
    bob.poller.receivers[bob.port.twin.fileno()](trio.current_time())
    assert not promoted.is_active
    assert await visit_after(promoted, FIRST_REST + 0.1)


async def end_relay(stream):
    """Let the relay of a stream begin and end."""

    async def serve(fd, receive):
        await trio.sleep_forever()

    poller = SimpleNamespace(serve=serve, detach=stream.poller.detach)
    with trio.move_on_after(0.1):
        await relay(stream, poller)


async def test_the_end_of_the_other_stream_takes_it_back_but_not_for_good(
    autojump_clock, promoted, alice, bob
):
    await end_relay(bob)
    assert promoted.state is State.USERSPACE
    carol = make_stream(30004, phone=CAROL)
    deliver(carol, rtp(1), CAROL, now=trio.current_time())
    alice.sinks = (carol,)
    assert await visit_after(promoted, FIRST_REST + 0.1)


async def test_the_end_of_its_own_stream_takes_it_back_for_good(autojump_clock, promoted, road, alice, bob):
    road.relay(3)
    await end_relay(alice)
    assert promoted.state is State.CLOSED
    assert (road.passage, bob.feeds, alice.promotion) == (None, [], None)
    assert (alice.packets, bob.packets_out) == (5, 5)


async def test_figures_are_taken_over_whenever_somebody_asks(autojump_clock, promoted, road, alice, bob):
    alice.catch_up()
    assert (alice.packets, alice.tally_kernel) == (2, 0)
    road.relay(10)
    alice.catch_up()
    alice.catch_up()
    assert (alice.packets, alice.octets) == (12, 12 * 172)
    assert (bob.packets_out, bob.octets_out) == (12, 12 * 172)
    assert alice.tally_kernel == bob.tally_kernel_out
    road.counter = evolve(road.counter, errors=2)
    alice.catch_up()
    assert (bob.errors_out, bob.drops) == (2, {"no_memory": 2})


async def test_a_visit_takes_over_how_much_there_was_and_when(autojump_clock, promoted, road, alice, bob):
    road.relay(10)
    promoted.visit(1.0)
    assert (alice.packets, alice.octets, bob.packets_out) == (12, 12 * 172, 12)
    assert alice.last_packet == alice.last_kernel_packet == pytest.approx(1.0, abs=0.5)
    highest = alice.source_reception.highest
    alice.catch_up()
    assert alice.source_reception.highest == highest + 10
    assert alice.packets == 12


async def test_a_clock_that_the_program_cannot_reckon_with_stays_in_userspace(
    autojump_clock, road, alice, bob
):
    alice.clock_rates = {0: 0xFFFFFFFF}
    alice.sinks = (bob,)
    for sequence in (1, 2):
        deliver(alice, rtp(sequence), ALICE)
        deliver(bob, rtp(sequence), BOB)
    passing = alice.promotion = Passing(road, alice)
    assert not await visit_after(passing, 1.0)
    alice.clock_rates = {0: 8000}
    assert await visit_after(passing, 1.0)


async def test_without_room_it_stays_in_userspace(autojump_clock, road, alice, bob):
    road.has_room = False
    alice.sinks = (bob,)
    for sequence in (1, 2):
        deliver(alice, rtp(sequence), ALICE)
        deliver(bob, rtp(sequence), BOB)
    passing = alice.promotion = Passing(road, alice)
    assert not await visit_after(passing, 1.0)
    road.has_room = True
    assert await visit_after(passing, LONGEST_REST + 0.1)


async def test_what_was_closed_stays_closed(autojump_clock, promoted, road):
    promoted.close()
    promoted.close()
    assert not await visit_after(promoted, 100.0)
    with pytest.raises(KeyError):
        promoted._move(Event.PROMOTED)
    assert promoted.state is State.CLOSED
