"""How a command ends, and what it says when it does not end well."""

from __future__ import annotations

import sys
from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of every command; scripts may rely on them."""

    OK = 0
    FAILED = 1
    """A node answered with an error, the demo lost packets, the server could not start, or `explain` met what
    is not known."""
    USAGE = 2
    """Wrong options, arguments or settings."""
    NO_ANSWER = 3
    """No node answered."""
    INTERRUPTED = 130
    """Ctrl-C; 128 and the signal's number, as shells have it."""


def complain(line: str) -> None:
    """Write one line to standard error, under the program's name."""
    print(f"karl-trio: {line}", file=sys.stderr)
