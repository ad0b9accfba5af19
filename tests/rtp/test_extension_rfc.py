"""The pictures of RFC 8285, sections 4.2 and 4.3, and what they say of reserved identifiers."""

from karl_trio.rtp.extension import ONE_BYTE, TWO_BYTE, elements_of, read_elements, with_elements

from .test_extension import packet


def test_one_byte_form():
    # ID 1 with one octet, ID 2 with two, two of padding, ID 3 with four.
    data = bytes.fromhex("10aa21bbbb000033cccccccc")
    assert list(read_elements(ONE_BYTE, data)) == [(1, b"\xaa"), (2, b"\xbb" * 2), (3, b"\xcc" * 4)]


def test_two_byte_form():
    # ID 1 without data, ID 2 with one octet, one of padding, ID 3 with four.
    data = bytes.fromhex("01000201bb000304cccccccc")
    assert list(read_elements(TWO_BYTE, data)) == [(1, b""), (2, b"\xbb"), (3, b"\xcc" * 4)]


def test_after_identifier_15_of_the_one_byte_form_nothing_counts():
    data = bytes.fromhex("10aaf0bb20cc0000")
    assert list(read_elements(ONE_BYTE, data)) == [(1, b"\xaa")]


def test_after_padding_with_a_length_nothing_counts():
    data = bytes.fromhex("10aa01bbbb20cc00")
    assert list(read_elements(ONE_BYTE, data)) == [(1, b"\xaa")]


def test_an_element_that_reaches_past_the_end_does_not_count():
    assert list(read_elements(ONE_BYTE, bytes.fromhex("10aa23bb"))) == [(1, b"\xaa")]
    assert list(read_elements(TWO_BYTE, bytes.fromhex("0101aa02"))) == [(1, b"\xaa")]
    assert list(read_elements(TWO_BYTE, bytes.fromhex("01000203aabb0000")[:6])) == [(1, b"")]


def test_the_packet_of_section_4_2_without_its_second_element():
    data = packet(data=bytes.fromhex("10aa21bbbb000033cccccccc"), csrcs=1)
    left = with_elements(data, {1, 3})
    assert left[16:28] == bytes.fromhex("bede000210aa33cccccccc00")
    assert list(elements_of(left)) == [(1, b"\xaa"), (3, b"\xcc" * 4)]
