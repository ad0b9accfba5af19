"""Making text from elsewhere harmless to show on one line of a log or a terminal."""

from __future__ import annotations

import re

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Control characters, line separators, invisible marks, marks that reverse the direction of
writing (which can make a line read as another one), and surrogates."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def escape(text: str) -> str:
    """Write what is not plain text as backslash sequences; a byte that was not UTF-8 as what it was."""
    return _UNSAFE.sub(_sequence, text)


def escape_surrogates(text: str) -> str:
    """Do the same to surrogates only, for where other characters are safe and those cannot be encoded."""
    return _SURROGATE.sub(_sequence, text)


def _sequence(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # a byte kept by surrogateescape (PEP 383)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
