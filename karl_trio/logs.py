"""Log lines: one to a record, each with the call-id of the call it is about.

Much of what is logged came from the network, so nothing gets out that a terminal, a log viewer or
a tool that reads lines would take for more than text.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from karl_trio.config import LogFormat, LogLevel
from karl_trio.escaping import escape, escape_surrogates

current_call_id: ContextVar[str | None] = ContextVar("current_call_id", default=None)
"""The call that the running task works for. Trio copies it into every task that is started."""

_PLAIN = re.compile(r"[^\s\"=]+")
"""Values that need no quotes."""

_SEVERITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""The syslog severity (RFC 5424, 6.2.1) of each level and of what lies above it."""


@contextmanager
def about_call(call_id: str) -> Iterator[None]:
    """Put a call-id on what is logged inside, for code that runs outside of the call's tasks."""
    token = current_call_id.set(call_id)
    try:
        yield
    finally:
        current_call_id.reset(token)


class _CallIdFilter(logging.Filter):
    """Notes in each record which call it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.call_id = current_call_id.get()
        return True


def _call_id_of(record: logging.LogRecord) -> str | None:
    call_id: str | None = getattr(record, "call_id", None)
    return call_id


def _timestamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """For people and grep: time, level, call-id, logger, message; a traceback follows indented.

    The message stands last, so that nothing in it can pass for one of the fields.
    """

    def __init__(self, *, timed: bool = True) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        fields = [_timestamp(record)] if self._timed else []
        fields.append(record.levelname.lower())
        if (call_id := _call_id_of(record)) is not None:
            shown = escape(call_id)
            quoted = shown if _PLAIN.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)
            fields.append(f"call-id={quoted}")
        lines = [" ".join([*fields, f"{record.name}:", escape(record.getMessage())])]
        if record.exc_info:
            lines += map(escape, self.formatException(record.exc_info).split("\n"))
        return "\n    ".join(lines)


class JsonFormatter(logging.Formatter):
    """For machines: one object to a line, ASCII only, with any traceback folded into it."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (call_id := _call_id_of(record)) is not None:
            entry["call-id"] = call_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # JSON has its own escapes for all but lone surrogates, which strict parsers refuse.
        return json.dumps({key: escape_surrogates(value) for key, value in entry.items()})


class JournalFormatter(logging.Formatter):
    """Puts the severity before every line of another formatter, as journald wants it."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        severity = next(number for level, number in _SEVERITIES if record.levelno >= level)
        return "\n".join(f"<{severity}>{line}" for line in self._inner.format(record).split("\n"))


class _Handler(logging.StreamHandler[TextIO]):
    """The handler of `configure`, told from others that a program or a test may have put there."""


def configure(
    level: LogLevel,
    log_format: LogFormat = "text",
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write everything that is logged in this process to a stream, instead of where it went before.

    Args:
        stream: standard error when not given.
        environ: JOURNAL_STREAM tells, as systemd sets it, whether the stream goes to journald.
    """
    stream = sys.stderr if stream is None else stream
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a narrow locale must not cost lines
    in_journal = _is_journal(stream, environ)
    formatter = JsonFormatter() if log_format == "json" else TextFormatter(timed=not in_journal)
    handler = _Handler(stream)
    handler.addFilter(_CallIdFilter())
    handler.setFormatter(JournalFormatter(formatter) if in_journal else formatter)
    root = logging.getLogger()
    for old in [it for it in root.handlers if isinstance(it, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)


def set_level(level: LogLevel) -> None:
    """Log only what is at least this severe, from now on."""
    logging.getLogger().setLevel(level.upper())


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    # The variable is inherited by programs whose output was redirected since; systemd.exec(5)
    # therefore has it name the device and the inode.
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
