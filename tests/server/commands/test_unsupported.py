"""What the documentation has and this version has not is refused in words that say what is missing."""

import pytest

from karl_trio.server.commands.unsupported import MISSING

from .test_commands import place_call


@pytest.mark.parametrize(
    ("command", "keys", "missing"),
    [
        ("start recording", {"from_tag": "f", "to_tag": "t"}, "recording is not there yet"),
        ("start-recording", {}, "recording is not there yet"),
        ("pause recording", {}, "recording is not there yet"),
        ("stop recording", {"flags": ["pause"]}, "recording is not there yet"),
        ("play media", {"from_tag": "f", "file": "hello.wav"}, "playing media is not there yet"),
        ("stop media", {"from_tag": "f"}, "playing media is not there yet"),
        ("play DTMF", {"dtmf": "12#", "duration": 250, "pause": 100}, "DTMF injection is not there yet"),
        ("play DTMF", {"code": 5, "from_tag": "f"}, "DTMF injection is not there yet"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_the_call_goes_on(client, served, command, keys, missing):
    place_call(client)
    reply = client.ask(command, call_id="c", **keys)
    assert reply == {"result": "error", "error-reason": "Not supported", "warning": missing}
    assert len(served.calls) == 1


@pytest.mark.parametrize("request_type", MISSING)
async def test_a_missing_call_id_is_told_before_anything_else(client, request_type):
    reply = client.ask(request_type.command)
    assert reply == {"result": "error", "error-reason": "Invalid parameters"}
