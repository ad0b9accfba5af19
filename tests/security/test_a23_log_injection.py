"""A23: text from the network that would move a terminal's cursor, or pass for a line of the log."""

import io
import json
import logging

import pytest

from karl_trio import logs
from karl_trio.client import RequestFailed

from .hosts import sdp

EVIL = (
    "call\x1b[2J\x1b]0;owned\x07\r\n2026-01-01T00:00:00.000Z error karl_trio: forged\u2028\u202e\x9b31m\udcff"
)
OFFER = sdp("127.0.1.1", 4000)


@pytest.fixture
def logged():
    """Log as the daemon does, in the given format, into memory."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def begin(log_format):
        stream = io.StringIO()
        logs.configure("debug", log_format, stream, environ={})
        return stream

    yield begin
    root.setLevel(level)
    root.handlers[:] = handlers


async def provoke(client):
    """Get the evil text into every kind of line there is."""
    await client.offer(EVIL, EVIL, OFFER, via_branch=EVIL, label=EVIL, flags=[EVIL], metadata=EVIL)
    await client.answer(EVIL, EVIL, EVIL + "b", OFFER)
    await client.delete(EVIL)
    for body in (
        {"command": EVIL, "call-id": EVIL},
        {"command": "query", "call-id": EVIL},
        {"command": "offer", "call-id": EVIL, "from-tag": EVIL, "sdp": EVIL},
        {"command": "offer", "call-id": EVIL, "from-tag": EVIL, "sdp": OFFER.replace("IN IP4", EVIL)},
    ):
        with pytest.raises(RequestFailed):
            await client.request(body)


async def test_a_text_log_has_one_harmless_line_for_each_event(autojump_clock, daemon, client, logged):
    stream = logged("text")
    await provoke(client)
    text = stream.getvalue()
    assert "\\x1b[2J" in text
    assert text.isascii()
    assert all(character == "\n" or character.isprintable() for character in text)
    lines = text.splitlines()
    assert all(" karl_trio." in line and "T" in line.split("Z")[0] for line in lines)
    assert not [line for line in lines if line.startswith("2026-01-01T00:00:00.000Z")]
    (begun,) = [line for line in lines if line.endswith("call begun: 1 media")]
    assert begun.count("forged") == 1


async def test_a_json_log_has_one_object_for_each_event(autojump_clock, daemon, client, logged):
    stream = logged("json")
    await provoke(client)
    text = stream.getvalue()
    assert text.isascii()
    assert "\x1b" not in text
    entries = [json.loads(line) for line in text.splitlines()]
    assert {"call begun: 1 media", "call ended: regular"} <= {entry["message"] for entry in entries}
