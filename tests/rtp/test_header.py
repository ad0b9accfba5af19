"""RTP headers: all of them are read, none of them raises anything but Malformed."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.rtp.header import Extension, Header, parse_header


def build(
    *,
    first=0x80,
    second=0,
    sequence=1,
    timestamp=160,
    ssrc=0x1234,
    csrcs=(),
    extension=None,
    payload=b"",
    padding=0,
):
    """Write an RTP packet, with whatever flags the first octet is given besides those that are needed."""
    data = struct.pack("!BBHII", first | len(csrcs), second, sequence, timestamp, ssrc)
    data += struct.pack(f"!{len(csrcs)}I", *csrcs)
    if extension is not None:
        data += struct.pack("!HH", extension.profile, len(extension.data) // 4) + extension.data
    return data + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def test_plain_packet():
    packet = build(
        second=0x80 | 8, sequence=0xFFFF, timestamp=0xFFFFFFFF, ssrc=0xDEADBEEF, payload=bytes(160)
    )
    assert parse_header(packet) == Header(
        marker=True,
        payload_type=8,
        sequence=0xFFFF,
        timestamp=0xFFFFFFFF,
        ssrc=0xDEADBEEF,
        payload_offset=12,
        payload_size=160,
    )


def test_contributing_sources_extension_and_padding_are_no_payload():
    extension = Extension(0xBEDE, b"\x10\xff\x00\x00")
    packet = build(first=0xB0, csrcs=(7, 8), extension=extension, payload=b"voice", padding=3)
    header = parse_header(packet)
    assert header.csrcs == (7, 8)
    assert header.extension == extension
    assert header.padding == 3
    assert packet[header.payload_offset :][: header.payload_size] == b"voice"


def test_empty_payload_is_fine():
    assert parse_header(build()).payload_size == 0


def test_any_buffer_will_do():
    packet = build(payload=b"abc")
    assert parse_header(memoryview(packet)) == parse_header(bytearray(packet)) == parse_header(packet)


@pytest.mark.parametrize(
    ("packet", "offset"),
    [
        (b"", 0),
        (build()[:11], 11),
        (build(first=0x00), 0),
        (build(first=0x40), 0),
        (build(first=0xC0), 0),
        (build(first=0x81), 12),
        (build(first=0x90), 12),
        (build(first=0x90) + b"\xbe\xde\x00\x01", 12),
        (build(first=0xA0, payload=b"\x00"), 12),
        (build(first=0xA0, payload=b"\x01\x03"), 13),
        # A padding count with no room for it is the last octet of the SSRC.
        (build(first=0xA0, ssrc=1), 11),
    ],
)
def test_what_reaches_past_the_end_is_refused_with_the_offset(packet, offset):
    with pytest.raises(Malformed) as caught:
        parse_header(packet)
    assert caught.value.offset == offset


@given(st.binary(max_size=64), st.booleans())
def test_parser_is_total(data, looks_like_rtp):
    if looks_like_rtp and data:
        data = bytes([data[0] & 0x3F | 0x80]) + data[1:]
    try:
        header = parse_header(data)
    except Malformed:
        return
    assert header.payload_offset + header.payload_size + header.padding == len(data)
