"""What a phone hears, and what a stranger cannot do, on the userspace road."""

import pytest

from karl_trio.endpoint import Endpoint
from karl_trio.media.relay import Component

from .fakes import Wire, deliver, make_stream, receiver_report, rtp, sent_by

ALICE = Endpoint("198.51.100.1", 4000)
BOB = Endpoint("203.0.113.2", 5000)
CAROL = Endpoint("203.0.113.3", 6000)
STRANGER = Endpoint("203.0.113.66", 6666)


@pytest.fixture
def alice():
    return make_stream(30000, phone=ALICE)


@pytest.fixture
def bob():
    return make_stream(30002, phone=BOB)


def connect(one, other):
    one.sinks, other.sinks = (other,), (one,)
    one.rtcp_sinks, other.rtcp_sinks = (other,), (one,)


def test_packets_are_passed_on_unchanged_in_both_directions(alice, bob):
    connect(alice, bob)
    for sequence in range(10):
        deliver(alice, rtp(sequence), ALICE)
        deliver(bob, rtp(sequence, ssrc=9), BOB)
    assert sent_by(bob) == [(rtp(sequence), BOB) for sequence in range(10)]
    assert sent_by(alice) == [(rtp(sequence, ssrc=9), ALICE) for sequence in range(10)]
    assert (alice.packets, alice.octets, alice.errors) == (10, 1720, 0)
    assert (bob.packets_out, bob.octets_out, bob.errors_out) == (10, 1720, 0)


def test_a_stranger_is_not_relayed_once_the_phone_is_heard(alice, bob):
    connect(alice, bob)
    deliver(alice, rtp(1), ALICE)
    for sequence in range(100):
        deliver(alice, rtp(sequence, ssrc=6), STRANGER, now=sequence * 0.02)
    deliver(bob, rtp(1), BOB)
    assert sent_by(bob) == [(rtp(1), BOB)]
    assert [destination for _, destination in sent_by(alice)] == [ALICE]
    assert alice.drops == {"foreign_source": 100}
    assert alice.errors == 100


def test_a_phone_behind_a_nat_is_learned_and_answered_where_it_really_is(alice, bob):
    connect(alice, bob)
    seen_as = Endpoint("198.51.100.200", 17000)
    for sequence in range(10):
        deliver(alice, rtp(sequence), seen_as, now=sequence * 0.02)
    deliver(bob, rtp(1), BOB)
    assert len(sent_by(bob)) == 10
    assert sent_by(alice) == [(rtp(1), seen_as)]


def test_nothing_is_sent_to_a_leg_that_has_not_answered(alice):
    unanswered = make_stream(30002)
    connect(alice, unanswered)
    deliver(alice, rtp(1), ALICE)
    assert sent_by(unanswered) == []
    assert unanswered.drops == {"no_destination": 1}


def test_every_sink_gets_every_packet(alice, bob):
    carol = make_stream(30004, phone=STRANGER)
    alice.sinks = (bob, carol)
    deliver(alice, rtp(1), ALICE)
    deliver(alice, rtp(2), ALICE)
    assert sent_by(bob) == [(rtp(1), BOB), (rtp(2), BOB)]
    assert sent_by(carol) == [(rtp(1), STRANGER), (rtp(2), STRANGER)]


def test_without_sinks_packets_are_counted_and_go_nowhere(alice):
    for sequence in range(3):
        deliver(alice, rtp(sequence), ALICE, now=sequence)
    assert (alice.packets, alice.errors, alice.last_packet) == (3, 0, 2)


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "unknown"),
        (b"\x80", "unknown"),
        (b"\x80\x00\x00\x01", "too_short"),
        (rtp(1)[:11], "too_short"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun"),
        (b"\x16\xfe\xfd" + bytes(30), "dtls"),
        (b"\x80\xc9\x00\x01", "malformed_rtcp"),
        (b"\x80\xc8\xff\xff" + bytes(24), "malformed_rtcp"),
        (b"\xff" * 200, "unknown"),
    ],
)
@pytest.mark.parametrize("component", Component)
def test_what_is_no_media_is_dropped_with_its_reason_and_teaches_nothing(datagram, reason, component):
    if component is Component.RTCP and reason == "too_short":
        reason = "rtp"
    phone = make_stream(30000, phone=ALICE, component=component)
    peer = make_stream(30002, phone=BOB, component=component)
    connect(phone, peer)
    for source in (ALICE, STRANGER) * 5:
        deliver(phone, datagram, source)
    assert sent_by(peer) == []
    assert phone.drops == {reason: 10}
    assert phone.latch.source is None
    assert phone.packets == 0


def test_rtcp_on_its_own_port_follows_the_host_that_rtp_was_learned_from(alice, bob):
    alice_rtcp = make_stream(30001, phone=Endpoint(ALICE.address, 4001), component=Component.RTCP)
    bob_rtcp = make_stream(30003, phone=Endpoint(BOB.address, 5001), component=Component.RTCP)
    alice.companion = alice_rtcp
    connect(alice, bob)
    connect(alice_rtcp, bob_rtcp)
    seen_as = Endpoint("198.51.100.200", 17000)
    deliver(alice_rtcp, receiver_report(), Endpoint(seen_as.address, 17001))
    assert sent_by(bob_rtcp) == []
    for sequence in range(5):
        deliver(alice, rtp(sequence), seen_as, now=sequence * 0.02)
    deliver(alice_rtcp, receiver_report(), STRANGER)
    deliver(alice_rtcp, receiver_report(), Endpoint(seen_as.address, 17001))
    assert sent_by(bob_rtcp) == [(receiver_report(), Endpoint(BOB.address, 5001))]
    deliver(bob_rtcp, receiver_report(7), Endpoint(BOB.address, 5001))
    assert sent_by(alice_rtcp) == [(receiver_report(7), Endpoint(seen_as.address, 17001))]


def test_muxed_rtcp_goes_to_the_rtcp_port_of_a_peer_that_does_not_mux(alice, bob):
    bob_rtcp = make_stream(30003, phone=Endpoint(BOB.address, 5001), component=Component.RTCP)
    connect(alice, bob)
    alice.is_muxed = True
    alice.rtcp_sinks, bob_rtcp.rtcp_sinks = (bob_rtcp,), (alice,)
    deliver(alice, rtp(1), ALICE)
    deliver(alice, receiver_report(), ALICE)
    deliver(bob_rtcp, receiver_report(7), Endpoint(BOB.address, 5001))
    assert sent_by(bob) == [(rtp(1), BOB)]
    assert sent_by(bob_rtcp) == [(receiver_report(), Endpoint(BOB.address, 5001))]
    assert sent_by(alice) == [(receiver_report(7), ALICE)]


def test_rtcp_from_elsewhere_on_the_rtp_port_is_neither_relayed_nor_learned(alice, bob):
    connect(alice, bob)
    for _ in range(10):
        deliver(alice, receiver_report(), STRANGER)
    assert sent_by(bob) == []
    assert alice.drops == {"foreign_source": 10}
    assert alice.latch.source is None


def test_media_that_is_not_rtp_is_passed_on_unread():
    fax, gateway = (
        make_stream(30000, phone=ALICE, is_opaque=True),
        make_stream(30002, phone=BOB, is_opaque=True),
    )
    connect(fax, gateway)
    deliver(fax, b"\x00\x01udptl", ALICE)
    deliver(fax, b"", ALICE)
    deliver(fax, b"\x00\x02udptl", STRANGER)
    assert sent_by(gateway) == [(b"\x00\x01udptl", BOB)]
    assert fax.drops == {"empty": 1, "foreign_source": 1}


def test_dtls_passes_between_the_ends_of_an_encrypted_media_only():
    hello = b"\x16\xfe\xfd" + bytes(50)
    one, other = (
        make_stream(30000, phone=ALICE, is_secure=True),
        make_stream(30002, phone=BOB, is_secure=True),
    )
    connect(one, other)
    deliver(one, hello, STRANGER)
    deliver(one, hello, ALICE)
    assert sent_by(other) == [(hello, BOB)]


class OddOnly:
    """Stands before a stream and lets only odd sequence numbers through."""

    def __init__(self, stream):
        self.stream = stream

    def send(self, datagram):
        if datagram[3] % 2:
            self.stream.send(bytes(datagram) + b"!")


def test_what_stands_before_one_sink_changes_nothing_for_the_others(alice, bob):
    carol = make_stream(30004, phone=CAROL)
    connect(alice, bob)
    alice.sinks = (OddOnly(bob), carol)
    for sequence in range(4):
        deliver(alice, rtp(sequence), ALICE)
    assert sent_by(bob) == [(rtp(1) + b"!", BOB), (rtp(3) + b"!", BOB)]
    assert sent_by(carol) == [(rtp(sequence), CAROL) for sequence in range(4)]


def test_a_packet_that_cannot_be_sent_is_counted_and_the_next_one_goes_through(alice, bob):
    connect(alice, bob)
    bob.port.socket.failure = BlockingIOError()
    deliver(alice, rtp(1), ALICE)
    bob.port.socket.failure = OSError("no route to host")
    deliver(alice, rtp(2), ALICE)
    bob.port.socket.failure = None
    deliver(alice, rtp(3), ALICE)
    assert sent_by(bob) == [(rtp(3), BOB)]
    assert (bob.packets_out, bob.errors_out) == (1, 2)
    assert bob.drops == {"send_queue_full": 1, "send_failed": 1}


def test_a_socket_error_is_counted_and_spurious_readiness_is_not(alice):
    alice.port.socket.inbox.append((ConnectionRefusedError(), None))
    alice.receive(0.0)
    alice.receive(0.0)
    assert alice.drops == {"refused_by_peer": 1}


def test_large_datagrams_are_not_cut_short(alice, bob):
    connect(alice, bob)
    packet = rtp(1, payload=bytes(20_000))
    for _ in range(2):
        deliver(alice, packet, ALICE)
    assert sent_by(bob) == [(packet, BOB)] * 2


@pytest.mark.parametrize("seed", range(5))
def test_over_a_bad_wire_what_arrives_is_relayed_and_what_is_lost_is_counted(alice, bob, seed):
    connect(alice, bob)
    wire = Wire(alice, seed=seed, loss=0.1, duplication=0.05, reordering=0.05)
    total = 2000
    for sequence in range(total):
        wire.carry(rtp(sequence + 65_000), ALICE, now=sequence * 0.02)
    assert [datagram for datagram, _ in sent_by(bob)] == wire.delivered
    reception = alice.receptions.newest
    arrived = {datagram[2:4] for datagram in wire.delivered}
    # What is lost before the source is believed or behind the last packet cannot be known.
    assert abs(reception.lost - (total - len(arrived))) <= 3
    assert alice.packets == len(wire.delivered)


def test_jitter_is_measured_in_the_clock_of_the_payload_type(alice):
    alice.clock_rates = {0: 8000, 96: 48_000}
    for sequence in range(500):
        late = 0.004 if sequence % 2 else 0.0
        deliver(
            alice, rtp(sequence, timestamp=sequence * 960, payload_type=96), ALICE, now=sequence * 0.02 + late
        )
    assert alice.receptions.newest.jitter == pytest.approx(0.004, rel=0.05)


def test_a_flood_of_sources_does_not_grow_the_books(alice, bob):
    connect(alice, bob)
    for ssrc in range(5000):
        deliver(alice, rtp(1, ssrc=ssrc), ALICE)
    assert len(list(alice.receptions)) <= 8
    assert alice.packets == 5000


def test_a_believed_source_gets_a_twin_and_a_stranger_never_reaches_it(alice, bob):
    connect(alice, bob)
    deliver(alice, rtp(1), ALICE)
    assert alice.port.twin.peer == ALICE
    deliver(alice, rtp(2), ALICE)
    deliver(alice, rtp(3), STRANGER)
    assert [datagram for datagram, _ in sent_by(bob)] == [rtp(1), rtp(2)]
    assert alice.drops == {"foreign_source": 1}


def test_when_signalling_moves_the_phone_the_twin_goes_and_what_waits_there_is_heard(alice, bob):
    connect(alice, bob)
    deliver(alice, rtp(1), ALICE)
    twin = alice.port.twin
    twin.inbox.append((rtp(2), ALICE.sockaddr))
    moved = Endpoint(ALICE.address, 4010)
    alice.latch.reopen(moved, 1.0)
    alice.refresh()
    alice.settle_twin(1.0)
    assert alice.port.twin is None
    deliver(alice, rtp(3), moved, now=1.1)
    deliver(bob, rtp(9), BOB, now=1.1)
    assert [datagram for datagram, _ in sent_by(bob)] == [rtp(1), rtp(2), rtp(3)]
    assert alice.port.twin.peer == moved
    assert sent_by(alice) == [(rtp(9), moved)]


def test_without_a_second_socket_to_be_had_everything_goes_on_with_one(alice, bob):
    connect(alice, bob)
    alice.port.open_twin = lambda peer: None
    for sequence in range(5):
        deliver(alice, rtp(sequence), ALICE)
    deliver(bob, rtp(1), BOB)
    assert len(sent_by(bob)) == 5
    assert sent_by(alice) == [(rtp(1), ALICE)]


def test_a_packet_is_sent_again_if_the_peer_had_refused_an_earlier_one(alice, bob):
    connect(alice, bob)
    deliver(bob, rtp(1), BOB)
    refusals = [ConnectionRefusedError(), None]
    send = bob.port.twin.send

    def refuse_once(datagram):
        if refusals and (refusal := refusals.pop(0)) is not None:
            raise refusal
        return send(datagram)

    bob.port.twin.send = bob._twin_send = refuse_once
    bob.refresh()
    deliver(alice, rtp(2), ALICE)
    assert sent_by(bob) == [(rtp(2), BOB)]
    assert (bob.packets_out, bob.errors_out) == (1, 0)


def test_a_marker_does_not_make_a_packet_unusual_and_another_source_is_counted_apart(alice, bob):
    connect(alice, bob)
    for sequence in range(10):
        deliver(alice, rtp(sequence, marker=sequence % 3 == 0), ALICE)
    for sequence in range(5):
        deliver(alice, rtp(sequence, ssrc=99, payload_type=8), ALICE)
    assert len(sent_by(bob)) == 15
    assert [(reception.ssrc, reception.packets) for reception in alice.receptions] == [(0x1234, 10), (99, 5)]
    assert alice.payload_type == 8
