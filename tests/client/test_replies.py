import pytest

from karl_trio.client.replies import ListedCall, is_full, is_success, listed_calls, reason, warning


def test_a_list_in_either_dialect():
    page = {
        "calls": [{"call-id": "one", "from-tag": "a", "to-tag": "b", "state": "active"}, {"call-id": "two"}]
    }
    assert listed_calls(page) == (ListedCall("one", "a", "b", "active"), ListedCall("two"))
    assert listed_calls({"calls": ["one", "two"]}) == (ListedCall("one"), ListedCall("two"))
    assert listed_calls({"calls": "odd"}) == listed_calls({}) == ()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"result": "error", "error-reason": "Unknown call-id"}, "Unknown call-id"),
        ({"result": "load limit", "message": "Load limit exceeded"}, "Load limit exceeded"),
        ({"result": "error"}, "error"),
        ({}, "a reply without a result"),
    ],
)
def test_why_a_reply_is_no_success(reply, expected):
    assert not is_success(reply)
    assert reason(reply) == expected


def test_capacity_in_all_its_words():
    assert is_full({"result": "load limit"})
    assert is_full({"result": "error", "error-reason": "Session limit reached"})
    assert not is_full({"result": "error", "error-reason": "Invalid SDP"})
    assert not is_full({"result": "ok"})


def test_warnings():
    assert warning({"result": "ok"}) is None
    assert warning({"warning": "one"}) == "one"
    assert warning({"warning": ["one", "two"]}) == "one\ntwo"
