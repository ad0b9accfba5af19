"""Requests about single legs, as proxies write them."""

import pytest

from karl_trio.errors import InvalidParameters
from karl_trio.ng.leg_requests import CreateRequest, MeshRequest, SubscribeRequest, TransformRequest
from karl_trio.ng.requests import structure

DIALOGUE = {"call-id": "c", "from-tag": "a", "to-tag": "b"}


def subscribe(**keys):
    request = structure({"command": "subscribe request", **DIALOGUE, **keys})
    assert isinstance(request, SubscribeRequest)
    return request


def test_a_listener_is_named_in_the_flags_where_there_is_a_string_of_them():
    assert subscribe().to_tag == "b"
    assert subscribe(**{"rtpp-flags": "SIPREC"}).to_tag is None
    assert subscribe(**{"to-tag": "b", "rtpp-flags": "to-tag=recorder"}).to_tag == "recorder"
    assert structure({"command": "unsubscribe", **DIALOGUE, "rtpp-flags": "directional"}).to_tag == "b"


def test_whom_to_listen_to():
    assert subscribe().sources.from_tag == "a"
    assert subscribe(flags=["from-tags-x", "from-tags-y"]).sources.from_tags == ("x", "y")
    assert subscribe(flags=["all"]).sources.all == "all"
    assert subscribe(label="caller").sources.label == "caller"


def test_keys_within_dictionaries_have_one_spelling_too():
    media = [{"type": "audio", "codec": [{"input": {"payload type": 0, "Clock_Rate": 8000}}]}]
    request = structure({"command": "transform", "media": media})
    assert isinstance(request, TransformRequest)
    assert request.media[0]["codec"] == [{"input": {"payload-type": 0, "clock-rate": 8000}}]
    (only,) = structure({"command": "create", "medias": {"type": "audio"}}).medias
    assert only == {"type": "audio"}


def test_calls_to_mesh_are_a_list_or_a_string_with_commas():
    for calls in (["a", "b"], "a, b"):
        request = structure({"command": "mesh", "calls": calls})
        assert isinstance(request, MeshRequest)
        assert request.calls == ("a", "b")


def test_what_is_missing_is_made_up_later_or_refused():
    assert structure({"command": "create"}) == CreateRequest()
    for body in (
        {"command": "subscribe answer", "call-id": "c", "to-tag": "b"},
        {"command": "subscribe request", "from-tag": "a"},
        {"command": "connect", "call-id": "c", "from-tag": "a"},
        {"command": "inject start", "call-id": "c", "to-tag": "b"},
        {"command": "mesh"},
        {"command": "transform"},
        {"command": "transform", "media": ["audio"]},
    ):
        with pytest.raises(InvalidParameters):
            structure(body)
