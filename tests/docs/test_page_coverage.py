"""docs/page-coverage.md has a row for everything that the protocol's page promises, with tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "page-coverage.md"

SDP_KEYS = ("flags", "replace", "direction", "ICE", "DTLS", "SDES", "transport-protocol", "media-address")

PARAMETERS = {
    "ping": (),
    "offer": ("call-id", "from-tag", "sdp", "to-tag", *SDP_KEYS),
    "answer": ("call-id", "from-tag", "to-tag", "sdp", *SDP_KEYS),
    "delete": ("call-id", "from-tag", "to-tag", "flags"),
    "query": ("call-id",),
    "list": ("limit",),
    "start recording": ("call-id", "from-tag", "to-tag"),
    "stop recording": ("call-id",),
    "block media": ("call-id", "from-tag"),
    "unblock media": ("call-id", "from-tag"),
    "play DTMF": ("call-id", "dtmf", "from-tag", "duration", "pause"),
    "statistics": (),
}
"""The commands of the page, and what each may say."""

REPLIES = {
    "query": ("result", "totals", "tags", "created", "last-signal"),
    "list": ("calls", "call-id", "from-tag", "to-tag", "state"),
    "statistics": ("currentstatistics", "totalstatistics", "sessions", "uptime"),
}

FLAGS = (
    *("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"),
    *("replace-origin", "replace-session-connection", "trust-address", "SIP-source-address"),
    *("symmetric", "asymmetric", "ICE=remove", "ICE=force", "ICE=force-relay"),
    *("DTLS=off", "DTLS=passive", "DTLS=active"),
    *("SDES-off", "SDES-on", "SDES-unencrypted_srtp", "SDES-unencrypted_srtcp"),
    *("codec-strip-all", "codec-offer-XXXX", "codec-mask-XXXX", "transcode-XXXX", "record-call"),
    *("media-timeout=N", "receive-only", "send-only"),
)

ERRORS = (
    *("Unknown call-id", "Invalid SDP", "Port allocation failed", "Codec negotiation failed"),
    *("Session limit reached", "Invalid parameters", "Parse error: ...", "Invalid session state"),
)

ITEMS = {
    "UDP, port 22222 by default",
    "one reply for each request",
    "cookie, space, dictionary",
    *(f"encoding: {kind}" for kind in ("string", "integer", "list", "dictionary")),
    "reply: `result` is `ok`",
    "reply: `result` is `error`, with `error-reason`",
    "a ping by hand, with netcat",
    "`ping`: request and reply",
    *(f"`{command}`: `command`" for command in PARAMETERS if command != "ping"),
    *(f"`{command}`: `{key}`" for command, keys in PARAMETERS.items() for key in keys),
    *(
        f"`{command}`: `direction`, `{way}`"
        for command in ("block media", "unblock media")
        for way in ("from-tag", "to-tag", "both")
    ),
    *(f"`{command}`: reply" for command in ("offer", "answer", "delete", "start recording")),
    *(f"`{command}`: reply `{key}`" for command, keys in REPLIES.items() for key in keys),
    *(f"`query`: reply `totals`, `packets-{way}`" for way in ("sent", "received")),
    *(f"flag `{flag}`" for flag in FLAGS),
    *(f"error `{error}`" for error in ERRORS),
    "no reply: the client asks again",
    "no reply: the client counts the node as failed",
    "no reply: the client goes on to the next node",
}
"""Everything on the page, in the words of our table."""

ROWS = re.findall(r"^\| (?!item |-)(.+?) \| (.+?) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)


def test_every_item_has_its_row_and_every_row_its_item():
    items = [item for item, _, _ in ROWS]
    assert len(items) == len(set(items))
    assert set(items) == ITEMS


def test_every_row_says_that_it_works_or_what_it_waits_for():
    assert [item for item, state, _ in ROWS if not re.fullmatch(r"works\b.*|open: .+", state)] == []


def functions(path):
    """Return the names of the functions in a file."""
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_test_that_is_named_is_there():
    named = [(item, re.findall(r"\[`(\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", tests)) for item, _, tests in ROWS]
    assert [item for item, tests in named if not tests] == []
    there = {path: functions(ROOT / path) for path in {path for _, tests in named for _, path in tests}}
    assert [(item, name) for item, tests in named for name, path in tests if name not in there[path]] == []
