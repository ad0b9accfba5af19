"""Taking header extension elements out of RTP packets, and putting them in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.rtp.extension import ONE_BYTE, TWO_BYTE, elements_of, with_elements, write_elements
from karl_trio.rtp.header import parse_header

ANY = frozenset(range(256))

one_byte_elements = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=8)
two_byte_elements = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=8)


def packet(elements=None, *, profile=ONE_BYTE, data=None, csrcs=0, payload=b"\xd5" * 20):
    """An RTP packet with an extension of those elements, or of that data; without one if there are none."""
    if data is None and elements is not None:
        data = write_elements(elements, two_byte=profile != ONE_BYTE)
    extension = b"" if data is None else profile.to_bytes(2) + (len(data) // 4).to_bytes(2) + data
    first = 0x80 | csrcs | (0x10 if data is not None else 0)
    return bytes((first, 0x88)) + bytes(range(10)) + b"\xcc" * 4 * csrcs + extension + payload


@st.composite
def packets(draw):
    """Packets with well-formed extensions of both kinds."""
    profile, elements = draw(
        st.one_of(
            st.tuples(st.just(ONE_BYTE), one_byte_elements),
            st.tuples(st.integers(TWO_BYTE, TWO_BYTE + 15), two_byte_elements),
        )
    )
    csrcs, payload = draw(st.integers(0, 15)), draw(st.binary(max_size=30))
    return packet(elements, profile=profile, csrcs=csrcs, payload=payload), elements


def around(data):
    """Everything of a packet but its extension."""
    header = parse_header(data)
    size = header.payload_size + header.padding
    start = 12 + 4 * len(header.csrcs)
    return data[0] & ~0x10, data[1:start], data[len(data) - size :]


@given(packets(), st.frozensets(st.integers(1, 16)))
def test_only_what_is_kept_remains_and_nothing_else_changes(made, keep):
    data, elements = made
    left = with_elements(data, keep)
    assert list(elements_of(left)) == [element for element in elements if element[0] in keep]
    assert around(left) == around(data)
    assert len(left) <= len(data)
    if not list(elements_of(left)) and elements:
        assert parse_header(left).extension is None


@given(packets())
def test_a_packet_that_keeps_everything_is_not_even_copied(made):
    data, _ = made
    assert with_elements(data, ANY) is data


@given(packets(), st.tuples(st.integers(1, 255), st.binary(max_size=40)))
def test_an_added_element_takes_the_place_of_any_of_its_name(made, added):
    data, elements = made
    got = with_elements(data, ANY, [added])
    assert list(elements_of(got)) == [element for element in elements if element[0] != added[0]] + [added]
    assert around(got) == around(data)
    assert with_elements(got, ANY, [added]) is got


@pytest.mark.parametrize(
    ("added", "profile"), [((14, b"x" * 16), ONE_BYTE), ((15, b"x"), TWO_BYTE), ((1, b"x" * 17), TWO_BYTE)]
)
def test_a_packet_without_extension_gets_the_shortest_form_that_holds_the_element(added, profile):
    got = with_elements(packet(), ANY, [added])
    assert parse_header(got).extension.profile == profile
    assert list(elements_of(got)) == [added]


def test_the_application_bits_of_the_two_byte_form_stay():
    got = with_elements(packet([(1, b"a"), (2, b"b")], profile=TWO_BYTE + 9), {2})
    assert parse_header(got).extension.profile == TWO_BYTE + 9


def test_an_extension_of_another_kind_is_left_alone():
    data = packet(profile=0x1234, data=b"\x10ab\x00")
    assert with_elements(data, ()) is data
    assert list(elements_of(data)) == []


@given(packets(), st.data())
def test_no_cut_and_no_mutation_makes_trouble(made, data):
    whole, _ = made
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(1, len(whole)))])
    for kept in ((), {1, 2}, ANY):
        got = with_elements(cut, kept)
        assert len(got) <= len(cut)
        assert all(identifier in kept for identifier, _ in elements_of(got)) or got is cut
    with_elements(cut, (), [(1, b"mid")])


@given(packets())
def test_every_beginning_of_a_packet_is_dealt_with(made):
    data, elements = made
    for size in range(1, len(data)):
        got = with_elements(data[:size], ())
        assert got is data[:size] or len(got) <= size
        assert [element for element in elements_of(data[:size]) if element not in elements] == []
