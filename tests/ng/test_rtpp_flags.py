"""The string form of a request, with its brackets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.ng.rtpp_flags import parse
from karl_trio.ng.values import MAX_DEPTH


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("trust-address", [("trust-address", None)]),
        ("  trust-address \t symmetric\n", [("trust-address", None), ("symmetric", None)]),
        ("ICE=remove", [("ICE=remove", None)]),
        ("transcode-iLBC/8000/1///mode=30", [("transcode-iLBC/8000/1///mode=30", None)]),
        ("direction=[internal external]", [("direction", ["internal", "external"])]),
        ("direction=[]", [("direction", [])]),
        (
            "codec=[strip=[PCMA G722] mask=all] RTP/AVP",
            [("codec", {"strip": ["PCMA", "G722"], "mask": "all"}), ("RTP/AVP", None)],
        ),
        (
            "sdp-attr=[audio=[add=[ptime:20] substitute=[[a b] [c d]]]]",
            [("sdp-attr", {"audio": {"add": ["ptime:20"], "substitute": [["a", "b"], ["c", "d"]]}})],
        ),
        ("mixed=[a b=c]", [("mixed", {"a": "", "b": "c"})]),
    ],
)
def test_a_string_has_flags_and_keys(text, pieces):
    assert parse(text) == pieces


@pytest.mark.parametrize(
    ("text", "offset"), [("a=[b", 4), ("a]", 1), ("a=[b]]", 5), ("x=[" * (MAX_DEPTH + 1), 3 * MAX_DEPTH)]
)
def test_brackets_have_to_match(text, offset):
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.offset == offset


@given(st.text("ab-=[] ", max_size=60))
def test_any_string_is_understood_or_malformed(text):
    try:
        pieces = parse(text)
    except Malformed:
        return
    assert text.count("[") == text.count("]")
    assert all(" " not in name for name, _ in pieces)
