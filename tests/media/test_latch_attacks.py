"""Attacks on endpoint learning (SECURITY A1, A2): how many packets a third party gets out of it."""

import pytest

from karl_trio.endpoint import Endpoint

from .test_latch import BY_RANK, PACKET_TIME, PHONE, SAME_ADDRESS, SAME_PORT, make_latch, talk


class Call:
    """One side of a call: its latch, and where the packets sent to that side went."""

    def __init__(self, latch):
        self.latch = latch
        self.sent = []

    def run(self, arrivals, *, until):
        """Let packets arrive (time, source), and one be sent to this side every 20 ms."""
        sending = ((index * PACKET_TIME + 0.005, None) for index in range(int(until / PACKET_TIME)))
        for now, source in sorted((*arrivals, *sending), key=lambda event: event[0]):
            if source is None:
                self.sent.append((now, self.latch.destination))
            else:
                self.latch.packet(source, hash(source) & 0xFFFF, 0, now)

    def sent_to(self, endpoint):
        return sum(destination == endpoint for _, destination in self.sent)


ATTACKER = Endpoint("198.51.100.66", 31_337)


def stream(source, start, until, every=PACKET_TIME):
    return [(start + index * every, source) for index in range(int((until - start) / every))]


@pytest.mark.parametrize("victim", [PHONE, SAME_ADDRESS])
@pytest.mark.parametrize("first_packet", [0.0, 0.5, 2.0, 12.0])
@pytest.mark.parametrize("spray", [0.0005, 0.001, 0.01, 0.02, 0.5])
def test_a1_sprayed_packets_bleed_next_to_nothing_once_the_phone_sends(victim, first_packet, spray):
    """A third party sends to the port from before the phone does until after the call."""
    call = Call(make_latch())
    call.run(
        stream(victim, first_packet, 20.0) + stream(ATTACKER, 0.0, 20.0, spray),
        until=20.0,
    )
    after = [destination for now, destination in call.sent if now >= first_packet]
    assert after.count(ATTACKER) <= 5
    assert after[10:].count(victim) == len(after[10:])


@pytest.mark.parametrize("packets", [1, 2])
@pytest.mark.parametrize("victim", BY_RANK)
def test_a1_sweep_over_the_ports_before_the_phone_sends_gets_nothing(victim, packets):
    call = Call(make_latch())
    call.run(stream(ATTACKER, 0.0, packets * 0.001, 0.001) + stream(victim, 0.3, 5.0), until=5.0)
    assert call.sent_to(ATTACKER) == 0
    assert call.latch.destination == victim


@pytest.mark.parametrize("spray", [0.0001, 0.001, 0.01, 0.02])
@pytest.mark.parametrize("victim", BY_RANK)
def test_a1_spray_after_the_phone_has_begun_gets_nothing(victim, spray):
    call = Call(make_latch())
    call.run(stream(victim, 0.0, 5.0) + stream(ATTACKER, 0.01, 4.0, spray), until=5.0)
    assert call.sent_to(ATTACKER) == 0
    assert call.latch.destination == victim


@pytest.mark.parametrize("victim", BY_RANK)
def test_a1_spray_in_the_middle_of_a_call_gets_nothing_even_over_a_hold(victim):
    call = Call(make_latch())
    call.run(stream(victim, 0.0, 5.0), until=5.0)
    call.latch.reopen(PHONE, 5.0)
    call.run(stream(ATTACKER, 5.0, 12.0, 0.002) + stream(victim, 9.0, 12.0), until=12.0)
    assert call.sent_to(ATTACKER) == 0
    assert call.latch.destination == victim


def test_a2_rtcp_learned_from_an_attacker_is_impossible_whatever_rtp_does():
    latch = make_latch(follows=True)
    for host in (None, PHONE.address, SAME_PORT.address):
        latch.required_host = host
        assert not any(talk(latch, ATTACKER, packets=100))
        assert latch.destination == PHONE
