"""What is told to the person who waits."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Tell what is going on; results go to standard output, this does not."""
    print(text, file=sys.stderr, flush=True)
