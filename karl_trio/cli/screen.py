"""What goes to standard output: tables for people, plain columns for pipes, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 10_000
"""Columns of output that is no terminal: nothing is cut off or wrapped for a program that reads it."""


def printable(value: object) -> str:
    """Return text that a terminal only shows: call-ids and tags come from strangers and may hold escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(value)
    )


def as_json(value: object) -> str:
    """Return JSON with sorted keys in plain ASCII; bytes that are no UTF-8 become `\\udcXX`."""
    return json.dumps(value, indent=2, sort_keys=True)


class Screen:
    """Standard output. Colour only on a terminal, and not when NO_COLOR is set."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()

    @cached_property
    def _console(self) -> Console:
        # Not before something has columns or colours: rich is a quarter of what a ping takes.
        from rich.console import Console

        class SeenEnough(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # rich would exit with status 1 here; `main` knows better

        return SeenEnough(
            file=sys.stdout,
            width=None if self.is_terminal else PIPE_WIDTH,
            markup=False,
            emoji=False,
            highlight=False,
        )

    @property
    def width(self) -> int:
        """Columns to write in."""
        return self._console.width

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print one line as it is, longer than the terminal is wide if need be."""
        if style is None:
            print(text)
        else:
            self._console.print(text, style=style, soft_wrap=True)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows under headers; a header that begins with `>` is set to the right."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for header in headers:
            table.add_column(
                header.lstrip(">"), justify="right" if header.startswith(">") else "left", overflow="fold"
            )
        for row in rows:
            table.add_row(*map(printable, row))
        self._console.print(table)

    def tree(self, value: Mapping[str, object], indent: int = 0) -> None:
        """Print a dictionary of any depth, one value to a line."""
        for key, item in value.items():
            self._branch(f"{printable(key)}:", item, indent)

    def _branch(self, name: str, value: object, indent: int) -> None:
        lead = "  " * indent
        if isinstance(value, Mapping) and value:
            self.line(f"{lead}{name}")
            self.tree(value, indent + 1)
        elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            self.line(f"{lead}{name}")
            for item in value:
                self._branch("-", item, indent + 1)
        elif isinstance(value, list):
            self.line(f"{lead}{name} {', '.join(map(printable, value))}".rstrip())
        elif isinstance(value, str) and "\n" in value:
            self.line(f"{lead}{name}")
            for line in value.splitlines():
                self.line(f"{lead}  {printable(line)}")
        else:
            self.line(f"{lead}{name} {printable(value if value != {} else '')}".rstrip())
