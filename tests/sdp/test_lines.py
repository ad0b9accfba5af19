"""Any text can be taken apart and put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.sdp.lines import Line, join, split

# What comes from the network is UTF-8 decoded with surrogateescape: any bytes at all.
network_text = st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
sdp_like = st.lists(
    st.tuples(
        st.sampled_from(["v=0", "a=", "m=audio 1 RTP/AVP 0", "", "x", "=", "a=\udcff\u2028b", "\r", "\r="]),
        st.sampled_from(["\r\n", "\n", "\r\r\n", "\n\r", ""]),
    )
).map(lambda pieces: "".join(map("".join, pieces)))


@given(network_text | sdp_like)
def test_round_trip_is_exact(text):
    assert join(split(text)) == text


@given(sdp_like)
def test_every_line_but_the_last_is_ended(text):
    assert all(line.ending for line in split(text)[:-1])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        ("v=0\r\n", (Line("v", "0", "\r\n"),)),
        ("v=0\ns=-", (Line("v", "0", "\n"), Line("s", "-", ""))),
        ("s=a=b\x85c\r\n\r\n", (Line("s", "a=b\x85c", "\r\n"), Line("", "", "\r\n"))),
        ("no line\nx=\r", (Line("", "no line", "\n"), Line("x", "\r", ""))),
    ],
)
def test_lines_keep_their_endings(text, lines):
    assert split(text) == lines
