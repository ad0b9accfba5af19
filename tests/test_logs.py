"""Log lines: one to a record, with the call-id, and harmless."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import tempfile

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from karl_trio import logs

log = logging.getLogger("karl_trio.test")

ATTACK = "a\x1b[2Jb\r\n2026-01-01T00:00:00.000Z info karl_trio: forged\udcff\ud800"


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def output():
    """Log into memory and hand over what was written."""

    def begin(log_format="text", level="info"):
        stream = io.StringIO()
        logs.configure(level, log_format, stream, environ={})
        return stream

    return begin


def failing():
    raise ValueError(ATTACK)


def test_a_line_has_time_level_logger_and_message(output):
    stream = output()
    log.info("listening on %s", "127.0.0.1:22222")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info karl_trio\.test: listening on 127\.0\.0\.1:22222\n",
        stream.getvalue(),
    )


async def test_every_line_of_a_calls_tasks_carries_its_call_id(output):
    stream = output()

    async def relay():
        await trio.lowlevel.checkpoint()
        log.info("relay")

    async def run_call(call_id):
        logs.current_call_id.set(call_id)
        async with trio.open_nursery() as tasks:
            tasks.start_soon(relay)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_call, "one@host")
        nursery.start_soon(run_call, "two words")
    log.info("between")
    lines = [line.partition("Z ")[2] for line in stream.getvalue().splitlines()]
    assert sorted(lines) == [
        'info call-id="two words" karl_trio.test: relay',
        "info call-id=one@host karl_trio.test: relay",
        "info karl_trio.test: between",
    ]


def test_a_line_about_a_call_can_be_written_outside_of_its_tasks(output):
    stream = output("json")
    with logs.about_call("outer"):
        with logs.about_call("inner"):
            log.info("in")
        log.info("out")
    log.info("none")
    assert [json.loads(line).get("call-id") for line in stream.getvalue().splitlines()] == [
        "inner",
        "outer",
        None,
    ]


def test_a_call_id_with_escape_and_newline_gives_one_escaped_line(output):
    stream = output()
    with logs.about_call(ATTACK):
        log.warning("offer from %s", ATTACK)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert line.count(r"a\x1b[2Jb\x0d\x0a") + line.count(r"a\\x1b[2Jb\\x0d\\x0a") == 2


def test_a_call_id_cannot_end_its_own_quotes(output):
    stream = output()
    with logs.about_call('x" karl_trio: "y'):
        log.info("m")
    assert stream.getvalue().endswith(' call-id="x\\" karl_trio: \\"y" karl_trio.test: m\n')


def test_a_traceback_follows_on_indented_lines(output):
    stream = output()
    try:
        failing()
    except ValueError:
        log.exception("call ended by an error")
    first, *others = stream.getvalue().split("\n")[:-1]
    assert first.endswith("error karl_trio.test: call ended by an error")
    assert others[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_a_json_record_is_one_line_with_its_traceback_inside(output):
    stream = output("json")
    try:
        failing()
    except ValueError:
        with logs.about_call(ATTACK):
            log.exception("call ended")
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    entry = json.loads(line)
    assert entry["level"] == "error"
    assert entry["logger"] == "karl_trio.test"
    assert entry["message"] == "call ended"
    assert entry["call-id"] == ATTACK.replace("\udcff", r"\xff").replace("\ud800", r"\ud800")
    assert "Traceback" in entry["exception"]
    assert "in failing" in entry["exception"]


@given(call_id=st.text(st.characters(codec=None)), message=st.text(st.characters(codec=None)))
def test_any_text_is_one_line_in_either_format(call_id, message):
    for log_format in ("text", "json"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
        logs.configure("info", log_format, stream, environ={})
        with logs.about_call(call_id):
            log.info("%s", message)
        stream.flush()
        written = stream.buffer.getvalue().decode()
        assert len(written.splitlines()) == 1
        if log_format == "json":
            json.loads(written)


def test_a_stream_of_a_narrow_encoding_loses_no_line(capsys):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    logs.configure("info", "text", stream, environ={})
    log.info("café")
    stream.flush()
    assert stream.buffer.getvalue().endswith(b"caf\\xe9\n")
    assert capsys.readouterr().err == ""


def test_only_what_is_severe_enough_is_written_and_that_can_change(output):
    stream = output(level="warning")
    log.info("one")
    logs.set_level("debug")
    log.debug("two")
    logs.set_level("error")
    log.warning("three")
    assert [line.rpartition(" ")[2] for line in stream.getvalue().splitlines()] == ["two"]


def test_configuring_again_replaces_the_stream(output):
    before = output()
    after = output()
    log.info("once")
    assert before.getvalue() == ""
    assert after.getvalue().count("once") == 1


def test_standard_error_is_where_lines_go(capsys):
    logs.configure("info", environ={})
    log.info("hello")
    assert capsys.readouterr().err.endswith("hello\n")


def written_to_file(environ_for, log_format):
    with tempfile.TemporaryFile("w+") as stream:
        logs.configure("debug", log_format, stream, environ=environ_for(os.fstat(stream.fileno())))
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            log.log(level, "line")
        try:
            failing()
        except ValueError:
            log.exception("failed")
        stream.seek(0)
        return stream.read().splitlines()


def journal(status):
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_journald_gets_the_severity_of_every_line_and_no_time():
    lines = written_to_file(journal, "text")
    assert lines[:5] == [
        "<7>debug karl_trio.test: line",
        "<6>info karl_trio.test: line",
        "<4>warning karl_trio.test: line",
        "<3>error karl_trio.test: line",
        "<2>critical karl_trio.test: line",
    ]
    assert len(lines) > 6
    assert all(line.startswith("<3>    ") for line in lines[6:])


def test_journald_gets_the_severity_of_json_lines_too():
    for line in written_to_file(journal, "json"):
        assert re.match(r"<[2-7]>\{", line)
        json.loads(line[3:])


def test_output_redirected_away_from_journald_has_no_severity():
    lines = written_to_file(lambda _: {"JOURNAL_STREAM": "1:1"}, "text")
    assert not any(line.startswith("<") for line in lines)
