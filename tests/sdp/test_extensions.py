"""a=extmap: what is understood, and that it is written as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.sdp.extensions import Extension, parse_extmap, parse_extmaps


@pytest.mark.parametrize(
    ("value", "extension"),
    [
        # RFC 8285, 8: the examples.
        ("1 URI-toffset", Extension(1, "URI-toffset")),
        ("2/recvonly URI-gps-string", Extension(2, "URI-gps-string", "recvonly")),
        ("3 URI-frametype param=1", Extension(3, "URI-frametype", None, " param=1")),
        ("4096/sendrecv URI-x a b", Extension(4096, "URI-x", "sendrecv", " a b")),
    ],
)
def test_an_extension_has_an_identifier_a_direction_a_name_and_attributes(value, extension):
    assert parse_extmap(value) == extension
    assert str(extension) == value


@pytest.mark.parametrize(
    "value", ["", "1", "0 urn:x", "65536 urn:x", "-1 urn:x", "1/both urn:x", "1/ urn:x", "x urn:x", "١ urn:x"]
)
def test_what_cannot_be_understood_is_left_out(value):
    assert parse_extmap(value) is None
    assert parse_extmaps(["7 urn:y", value]) == (Extension(7, "urn:y"),)


@pytest.mark.parametrize(
    ("direction", "seen_from_there"),
    [
        (None, None),
        ("sendrecv", "sendrecv"),
        ("inactive", "inactive"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
    ],
)
def test_the_other_side_writes_the_direction_the_other_way_round(direction, seen_from_there):
    assert Extension(1, "urn:x", direction).mirrored == Extension(1, "urn:x", seen_from_there)


@given(st.text(st.sampled_from("0129/ sendrcvoly:x\t"), max_size=30))
def test_whatever_is_understood_means_the_same_when_written(value):
    extension = parse_extmap(value)
    assert extension is None or parse_extmap(str(extension)) == extension
