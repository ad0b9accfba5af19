"""Signalling templates: sets of flags that the configuration keeps under a name.

A request names one with the key `template`. Two more are applied before all that a request says itself: the
one called `default`, and the one that is called like the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from karl_trio.errors import InvalidParameters

from .keys import canonical
from .parameters import collect

Templates = Mapping[str, str]
"""Flags and keys, as in `rtpp-flags`, by the canonical name of the template."""


def parse_template(line: str) -> tuple[str, str]:
    """Read ``NAME=FLAGS``.

    Raises:
        ValueError: it is not that, or it says what no request can say.
    """
    name, equals, flags = line.partition("=")
    if not equals or not name.strip():
        raise ValueError("expected NAME=FLAGS")
    try:
        unknown = collect({"rtpp-flags": flags}).warnings
    except InvalidParameters as error:
        raise ValueError(error.detail) from None
    if unknown:
        # Nobody else's upgrade can excuse a wrong word in a file of our own.
        raise ValueError("; ".join(unknown))
    return canonical(name.strip()), flags.strip()


def parse_templates(lines: Iterable[str]) -> Templates:
    """Read a template from each line.

    Raises:
        ValueError: as for `parse_template`.
    """
    return dict(map(parse_template, lines))
