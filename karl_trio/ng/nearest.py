"""What somebody may have meant."""

from __future__ import annotations

import difflib
from functools import lru_cache

from .keys import canonical

MAX_QUOTED = 64
"""Characters of a foreign name that a warning repeats, and that are compared with ours."""

SIMILAR = 0.75
"""How much two names must agree, from 0 to 1: a letter or two may be wrong, but not half of the word."""


def quoted(text: str) -> str:
    """Return a foreign name as it may stand in a warning."""
    return f"'{text}'" if len(text) <= MAX_QUOTED else f"'{text[:MAX_QUOTED]}...'"


def nearest(text: str, known: tuple[str, ...]) -> str | None:
    """Return the known name that looks most like the text, or None if none does."""
    return _nearest(canonical(text[:MAX_QUOTED]), known)


@lru_cache(maxsize=512)  # a script that is wrong is so for every call
def _nearest(text: str, known: tuple[str, ...]) -> str | None:
    names = {canonical(name): name for name in known}
    found = difflib.get_close_matches(text, names, n=1, cutoff=SIMILAR)
    return names[found[0]] if found else None
