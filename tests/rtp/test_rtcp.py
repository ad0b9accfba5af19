"""RTCP: compound packets of every kind, whole and broken."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.rtp.rtcp import (
    Application,
    ExtendedBlock,
    ExtendedReport,
    Goodbye,
    OtherPacket,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceChunk,
    SourceDescription,
    check_compound,
    parse_compound,
)


def packet(packet_type, count, body, *, first=0x80):
    assert len(body) % 4 == 0
    return struct.pack("!BBH", first | count, packet_type, len(body) // 4) + body


BLOCK = struct.pack("!IIIIII", 9, 0x40_FFFFFE, 70_000, 12, 0xAABBCCDD, 65_536)
SENDER_REPORT = packet(200, 1, struct.pack("!IQIII", 1, 0xE0000000_80000000, 16_000, 100, 17_200) + BLOCK)
RECEIVER_REPORT = packet(201, 0, struct.pack("!I", 1))
DESCRIPTION = packet(202, 1, struct.pack("!I", 1) + b"\x01\x05a@b.c\x00\x00\x00\x00\x00")
GOODBYE = packet(203, 2, struct.pack("!II", 1, 2) + b"\x03bye")
APPLICATION = packet(204, 5, struct.pack("!I", 1) + b"PoC1" + b"data")
FEEDBACK = packet(205, 1, struct.pack("!III", 1, 2, 0x00010000))
EXTENDED = packet(207, 0, struct.pack("!I", 1) + b"\x04\x00\x00\x02" + bytes(8) + b"\x08\x01\x00\x00")
EVERYTHING = SENDER_REPORT + RECEIVER_REPORT + DESCRIPTION + GOODBYE + APPLICATION + FEEDBACK + EXTENDED


def test_sender_report():
    block = ReportBlock(
        ssrc=9,
        fraction_lost=64,
        lost=-2,
        highest=70_000,
        jitter_ticks=12,
        last_report=0xAABBCCDD,
        delay=65_536,
    )
    assert parse_compound(SENDER_REPORT) == (
        SenderReport(1, 0xE0000000_80000000, 16_000, 100, 17_200, (block,)),
    )


def test_most_lost_packets_that_fit():
    body = struct.pack("!I", 1) + struct.pack("!IIIIII", 9, 0x007FFFFF, 0, 0, 0, 0)
    (report,) = parse_compound(packet(201, 1, body))
    assert report.blocks[0].lost == 0x7FFFFF


def test_compound_of_every_type_keeps_all_of_them_in_order():
    packets = parse_compound(EVERYTHING)
    assert packets[1:] == (
        ReceiverReport(1, ()),
        SourceDescription((SourceChunk(1, ((1, b"a@b.c"),)),)),
        Goodbye((1, 2), b"bye"),
        Application(5, 1, b"PoC1", b"data"),
        OtherPacket(205, 1, struct.pack("!III", 1, 2, 0x00010000)),
        ExtendedReport(1, (ExtendedBlock(4, 0, bytes(8)), ExtendedBlock(8, 1, b""))),
    )


def test_profile_extension_of_a_report_is_kept():
    (report,) = parse_compound(packet(201, 0, struct.pack("!II", 1, 0xCAFE)))
    assert report == ReceiverReport(1, (), b"\x00\x00\xca\xfe")


def test_several_chunks_each_filled_to_a_word():
    body = struct.pack("!I", 1) + b"\x01\x02ab" + bytes(4) + struct.pack("!I", 2) + b"\x02\x01x\x00"
    assert parse_compound(packet(202, 2, body)) == (
        SourceDescription((SourceChunk(1, ((1, b"ab"),)), SourceChunk(2, ((2, b"x"),)))),
    )


def test_empty_goodbye_and_description_are_fine():
    padded = packet(203, 0, b"") + packet(202, 0, b"")
    assert parse_compound(padded) == (Goodbye(()), SourceDescription(()))


def test_padding_belongs_to_no_packet():
    body = struct.pack("!I", 1) + b"\x00\x00\x00\x04"
    assert parse_compound(packet(201, 0, body, first=0xA0)) == (ReceiverReport(1, ()),)


def test_reduced_size_is_accepted():
    assert parse_compound(FEEDBACK)[0].packet_type == 205


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc8\x00\x00",
        RECEIVER_REPORT + b"\x80",
        RECEIVER_REPORT + b"\x80\xc9\x00",
        b"\x00" + RECEIVER_REPORT[1:],
        b"\x40" + RECEIVER_REPORT[1:],
        RECEIVER_REPORT + b"\x00" + RECEIVER_REPORT[1:],
        packet(191, 0, bytes(4)),
        packet(224, 0, bytes(4)),
        b"\x80\xc9\xff\xff" + bytes(4),
        packet(201, 0, bytes(4), first=0xA0),
        packet(201, 0, b"\x00\x00\x00\x05", first=0xA0),
        packet(203, 0, b"", first=0xA0) + RECEIVER_REPORT,
    ],
)
def test_what_is_not_rtcp_from_end_to_end_is_refused(data):
    with pytest.raises(Malformed) as caught:
        check_compound(data)
    assert 0 <= caught.value.offset <= len(data)
    with pytest.raises(Malformed):
        parse_compound(data)


@pytest.mark.parametrize(
    "data",
    [
        packet(200, 0, bytes(20)),
        packet(200, 1, bytes(24)),
        packet(201, 0, b"") + RECEIVER_REPORT,
        packet(201, 1, bytes(24)),
        packet(202, 1, b"") + RECEIVER_REPORT,
        packet(202, 1, bytes(4)),
        packet(202, 1, bytes(4) + b"\x01\x03ab"),
        packet(202, 1, bytes(4) + b"\x01\x01a\x01"),
        packet(203, 2, bytes(4)),
        packet(203, 0, b"\x04bye"),
        packet(204, 0, bytes(4)),
        packet(207, 0, b"") + RECEIVER_REPORT,
        packet(207, 0, bytes(4) + b"\x04\x00\x00\x01"),
        packet(207, 0, bytes(8) + b"\x00\x00\x00\x01", first=0xA0),
    ],
)
def test_lengths_inside_a_packet_are_checked(data):
    check_compound(data)
    with pytest.raises(Malformed):
        parse_compound(data)


def test_error_names_the_packet_and_where_it_begins():
    with pytest.raises(Malformed, match="goodbye ends within its list of sources at offset 8"):
        parse_compound(RECEIVER_REPORT + packet(203, 2, bytes(4)))


def test_of_encrypted_rtcp_only_the_first_header_can_be_checked():
    encrypted = RECEIVER_REPORT + b"\x80\x00\x00\x01" + bytes(10)
    check_compound(encrypted, is_encrypted=True)
    # The padding is at the end of the encrypted part.
    check_compound(b"\xa0" + encrypted[1:], is_encrypted=True)
    for broken in (encrypted[:7], b"\x40" + encrypted[1:], b"\x80\xc9\x00\xff" + encrypted[4:]):
        with pytest.raises(Malformed):
            check_compound(broken, is_encrypted=True)


def test_every_prefix_of_a_compound_is_either_whole_packets_or_refused():
    whole = set()
    for size in range(len(EVERYTHING) + 1):
        try:
            packets = parse_compound(EVERYTHING[:size])
        except Malformed:
            continue
        whole.add(len(packets))
    assert whole == {1, 2, 3, 4, 5, 6, 7}


@given(st.data())
def test_mutations_raise_nothing_but_malformed(data):
    mutated = bytearray(EVERYTHING)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        packets = parse_compound(mutated)
    except Malformed:
        return
    assert packets


@given(st.binary(max_size=80))
def test_anything_at_all_raises_nothing_but_malformed(data):
    for is_encrypted in (False, True):
        with contextlib.suppress(Malformed):
            check_compound(data, is_encrypted=is_encrypted)
            parse_compound(data)


@given(
    st.lists(
        st.tuples(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=40)), min_size=1, max_size=5
    )
)
def test_well_framed_packets_of_any_type_raise_nothing_but_malformed(parts):
    data = b"".join(packet(kind, count, body + bytes(-len(body) % 4)) for kind, count, body in parts)
    with contextlib.suppress(Malformed):
        assert len(parse_compound(data)) == len(parts)
