import io
import json
import sys

import pytest

CALLS = {
    "result": "ok",
    "calls": [
        {"call-id": "one\x1b", "from-tag": "a", "to-tag": "b", "state": "active", "created": 1_700_000_000}
    ],
}


def test_ping(karl_trio, node):
    status, out, err = karl_trio("ping", "--node", node.name)
    assert (status, err) == (0, "")
    assert out.startswith(f"{node.name}: pong in ")


def test_ping_asks_every_node_and_wants_all_of_them(karl_trio, node, closed_address):
    status, out, _ = karl_trio(
        "ping", "--node", node.name, "--node", closed_address, "--wait", "0.05", "--attempts", "1", "--json"
    )
    assert status == 3
    first, second = json.loads(out)["nodes"]
    assert (first["node"], first["result"]) == (node.name, "pong")
    assert first["milliseconds"] > 0
    assert second == {"node": closed_address, "result": "Connection refused", "status": 3}


def test_a_ping_that_is_refused(karl_trio, node):
    node.replies["ping"] = {"result": "error", "error-reason": "not you"}
    assert karl_trio("ping", "--node", node.name) == (1, "", f"karl-trio: {node.name}: not you\n")


def test_a_silent_node_has_its_own_exit_status(karl_trio, node):
    node.replies["list"] = None
    status, out, err = karl_trio("list", "--node", node.name, "--wait", "0.05", "--attempts", "2")
    assert (status, out, err) == (3, "", f"karl-trio: {node.name}: no answer\n")
    assert len(node.requests) == 2


def test_the_next_node_is_asked_when_one_is_silent(karl_trio, node, closed_address):
    node.replies["list"] = CALLS
    status, out, _ = karl_trio(
        "list", "--node", f"{closed_address},{node.name}", "--wait", "0.05", "--attempts", "1", "--json"
    )
    assert (status, json.loads(out)) == (0, CALLS)


def test_the_environment_names_the_nodes(karl_trio, node, monkeypatch):
    monkeypatch.setenv("KARL_TRIO_NODE", node.name)
    assert karl_trio("ping")[0] == 0


def test_an_error_reply(karl_trio, node):
    node.replies["query"] = {"result": "error", "error-reason": "Unknown call-id\x1b"}
    assert karl_trio("query", "nobody", "--node", node.name) == (1, "", "karl-trio: Unknown call-id\\x1b\n")
    status, out, err = karl_trio("query", "nobody", "--node", node.name, "--json")
    assert (status, json.loads(out), err) == (1, node.replies["query"], "karl-trio: Unknown call-id\\x1b\n")


def test_list(karl_trio, node):
    node.replies["list"] = CALLS
    status, out, _ = karl_trio("list", "--limit", "5", "--node", node.name)
    assert status == 0
    assert node.requests == [{"command": "list", "limit": 5}]
    header, line = out.splitlines()
    assert header.split() == ["call-id", "from-tag", "to-tag", "state", "created"]
    assert line.split()[:4] == ["one\\x1b", "a", "b", "active"]


def test_an_empty_list(karl_trio, node):
    node.replies["list"] = {"result": "ok", "calls": []}
    assert karl_trio("list", "--node", node.name) == (0, "no calls\n", "")


def test_a_list_that_may_go_on_says_so(karl_trio, node):
    node.replies["list"] = {"result": "ok", "calls": ["one", "two"]}
    status, out, err = karl_trio("list", "--limit", "2", "--node", node.name)
    assert (status, len(out.splitlines())) == (0, 3)
    assert err == "karl-trio: there may be more than these 2; see --limit\n"


def test_what_a_node_left_out_is_told(karl_trio, node):
    node.replies["query"] = {"result": "ok", "truncated": "statistics", "tags": {}}
    status, _, err = karl_trio("query", "call", "--node", node.name)
    assert (status, err) == (
        0,
        "karl-trio: the node left out statistics, for its reply to fit into one packet\n",
    )


def test_query(karl_trio, node):
    node.replies["query"] = {"result": "ok", "created": 0, "totals": {"RTP": {"packets": 5}}, "tags": {}}
    status, out, _ = karl_trio("query", "call", "--from-tag", "a", "--node", node.name)
    assert status == 0
    assert "5 packets" in out
    assert node.requests == [{"command": "query", "call-id": "call", "from-tag": "a"}]


def test_delete(karl_trio, node):
    node.replies["delete"] = {"result": "ok", "warning": "no such\tleg"}
    arguments = (
        "delete",
        "call",
        "--from-tag",
        "a",
        "--to-tag",
        "b",
        "--delete-delay",
        "0",
        "--node",
        node.name,
    )
    assert karl_trio(*arguments) == (0, "ok\n", "karl-trio: warning: no such\\tleg\n")
    assert node.requests == [
        {"command": "delete", "call-id": "call", "from-tag": "a", "to-tag": "b", "delete-delay": 0}
    ]


def test_a_call_id_may_begin_with_a_hyphen(karl_trio, node):
    assert karl_trio("delete", "--node", node.name, "--", "-1@host")[0] == 0
    assert node.requests == [{"command": "delete", "call-id": "-1@host"}]


def test_statistics_shows_each_figure_once(karl_trio, node):
    current = {"sessionsown": 3}
    node.replies["statistics"] = {
        "result": "ok",
        "sessions": 3,
        "currentstatistics": current,
        "statistics": {
            "currentstatistics": current,
            "interfaces": [{"name": "default", "ports": {"used": 12}}],
        },
    }
    status, out, _ = karl_trio("statistics", "--node", node.name)
    assert status == 0
    assert out.count("sessionsown: 3") == 1
    assert "used: 12" in out
    status, out, _ = karl_trio("statistics", "--node", node.name, "--json")
    assert json.loads(out) == node.replies["statistics"]


def test_any_request(karl_trio, node, tmp_path, monkeypatch):
    (tmp_path / "offer.sdp").write_bytes(b"v=0\r\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"note")))
    node.replies["play DTMF"] = {"result": "ok", "sdp": "v=0\r\ns=-\r\n"}
    pairs = ("call-id=c", f"sdp=@{tmp_path}/offer.sdp", "metadata=@-", "flags=a,b", "n:=1")
    status, out, _ = karl_trio("ng", "play DTMF", *pairs, "--node", node.name)
    assert (status, out.splitlines()) == (0, ["result: ok", "sdp:", "  v=0", "  s=-"])
    assert node.requests == [
        {
            "command": "play DTMF",
            "call-id": "c",
            "sdp": "v=0\r\n",
            "metadata": "note",
            "flags": ["a", "b"],
            "n": 1,
        }
    ]


def test_a_dry_run_is_asked_for_in_the_request(karl_trio, node):
    karl_trio("ng", "offer", "--dry-run", "call-id=c", "--node", node.name)
    assert node.requests == [{"command": "offer", "call-id": "c", "dry-run": "yes"}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ng", "offer", "word"),
        ("ng", "offer", "sdp=@/nonexistent/file"),
        ("ng",),
        ("query",),
        ("list", "--limit", "many"),
        ("list", "--node", "1:2:3"),
        ("ping", "--node", "host:port"),
        ("ping", "--attempts", "0"),
        ("ping", "--bogus"),
        ("lst",),
    ],
)
def test_a_mistake_in_usage_is_one_line_and_exit_status_2(karl_trio, arguments):
    status, out, err = karl_trio(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("karl-trio: ")
    assert err.count("\n") == 1


def test_a_name_that_cannot_be_resolved_is_no_answer(karl_trio):
    status, out, err = karl_trio("list", "--node", "nobody.invalid:2223")
    assert (status, out) == (3, "")
    assert err.startswith("karl-trio: nobody.invalid:2223: ")
