"""The program against the userspace road: what it lets through is what that would have sent.

Each packet is given to the program by BPF_PROG_TEST_RUN, and to a stream as the IP stack would give it.
"""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karl_trio.endpoint import Endpoint
from karl_trio.media.kernel.flows import Counter, Flow, FlowKey
from karl_trio.media.latch import Latch
from karl_trio.media.relay import Component, Stream
from karl_trio.rtp.reception import Reception
from karl_trio.rtp.tally import PACKET

from ..fakes import FakePoller, FakePort, deliver, sent_by
from .packets import Frame, packed, read

PASS_ON, REDIRECT = -1, 7

SSRC = 0xA11CE
PAYLOAD_TYPES = frozenset({0, 8, 101})
MAX_LENGTH = 1400

ADDRESSES = {
    4: st.ip_addresses(v=4).map(str),
    # An address with IPv4 in it is written differently by different libraries.
    6: st.ip_addresses(v=6).filter(lambda it: packed(str(it))[:10] != bytes(10)).map(str),
}
PORTS = st.integers(2, 65535)


def endpoints(version):
    return st.builds(Endpoint, ADDRESSES[version], PORTS)


def header(sequence, *, first=0x80, payload_type=0, timestamp=None, ssrc=SSRC):
    timestamp = sequence * 160 if timestamp is None else timestamp
    return struct.pack(">BBHII", first, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)


class Road:
    """One promoted stream, in the kernel and in userspace."""

    def __init__(self, loaded, phone, local, out, far_end, **changes):
        self.program, self.flows, self.counters = loaded
        self.phone, self.local, self.out, self.far_end = phone, local, out, far_end
        self.key = FlowKey(phone, local)
        defaults = {
            "source": out,
            "destination": far_end,
            "payload_types": PAYLOAD_TYPES,
            "ssrc": SSRC,
            "arrives": 1,
            "interface": 1,
            "next_hop": far_end.address,
            "counter": 7,
            "clock_rate": 8000,
            "max_length": MAX_LENGTH,
            "tos": 184,
            "ttl": 63,
            "stays": False,
        }
        self.flow = Flow(**(defaults | changes))
        self.stream, self.sink = self._stream(local, phone), self._stream(out, far_end)
        self.stream.sinks = (self.sink,)
        for sequence in (-1, 0):
            deliver(self.stream, header(sequence), phone)
        self.sink.port.socket.sent.clear()
        (self.reception,) = self.stream.receptions
        Counter.of(self.reception, 0).write(self.counters.memory, self.counters.offset(7))
        self.flows.update(self.key.pack(), self.flow.pack(self.key))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.flows.delete(self.key.pack())

    @staticmethod
    def _stream(local, phone):
        latch = Latch()
        latch.reopen(phone, 0.0)
        return Stream(
            port=FakePort(local),
            component=Component.RTP,
            latch=latch,
            last_user_packet=0.0,
            poller=FakePoller(),
        )

    @property
    def counter(self):
        return Counter.read(self.counters.memory, self.counters.offset(7))

    def frame(self, payload, **changes):
        return Frame(source=self.phone, destination=self.local, payload=payload).but(**changes)

    def kernel(self, frame):
        """Return what the program sends on; None when it passes the packet up as it is."""
        before = frame.build()
        run = self.program.test_run(before)
        if run.verdict == PASS_ON:
            assert run.packet == before, "a packet that goes up was changed"
            return None
        assert run.verdict == REDIRECT
        return read(run.packet)

    def userspace(self, frame):
        """Return what the userspace road sends on; None when it sends nothing."""
        deliver(self.stream, frame.payload, frame.source, now=0.0)
        sent = sent_by(self.sink)
        self.sink.port.socket.sent.clear()
        if not sent:
            return None
        ((datagram, destination),) = sent
        flow = self.flow
        return Frame(
            source=self.sink.port.endpoint,
            destination=destination,
            payload=datagram,
            tos=flow.tos,
            ttl=flow.ttl,
            udp_checksum=frame.udp_checksum,
        )


crossings = pytest.mark.parametrize(("version", "far_version"), [(4, 4), (6, 6), (4, 6), (6, 4)])

PAYLOADS = (
    st.binary(max_size=60) | st.binary(min_size=160, max_size=160) | st.binary(min_size=1000, max_size=1300)
)

ODDITIES = st.sampled_from(
    [
        *[{}] * 6,
        *({"ttl": ttl} for ttl in (1, 255)),
        *({"tos": tos} for tos in (0x88, 0xFF)),
        {"padding": bytes(1)},
        {"padding": b"\xaa" * 18},
        {"udp_checksum": 0},
        {"udp_length": 8},
        {"udp_length": 19},
        {"udp_length": 9000},
        {"protocol": 6},
        {"protocol": 0},
        {"source_port": 1},
        {"destination_port": 1},
        {"first": 0x00},
        {"first": 0x14},
        {"first": 0x40},
        {"first": 0xC0},
        {"first": 0x9F},
        {"payload_type": 8},
        {"payload_type": 0x80},
        {"payload_type": 0x80 | 101},
        {"payload_type": 96},
        {"payload_type": 72},
        {"payload_type": 200},
        {"ssrc": 0},
        {"ssrc": SSRC + 1},
        {"ethertype": b"\x81\x00"},
        {"ethertype": b"\x08\x06"},
        {"cut": 1},
        {"cut": 11},
        {"cut": 12},
        {"cut": 13},
    ]
)
IPV4_ODDITIES = st.sampled_from(
    [
        {"fragment": 0x2000},
        {"fragment": 1},
        {"fragment": 0},
        {"options": b"\x01" * 4},
        {"ip_checksum": 0x1234},
    ]
)

UNHEARD = {"udp_length", "protocol", "destination_port", "ethertype", "options", "ip_checksum"}
"""What the IP stack does not deliver to the stream, or not as it is."""


@crossings
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_packet_leaves_as_from_userspace_or_goes_up(loaded, version, far_version, data):
    draw = data.draw
    ends = [draw(endpoints(number)) for number in (version, version, far_version, far_version)]
    with Road(loaded, *ends, tos=draw(st.integers(0, 255)), ttl=draw(st.integers(1, 255))) as road:
        sequence = draw(st.integers(0, 0xFFFF))
        for _ in range(draw(st.integers(1, 16))):
            sequence += draw(st.sampled_from([1, 1, 1, 1, 2, 5, 0, -1, -3, 70, 3001, -200]))
            odd = dict(draw(ODDITIES if version == 6 else ODDITIES | IPV4_ODDITIES))
            fields = {name: odd.pop(name) for name in ("first", "payload_type", "ssrc") if name in odd}
            payload = header(sequence, **fields) + draw(PAYLOADS)
            payload = payload[: odd.pop("cut", None)]
            frame = road.frame(payload)
            for name, end in (("source_port", "source"), ("destination_port", "destination")):
                if name in odd:
                    frame = frame.but(**{end: Endpoint(getattr(frame, end).address, odd[name])})
            frame = frame.but(**{name: value for name, value in odd.items() if not name.endswith("_port")})
            before = road.counter
            got = road.kernel(frame)
            if got is not None:
                assert not UNHEARD & odd.keys()
                assert not frame.fragment & 0x3FFF, "it was a fragment"
                assert got == road.userspace(frame)
                assert got.payload == payload
                assert road.counter.packets == before.packets + 1
                assert road.counter.octets == before.octets + len(payload)
            else:
                assert road.counter == before, "a packet that goes up was counted"


@crossings
def test_a_plain_packet_of_any_length_is_sent_on(loaded, version, far_version):
    """The other test would pass as well if nothing were."""
    with Road(loaded, *some_ends(version, far_version)) as road:
        longest = MAX_LENGTH - (40 if far_version == 6 else 20) - 8
        for sequence, length in enumerate([12, 13, 20, 32, 172, 500, 1201, longest]):
            frame = road.frame(header(sequence) + bytes(range(256)) * 8)
            frame = frame.but(payload=frame.payload[:length], padding=bytes(max(0, 18 - length)))
            got = road.kernel(frame)
            assert got is not None
            assert got == road.userspace(frame)
        assert road.kernel(road.frame(header(99) + bytes(longest - 11))) is None, "it would not fit"


@crossings
def test_a_packet_at_another_interface_is_for_the_stack_to_judge(loaded, version, far_version):
    with Road(loaded, *some_ends(version, far_version), arrives=2) as road:
        assert road.kernel(road.frame(header(1))) is None


@crossings
@pytest.mark.parametrize("fields", [{"ssrc": SSRC + 1}, {"payload_type": 9}, {"payload_type": 127}])
def test_what_the_stream_has_to_think_about_goes_up(loaded, version, far_version, fields):
    with Road(loaded, *some_ends(version, far_version)) as road:
        assert road.kernel(road.frame(header(1))) is not None
        assert road.kernel(road.frame(header(2, **fields))) is None


def some_ends(version, far_version):
    texts = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8::1", "2001:db8:f::2")}
    (near, local), (out, far) = texts[version][::-1], texts[far_version]
    return Endpoint(near, 4000), Endpoint(local, 30000), Endpoint(out, 30002), Endpoint(far, 5000)


@pytest.mark.parametrize("far_version", [4, 6])
def test_a_packet_without_a_checksum_goes_on_so_or_goes_up(loaded, far_version):
    with Road(loaded, *some_ends(4, far_version)) as road:
        got = road.kernel(road.frame(header(1) + bytes(160), udp_checksum=0))
    if far_version == 4:
        assert got.udp_checksum == 0
    else:
        assert got is None


@crossings
def test_a_packet_for_this_host_counts_its_hops_down(loaded, version, far_version):
    with Road(loaded, *some_ends(version, far_version), stays=True) as road:
        assert road.kernel(road.frame(header(1), ttl=9)).ttl == 8
        assert road.kernel(road.frame(header(2), ttl=2)).ttl == 1
        assert road.kernel(road.frame(header(3), ttl=1)) is None


@crossings
@given(st.binary(max_size=200), st.integers(0, 14 + 40 + 8 + 12))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_goes_up_untouched(loaded, version, far_version, garbage, kept):
    with Road(loaded, *some_ends(version, far_version)) as road:
        whole = road.frame(header(1) + bytes(20)).build()
        # The kernel makes no packet for a test that is shorter than its IP header.
        frame = (whole[:kept] + garbage).ljust(14 + 40, b"\0")
        run = loaded[0].test_run(frame)
        if run.verdict != PASS_ON:
            assert run.verdict == REDIRECT
            assert frame.startswith(whole[: 14 + (40 if version == 6 else 20)])
        else:
            assert run.packet == frame


STEPS = st.lists(st.sampled_from([1] * 8 + [2, 3, 40, 63, 64, 65, 100, 0, -1, -2, -5, -62, -63]), max_size=80)


@given(STEPS, STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_loss_order_copies_and_jitter_are_counted_on_as_in_userspace(loaded, before, steps):
    """First in userspace, then in the kernel, and once more in userspace, all as if nothing had happened."""
    with Road(loaded, *some_ends(4, 4)) as road:
        reference, taken_over = Reception(SSRC), road.reception
        arrival, highest, sequence = 0.0, 0, 0
        for number in (-1, 0):
            reference.packet(number & 0xFFFF, number * 160 & 0xFFFFFFFF, 12, arrival)
        for step in before:
            sequence = highest + step
            highest = max(highest, sequence)
            arrival += 0.02
            for reception in (reference, taken_over):
                reception.packet(sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, 12, arrival)
        Counter.of(taken_over, 0).write(road.counters.memory, road.counters.offset(7))
        begun = told = road.counter
        reference._transit = math.nan
        for step in steps:
            sequence = highest + step
            if road.kernel(road.frame(header(sequence, timestamp=sequence * 160))) is None:
                assert step < 0
                continue
            highest = max(highest, sequence)
            counter = road.counter
            reference.packet(sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, 12, counter.last / 1e9)
            if step == 3:
                taken_over.take_over(counter.since(told))
                told = counter
        if road.counter != begun:
            taken_over.take_over(road.counter.since(told))
            taken_over.tally += road.counter.packets * PACKET + road.counter.octets
        reference._transit = math.nan
        for step in (3, -1, -1, -2, 1):
            sequence = highest + step
            highest = max(highest, sequence)
            for reception in (reference, taken_over):
                reception.packet(sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, 12, 1e6)
        assert figures(taken_over) == figures(reference)
        assert taken_over.jitter_ticks == pytest.approx(reference.jitter_ticks, rel=0.05, abs=2)


def figures(reception):
    return (
        *(reception.packets, reception.bytes, reception.lost, reception.reordered, reception.duplicates),
        *(reception.highest, reception.last_timestamp),
    )
