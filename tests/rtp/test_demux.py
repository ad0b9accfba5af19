"""Which protocol a datagram on a media port belongs to."""

import pytest

from karl_trio.rtp.demux import Protocol, classify, is_rtcp


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (0, Protocol.STUN),
        (3, Protocol.STUN),
        (4, Protocol.UNKNOWN),
        (15, Protocol.UNKNOWN),
        (16, Protocol.ZRTP),
        (19, Protocol.ZRTP),
        (20, Protocol.DTLS),
        (63, Protocol.DTLS),
        (64, Protocol.TURN_CHANNEL),
        (79, Protocol.TURN_CHANNEL),
        (80, Protocol.UNKNOWN),
        (127, Protocol.UNKNOWN),
        (128, Protocol.RTP),
        (191, Protocol.RTP),
        (192, Protocol.UNKNOWN),
        (255, Protocol.UNKNOWN),
    ],
)
def test_first_octet_tells_the_protocol_at_the_edges_of_each_range(first, expected):
    assert classify(first, 0) is expected


@pytest.mark.parametrize("packet_type", [192, 200, 201, 202, 203, 204, 205, 206, 207, 223])
def test_rtcp_packet_types_are_told_from_rtp(packet_type):
    assert is_rtcp(packet_type)
    assert classify(0x80, packet_type) is Protocol.RTCP


@pytest.mark.parametrize("second", [0, 8, 63, 96, 111, 127, 128, 128 + 63, 128 + 96, 255])
def test_payload_types_outside_64_to_95_are_rtp_with_and_without_marker(second):
    assert not is_rtcp(second)
    assert classify(0x80, second) is Protocol.RTP


def test_second_octet_does_not_matter_to_other_protocols():
    assert classify(0, 200) is Protocol.STUN
    assert classify(22, 200) is Protocol.DTLS
