"""Replies that do not fit into a datagram lose what is dispensable, and say so."""

from __future__ import annotations

import copy

import pytest

from karl_trio.ng.framing import Format, encode
from karl_trio.ng.replies import UDP_LIMIT, shed
from tests.samples.captures import exchanges


def query_reply(legs: int, streams: int = 2) -> dict[str, object]:
    stream = {
        "local port": 30000,
        "local address": "192.0.2.1",
        "endpoint": {"family": "IPv4", "address": "192.0.2.2", "port": 40000},
        "advertised endpoint": {"family": "IPv4", "address": "192.0.2.2", "port": 40000},
        "flags": ["RTP", "filled"],
        "stats": {"packets": 1, "bytes": 172, "errors": 0},
        "stats_out": {"packets": 1, "bytes": 172, "errors": 0},
    }
    media = {"index": 1, "streams": [stream] * streams, "ingress SSRCs": [{"SSRC": 5, "jitter": 1}]}
    return {
        "result": "ok",
        "created": 1,
        "SSRC": {"5": {"packets": 1}},
        "tags": {f"stats{number}": {"tag": f"stats{number}", "medias": [media]} for number in range(legs)},
        "totals": {"RTP": {"packets": 2, "bytes": 344, "errors": 0}},
    }


def size(reply: object, form: Format = Format.BENCODE) -> int:
    return len(encode(reply, form))  # type: ignore[arg-type]


def list_reply(count: int) -> dict[str, object]:
    names = [f"call-{number}" for number in range(count)]
    return {"result": "ok", "calls": [{"call-id": name} for name in names], "call-ids": names}


def test_a_reply_that_fits_stays_as_it_is():
    reply = query_reply(1)
    assert shed(reply, size(reply)) is reply


@pytest.mark.parametrize("form", Format)
def test_statistics_of_streams_go_first(form):
    reply = query_reply(2)
    smaller = shed(reply, size(reply, form) - 1, form)
    assert smaller["truncated"] == "statistics"
    assert smaller["totals"] == reply["totals"]
    assert "SSRC" not in smaller
    for tree in smaller["tags"].values():  # type: ignore[attr-defined]
        (media,) = tree["medias"]
        assert "ingress SSRCs" not in media
        for stream in media["streams"]:
            assert stream["endpoint"]["port"] == 40000
            assert not {"stats", "stats_out"} & stream.keys()


@pytest.mark.parametrize(
    ("legs", "word"), [(2, "statistics"), (4, "details"), (12, "streams"), (40, "medias")]
)
def test_more_goes_only_while_the_rest_is_too_long(legs, word):
    reply = query_reply(legs)
    smaller = shed(reply, UDP_LIMIT)
    assert smaller["truncated"] == word
    assert size(smaller) <= UDP_LIMIT
    assert smaller["totals"] == reply["totals"]
    assert len(smaller["tags"]) == legs  # type: ignore[arg-type]


def test_what_is_too_long_even_so_is_as_short_as_it_can_be():
    smaller = shed(query_reply(500), UDP_LIMIT)
    assert smaller["truncated"] == "medias"
    assert len(smaller["tags"]) == 500  # type: ignore[arg-type]


def test_a_leg_may_be_named_like_a_key():
    tags = {"stats": {"medias": [{"streams": [{"family": "IPv4"}] * 200}]}, "streams": {"medias": []}}
    smaller = shed({"tags": tags}, 200)
    assert smaller == {"tags": {"stats": {"medias": [{}]}, "streams": {"medias": []}}, "truncated": "streams"}


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("limit", [100, 500, UDP_LIMIT])
def test_lists_of_calls_are_cut_as_late_as_possible(form, limit):
    smaller = shed(list_reply(1000), limit, form)
    assert smaller["truncated"] == "calls"
    assert size(smaller, form) <= limit
    kept = len(smaller["call-ids"])  # type: ignore[arg-type]
    assert len(smaller["calls"]) == kept  # type: ignore[arg-type]
    assert size({**list_reply(kept + 1), "truncated": "calls"}, form) > limit


def test_an_sdp_is_never_dispensable():
    reply = {"result": "ok", "sdp": "a=candidate\r\n" * 1000}
    assert shed(reply, UDP_LIMIT) == reply


def test_what_is_shed_is_still_in_the_original():
    for reply in (query_reply(20), list_reply(1000)):
        before = copy.deepcopy(reply)
        shed(reply, UDP_LIMIT)
        assert reply == before


def test_the_reply_of_rtpengine_to_a_query_keeps_its_endpoints():
    (exchange,) = exchanges("query")
    assert size(exchange.reply) > UDP_LIMIT
    smaller = shed(exchange.reply, UDP_LIMIT)
    assert smaller["truncated"] == "details"
    assert size(smaller) <= UDP_LIMIT
    (media,) = smaller["tags"]["toge3dc"]["medias"]  # type: ignore[index]
    assert [stream["endpoint"] for stream in media["streams"]] == [
        {"address": "127.0.0.1", "port": 40010},
        {"address": "127.0.0.1", "port": 40011},
    ]
