"""Endpoint learning of RTCP streams: they believe the host that RTP was learned from, and nobody else."""

import pytest

from karl_trio.endpoint import Endpoint
from karl_trio.media.latch import Learning, State

from .test_latch import OTHER, PHONE, SAME_ADDRESS, SAME_PORT, make_latch, talk


def make_rtcp_latch(learning=Learning.HEURISTIC, **options):
    return make_latch(learning, follows=True, **options)


@pytest.mark.parametrize("learning", [Learning.HEURISTIC, Learning.IMMEDIATE, Learning.DELAYED])
@pytest.mark.parametrize("strict", [True, False])
def test_rtcp_alone_teaches_nothing(learning, strict):
    latch = make_rtcp_latch(learning, strict=strict)
    for source in (OTHER, SAME_PORT, SAME_ADDRESS):
        assert not any(talk(latch, source, start=10.0, packets=50))
        assert not latch.allows(source)
    assert latch.destination == PHONE


def test_rtcp_from_the_advertised_endpoint_needs_no_rtp():
    latch = make_rtcp_latch()
    assert latch.packet(PHONE, 0, 0, 0.0)
    latch.required_host = OTHER.address
    assert (latch.source, latch.destination) == (PHONE, PHONE)
    assert latch.packet(PHONE, 0, 0, 1.0)
    assert not latch.packet(OTHER, 0, 0, 2.0)


@pytest.mark.parametrize("source", [OTHER, SAME_PORT, SAME_ADDRESS])
def test_rtcp_from_the_host_of_rtp_is_believed_at_its_first_packet(source):
    latch = make_rtcp_latch()
    latch.required_host = source.address
    assert latch.required_host == source.address
    assert latch.packet(source, 0, 0, 5.0)
    assert latch.source == latch.destination == source
    assert not latch.packet(Endpoint("203.0.113.200", 9), 0, 0, 6.0)


def test_rtcp_moves_to_another_host_only_with_rtp():
    latch = make_rtcp_latch()
    latch.required_host = OTHER.address
    latch.packet(OTHER, 0, 0, 0.0)
    latch.required_host = OTHER.address
    assert latch.source == OTHER
    latch.required_host = SAME_ADDRESS.address
    assert (latch.source, latch.destination, latch.state) == (None, PHONE, State.OPEN)
    assert not latch.packet(OTHER, 0, 0, 5.0)
    assert latch.packet(SAME_ADDRESS, 0, 0, 10.0)
    assert latch.destination == SAME_ADDRESS


def test_rtcp_that_was_final_is_learned_again_when_rtp_turns_out_to_be_elsewhere():
    latch = make_rtcp_latch(Learning.IMMEDIATE)
    latch.required_host = OTHER.address
    latch.packet(OTHER, 0, 0, 0.0)
    latch.required_host = SAME_PORT.address
    assert not latch.is_confirmed
    assert latch.packet(SAME_PORT, 0, 0, 1.0)


def test_changed_rtcp_endpoint_waits_for_rtp_again():
    latch = make_rtcp_latch()
    latch.required_host = OTHER.address
    latch.packet(OTHER, 0, 0, 0.0)
    latch.reopen(Endpoint("192.0.2.99", 8001), 10.0)
    assert latch.required_host is None
    assert not latch.packet(OTHER, 0, 0, 11.0)
