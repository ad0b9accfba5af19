"""Attributes and their values."""

import pytest

from karl_trio.endpoint import Endpoint
from karl_trio.sdp.attributes import Direction, parse_port, parse_rtcp


@pytest.mark.parametrize(
    ("direction", "sends", "receives"),
    [
        (Direction.SENDRECV, True, True),
        (Direction.SENDONLY, True, False),
        (Direction.RECVONLY, False, True),
        (Direction.INACTIVE, False, False),
    ],
)
def test_direction_is_who_may_send(direction, sends, receives):
    assert (direction.sends, direction.receives) == (sends, receives)
    assert Direction.of(sends=sends, receives=receives) is direction


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("0", 0),
        ("5000", 5000),
        ("65535", 65535),
        ("65536", None),
        ("-1", None),
        ("", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_port(text, port):
    assert parse_port(text) == port


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ("5001", Endpoint("192.0.2.1", 5001)),
        ("5001 ", Endpoint("192.0.2.1", 5001)),
        ("5001 IN IP4 192.0.2.2", Endpoint("192.0.2.2", 5001)),
        ("5001 IN IP6 2001:DB8::2", Endpoint("2001:db8::2", 5001)),
        ("0", None),
        ("x", None),
        ("70000", None),
        ("5001 IN IP4", None),
        ("5001 ATM NSAP 47", None),
        ("5001 IN IP4 phone.example.com", None),
    ],
)
def test_rtcp(value, endpoint):
    assert parse_rtcp(value, "192.0.2.1") == endpoint
