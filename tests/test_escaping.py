"""Text from elsewhere, harmless on one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.escaping import escape, escape_surrogates

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, café, 東京", "plain text, café, 東京"),
        ("two\nlines\r\n", r"two\x0alines\x0d\x0a"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31mred", r"\x9b31mred"),
        ("nul\x00del\x7f", r"nul\x00del\x7f"),
        ("abc\u202ecba\u2069", r"abc\u202ecba\u2069"),
        ("next\u2028line", r"next\u2028line"),
        (b"caf\xe9".decode(errors="surrogateescape"), r"caf\xe9"),
        ("\ud83d", r"\ud83d"),
    ],
)
def test_what_is_not_text_is_shown_as_backslash_sequences(text, shown):
    assert escape(text) == shown


@given(ANY_TEXT)
def test_escaped_text_is_one_line_that_can_be_encoded(text):
    shown = escape(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == escape(shown) == shown


@given(ANY_TEXT)
def test_escaping_surrogates_leaves_everything_else(text):
    escape_surrogates(text).encode()
    kept = "".join(character for character in text if not "\ud800" <= character <= "\udfff")
    assert escape_surrogates(kept) == kept
