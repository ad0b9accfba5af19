import json
from functools import partial

import pytest

from karl_trio.cli import demo as command
from karl_trio.client import NgClient


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch):
    monkeypatch.setattr(command, "GRACE", 0.2)


def test_calls_through_a_server_of_its_own_come_through_whole(karl_trio):
    status, out, err = karl_trio("demo", "--calls", "2", "--seconds", "0.6", "--json")
    assert (status, err) == (0, "")
    calls = json.loads(out)["calls"]
    assert len(calls) == 2
    for direction in (direction for call in calls for direction in call["directions"]):
        assert [direction[key] for key in ("sent", "relayed", "received", "lost", "wrong")] == [
            30,
            30,
            30,
            0,
            0,
        ]
        assert (direction["reports_sent"], direction["reports_received"]) == (1, 1)


def test_what_a_newcomer_sees(karl_trio):
    status, out, _ = karl_trio("demo", "--calls", "1", "--seconds", "0.2")
    lines = out.splitlines()
    assert status == 0
    assert [line.rstrip().endswith("ok") for line in lines[1:3]] == [True, True]
    assert lines[-1] == "1 of 1 calls came through; 20 RTP packets were heard as they were sent"


def test_lost_media_is_a_failure(karl_trio, node, closed_address):
    address, _, port = closed_address.partition(":")
    sdp = f"v=0\r\nc=IN IP4 {address}\r\nm=audio {port} RTP/AVP 0\r\n"
    node.replies |= {"offer": {"result": "ok", "sdp": sdp}, "answer": {"result": "ok", "sdp": sdp}}
    status, out, _ = karl_trio("demo", "--calls", "1", "--seconds", "0.1", "--node", node.name)
    assert status == 1
    assert out.count("NOT OK") == 2
    assert node.requests[-1]["command"] == "delete"


def test_an_error_reply_is_told(karl_trio, node):
    node.replies["offer"] = {"result": "load limit", "message": "Parallel session limit reached"}
    status, _, err = karl_trio("demo", "--calls", "1", "--seconds", "0.1", "--node", node.name)
    assert status == 1
    assert "Parallel session limit reached" in err


@pytest.mark.parametrize(
    "arguments",
    [("--calls", "0"), ("--calls", "51"), ("--seconds", "0"), ("--seconds", "inf"), ("--node", "x:y:z")],
)
def test_what_the_demo_cannot_do_is_refused(karl_trio, arguments):
    assert karl_trio("demo", *arguments)[0] == 2


def test_nobody_to_place_calls_through(karl_trio, node, monkeypatch):
    monkeypatch.setattr(command, "NgClient", partial(NgClient, attempts=1, wait=0.05))
    assert karl_trio("demo", "--node", "nobody.invalid")[0] == 3
    node.replies["offer"] = None
    assert karl_trio("demo", "--calls", "1", "--node", node.name)[0] == 3
