"""Attribute lines that requests add, remove and substitute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import InvalidParameters
from karl_trio.sdp.manipulation import (
    SESSION,
    AttributeChanges,
    is_media_kind,
    manipulations,
    media_kind,
)

LINES = ["m=audio 5000 RTP/AVP 0 101", "c=IN IP4 192.0.2.1", "a=fmtp:101 0-16", "a=fmtp:0 x", "a=sendrecv"]


@pytest.mark.parametrize(
    ("remove", "gone"),
    [
        ("fmtp", {"a=fmtp:101 0-16", "a=fmtp:0 x"}),
        ("fmtp:", {"a=fmtp:101 0-16", "a=fmtp:0 x"}),
        ("FMTP:101", {"a=fmtp:101 0-16"}),
        ("fmtp:101 0-16", {"a=fmtp:101 0-16"}),
        ("fmtp:101 0-1", set()),
        ("fmtp:1", set()),
        ("sendrecv", {"a=sendrecv"}),
        ("sendrecv:", set()),
        ("audio 5000 RTP/AVP 0 101", set()),  # no attribute
    ],
)
def test_attributes_are_removed_by_name_by_first_word_or_in_full(remove, gone):
    changes = manipulations({"audio": {"remove": [remove]}})["audio"]
    assert changes.apply(LINES) == [line for line in LINES if line not in gone]


@pytest.mark.parametrize(
    ("pairs", "before", "after"),
    [
        ([["sendrecv", "sendonly"]], "a=sendrecv", "a=sendonly"),
        (["sendrecv", "sendonly"], "a=sendrecv", "a=sendonly"),
        (["sendrecv>sendonly"], "a=sendrecv", "a=sendonly"),
        ("sendrecv>sendonly", "a=sendrecv", "a=sendonly"),
        (["a>b", "sendrecv>x>y"], "a=sendrecv", "a=x>y"),
        (["a", "b", ["sendrecv", "sendonly"], "fmtp:0>z"], "a=fmtp:0 x", "a=z"),
        (["a", "b", "fmtp:0", "z"], "a=fmtp:0 x", "a=z"),
        ([["sendrecv", "sendonly", "inactive"]], "a=sendrecv", "a=sendonly"),  # the third one is forgotten
        ([["fmtp", "x"], ["fmtp:101 0-16", "fmtp:101 0-15"]], "a=fmtp:101 0-16", "a=fmtp:101 0-15"),
        ([["SendRecv", "Inactive"]], "a=sendrecv", "a=Inactive"),
    ],
)
def test_an_attribute_is_substituted_in_its_place(pairs, before, after):
    changes = manipulations({"audio": {"substitute": pairs}})["audio"]
    changed = changes.apply(LINES)
    assert changed[LINES.index(before)] == after
    assert len(changed) == len(LINES)


def test_attributes_are_added_at_the_end_unless_they_are_there():
    changes = manipulations({"audio": {"add": ["ptime:20", "sendrecv", "fmtp:101 0-15", "ptime:20,x"]}})[
        "audio"
    ]
    assert changes.apply(LINES) == [*LINES, "a=ptime:20", "a=fmtp:101 0-15", "a=ptime:20,x"]


def test_an_attribute_may_be_removed_and_added_anew():
    changes = manipulations({"audio": {"remove": ["fmtp:101"], "add": ["fmtp:101 0-15"]}})["audio"]
    assert changes.apply(LINES) == [*LINES[:2], *LINES[3:], "a=fmtp:101 0-15"]


def test_lists_may_be_strings_with_commas():
    assert manipulations({"Video": {"add": "x,y", "remove": "A,b"}}) == {
        "video": AttributeChanges(add=("x", "y"), remove=frozenset({"a", "b"}))
    }


def test_both_names_of_the_session_section_mean_it():
    assert manipulations(
        {
            "none": {"add": ["a"], "remove": ["b"], "substitute": [["c", "d"]]},
            "global": {"add": ["e"], "remove": ["f"], "substitute": [["g", "h"]]},
        }
    ) == {
        SESSION: AttributeChanges(
            add=("a", "e"), remove=frozenset({"b", "f"}), substitute={"c": "d", "g": "h"}
        )
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"subtitles": {"add": ["x"]}},
        {"session": {"add": ["x"]}},
        {"audio": ["x"]},
        {"audio": "add"},
        {"audio": {"append": ["x"]}},
        {"audio": {"add": {}}},
        {"audio": {"add": 1}},
        {"audio": {"add": [["x"]]}},
        {"audio": {"add": [1]}},
        {"audio": {"add": [""]}},
        {"audio": {"add": ["x\r\nm=audio 1 RTP/AVP 0"]}},
        {"audio": {"add": ["x\n"]}},
        {"audio": {"remove": ["\0"]}},
        {"audio": {"substitute": [["x"]]}},
        {"audio": {"substitute": ["x"]}},
        {"audio": {"substitute": [["x", "y\n"]]}},
        {"audio": {"substitute": [["", "y"]]}},
        {"audio": {"substitute": [["x", 1]]}},
        {"audio": {"substitute": {"x": "y"}}},
        {"audio": {"substitute": 1}},
    ],
)
def test_what_makes_no_sense_is_invalid(wrong):
    with pytest.raises(InvalidParameters) as caught:
        manipulations(wrong)
    assert caught.value.detail.startswith("sdp-attr")


def test_media_of_unregistered_kinds_are_the_other_ones():
    assert [media_kind(kind) for kind in ("audio", "VIDEO", "image", "foobar", "other", "none")] == [
        *("audio", "video", "image"),
        *("other", "other", "other"),
    ]
    assert is_media_kind("other")
    assert not is_media_kind("foobar")


values = st.recursive(
    st.text("abAB>:= \n,", max_size=5) | st.integers(-1, 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["none", "global", "audio", "x"]),
        values | st.dictionaries(st.sampled_from(["add", "remove", "substitute", "y"]), values),
        max_size=2,
    )
)
def test_anything_is_either_understood_or_invalid_and_no_line_is_split(sections):
    try:
        found = manipulations(sections)
    except InvalidParameters:
        return
    for changes in found.values():
        changed = changes.apply(LINES)
        assert changed[:2] == LINES[:2]
        assert all(line.startswith("a=") and line.isprintable() for line in changed[2:])
