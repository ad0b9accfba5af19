"""Bencode: what we write anyone can read, and nothing that we are sent can hurt."""

from __future__ import annotations

import enum
import ipaddress
import sys
import types
from types import FrameType
from typing import Any

import bencoder
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.ng import bencode
from karl_trio.ng.bencode import Truncated, decode, decode_prefix, encode
from karl_trio.ng.values import MAX_DEPTH, MAX_INT_DIGITS, MAX_ITEMS

# Text as it comes off the wire: any bytes, those that are no UTF-8 as lone surrogates.
text = st.binary(max_size=30).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=30
)
whole = st.integers(-(10**MAX_INT_DIGITS) + 1, 10**MAX_INT_DIGITS - 1)
values = st.recursive(
    text | whole,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


def as_bytes(value: Any) -> Any:
    """Return a value as bencoder sees it."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [as_bytes(item) for item in value]
    if isinstance(value, dict):
        return {as_bytes(key): as_bytes(item) for key, item in value.items()}
    return value


@given(values)
def test_what_is_encoded_comes_back(value):
    assert decode(encode(value)) == value


@given(values)
def test_bencoder_reads_the_same(value):
    data = encode(value)
    assert bencoder.decode(data) == as_bytes(value)


@given(st.dictionaries(text, values, max_size=5), st.randoms(use_true_random=False))
def test_keys_may_come_in_any_order(dictionary, random):
    keys = list(dictionary)
    random.shuffle(keys)
    data = b"d" + b"".join(encode(key) + encode(dictionary[key]) for key in keys) + b"e"
    decoded = decode(data)
    assert decoded == dictionary
    assert list(decoded) == keys


@given(values, st.data())
def test_every_beginning_of_a_value_is_truncated(value, data):
    encoded = encode(value)
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(Truncated):
        decode(encoded[:end])


@given(values, st.data())
def test_a_mutated_value_is_a_value_or_malformed(value, data):
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not encoded:
            break
    only_malformed(bytes(encoded))


@given(st.text("0123456789:-deil", max_size=40).map(str.encode) | st.binary(max_size=60))
def test_any_bytes_are_a_value_or_malformed(data):
    only_malformed(data)


def only_malformed(data: bytes) -> None:
    try:
        value = decode(data)
    except Malformed as error:
        offset = error.offset
    else:
        offset = len(data)
        # Nothing that is accepted can be written in two ways, but for the order of keys.
        assert len(encode(value)) == offset
    assert 0 <= offset <= len(data)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"d9223372036854775807:ae", 1),  # kills a decoder that believes it
        (b"4294967300:a", 0),
        (b"03:abc", 0),
        (b"+3:abc", 0),
        (b"-3:abc", 0),
        (b"3 :abc", 0),
        (b"1_0:aaaaaaaaaa", 0),
        ("²:aa".encode("latin-1"), 0),
        (b"l3x:abce", 1),
        (b"l5:hello3xe", 8),
        (b"i007e", 0),
        (b"i-0e", 0),
        (b"i-e", 0),
        (b"ie", 0),
        (b"i1.5e", 0),
        (b"i 1e", 0),
        (b"i+1e", 0),
        (b"i99999999999999999999e", 0),
        (b"di1e1:ae", 1),
        (b"dle1:ae", 1),
        (b"d1:a1:b1:a1:ce", 7),
        (b"d1:ae", 4),
        (b"e", 0),
        (b"x", 0),
        (b" 1:a", 0),
        (b"1:ax", 3),
        (b"dee", 2),
    ],
)
def test_malformed_data_is_refused_where_it_is_wrong(data, offset):
    with pytest.raises(Malformed) as caught:
        decode(data)
    assert caught.value.offset == offset
    assert not isinstance(caught.value, Truncated)


@pytest.mark.parametrize(
    "data", [b"", b"5:abc", b"d", b"l1:a", b"d1:a", b"d3:ab", b"12", b"i", b"i-", b"i12", b"li1e"]
)
def test_data_that_ends_too_early_says_so(data):
    with pytest.raises(Truncated):
        decode(data)


def test_what_follows_a_value_is_left_to_the_caller():
    assert decode_prefix(b"cookie d1:ai1ee\n", 7) == ({"a": 1}, 15)
    assert decode_prefix(b"i1ei2e") == (1, 3)


def test_offsets_count_from_the_start_of_the_data():
    with pytest.raises(Malformed) as caught:
        decode_prefix(b"cookie d1:ax", 7)
    assert caught.value.offset == 11


def test_lengths_count_bytes_and_not_characters():
    assert decode(b"l4:Zo\xc3\xab2:\xffae") == ["Zoë", "\udcffa"]
    assert encode(["Zoë", "\udcffa"]) == b"l4:Zo\xc3\xab2:\xffae"


def test_depth_is_limited():
    deepest: Any = "x"
    for _ in range(MAX_DEPTH):
        deepest = [deepest]
    assert decode(encode(deepest)) == deepest
    with pytest.raises(Malformed, match="within each other"):
        decode(encode([deepest]))
    with pytest.raises(Malformed, match="within each other"):
        decode(b"l" * 60_000 + b"e" * 60_000)


def test_items_are_limited():
    # The list counts as well.
    assert len(decode(b"l" + b"0:" * (MAX_ITEMS - 1) + b"e")) == MAX_ITEMS - 1
    with pytest.raises(Malformed, match=f"more than {MAX_ITEMS}"):
        decode(b"l" + b"0:" * MAX_ITEMS + b"e")


def test_integers_of_64_bits_pass():
    for number in (0, -1, 2**63 - 1, -(2**63)):
        assert decode(encode(number)) == number


@pytest.mark.parametrize(
    "hostile",
    [
        lambda n: b"l" + b"0:" * n + b"e",
        lambda n: b"l" + b"le" * n + b"e",
        lambda n: b"l" + b"i0e" * n + b"e",
        lambda n: b"d" + b"".join(b"5:%05di0e" % i for i in range(n)) + b"e",
        lambda n: b"l" + b"2:\xc3\xab" * n + b"e",
        lambda n: b"l" + b"1" * n,
        lambda n: b"i" + b"1" * n,
    ],
    ids=["strings", "lists", "integers", "keys", "utf-8", "digits", "integer"],
)
def test_work_grows_no_faster_than_the_data(hostile):
    small, large = steps(hostile(1000)), steps(hostile(4000))
    assert large <= 4 * small + 20


def steps(data: bytes) -> int:
    """Count the lines that decoding executes: unlike seconds, the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename == bencode.__file__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decode(data)
    except Malformed:
        pass
    finally:
        sys.settrace(before)
    return count


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 3


def test_our_own_types_find_their_form():
    reply = {
        "enum": Colour.RED,
        "number": Level.LOW,
        "address": ipaddress.ip_address("2001:db8::1"),
        "yes": True,
        "no": False,
        "tuple": ("a", 1),
        "set": frozenset({"b", "a"}),
        "bytes": b"\xff",
        "mapping": types.MappingProxyType({"a": 1}),
        "absent": None,
        Colour.RED: "key",
    }
    assert decode(encode(reply)) == {
        "enum": "red",
        "number": 3,
        "address": "2001:db8::1",
        "yes": 1,
        "no": 0,
        "tuple": ["a", 1],
        "set": ["a", "b"],
        "bytes": "\udcff",
        "mapping": {"a": 1},
        "red": "key",
    }


def test_keys_are_written_sorted():
    assert encode({"sdp": "v=0", "result": "ok"}) == b"d6:result2:ok3:sdp3:v=0e"


@pytest.mark.parametrize("value", [1.5, None, [None], object(), {1: "a"}, {None: 1}])
def test_what_has_no_form_is_an_error(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("number", ["9" * 19, "-" + "9" * 19, "-1000000000000000000", "-", ""])
def test_an_integer_cut_short_is_truncated_also_below_zero(number):
    with pytest.raises(Truncated):
        decode(f"i{number}".encode())


@pytest.mark.parametrize("number", ["9" * 20, "-" + "9" * 20])
def test_an_integer_that_is_too_long_is_not_waited_for(number):
    with pytest.raises(Malformed) as refusal:
        decode(f"i{number}".encode())
    assert not isinstance(refusal.value, Truncated)
