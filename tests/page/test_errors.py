"""Every error of the page, in its words, and that it changes nothing."""

from __future__ import annotations

import pytest

from karl_trio.config import Settings
from karl_trio.ng.framing import parse

from ..calls.proxy import sdp
from .conftest import SETTINGS, hears

OFFER = {"call_id": "call", "from_tag": "a", "sdp": sdp(4000)}


def error(reason):
    return {"result": "error", "error-reason": reason}


@pytest.mark.parametrize("command", ["answer", "query", "delete"])
async def test_a_call_that_there_is_not(page, command):
    keys = {"from_tag": "a", "to_tag": "b", "sdp": sdp(5000)} if command == "answer" else {}
    assert await page.ask(command, call_id="nobody", **keys) == error("Unknown call-id")


@pytest.mark.parametrize("body", ["hello", "", "v=0\r\n", sdp(4000).replace("m=audio", "m=audio x")])
async def test_an_sdp_that_is_none(page, body):
    assert await page.ask("offer", **{**OFFER, "sdp": body}) == error("Invalid SDP")
    assert len(page.served.calls) == 0


async def test_no_port_that_is_left(page, phones):
    for_alice, _ = await page.place_call(*phones)
    with_many_media = sdp(0, media=[("audio", 4000 + 4 * number, ()) for number in range(30)])
    refused = await page.ask("offer", call_id="large", from_tag="a", sdp=with_many_media)
    assert refused == error("Port allocation failed")
    assert len(page.served.calls) == 1
    assert await hears(phones[1], phones[0], for_alice)
    for dialect, reply in (
        ({"supports": ["load limit"]}, {"result": "load limit", "message": "Ran out of ports"}),
        ({"received_from": ["IP4", "192.0.2.1"]}, error("Ran out of ports")),
    ):
        assert await page.ask("offer", call_id="l", from_tag="a", sdp=with_many_media, **dialect) == reply


async def test_no_codec_in_common(page):
    assert await page.ask("offer", **OFFER, flags=["codec-strip-all"]) == error("Codec negotiation failed")
    assert len(page.served.calls) == 0
    await page.ask("offer", **OFFER)
    other = sdp(5000).replace("RTP/AVP 0 8", "RTP/AVP 9").replace("a=rtpmap:0 PCMU", "a=rtpmap:9 G722")
    refused = await page.ask("answer", **{**OFFER, "to_tag": "b", "sdp": other})
    assert refused == error("Codec negotiation failed")


async def test_no_session_that_is_free(page, phones):
    for_alice, _ = await page.place_call(*phones)
    page.served.daemon.follow(Settings(interface=SETTINGS.interface, max_sessions=1))
    assert await page.ask("offer", **{**OFFER, "call_id": "one too many"}) == error("Session limit reached")
    assert len(page.served.calls) == 1
    assert await hears(phones[1], phones[0], for_alice)
    full = {**OFFER, "call_id": "one too many"}
    refused = await page.ask("offer", **full, supports=["load limit"])
    assert refused == {"result": "load limit", "message": "Parallel session limit reached"}
    refused = await page.ask("offer", **full, received_from=["IP4", "192.0.2.1"])
    assert refused == error("Parallel session limit reached")


@pytest.mark.parametrize(
    "keys",
    [{"call_id": ["a", "b"]}, {"media_timeout": "soon"}, {"media_address": "example.com"}, {"from_tag": 5}],
)
async def test_parameters_that_make_no_sense(page, keys):
    assert await page.ask("offer", **{**OFFER, **keys}) == error("Invalid parameters")
    assert len(page.served.calls) == 0


async def test_an_answer_to_who_offered_nothing(page, phones):
    for_alice, _ = await page.place_call(*phones)
    stray = {"call_id": "call", "from_tag": "nobody", "to_tag": "b", "sdp": sdp(6000)}
    assert await page.ask("answer", **stray) == error("Invalid session state")
    assert await page.ask("offer", **{**OFFER, "to_tag": "a"}) == error("Invalid session state")
    assert await hears(phones[1], phones[0], for_alice)


@pytest.mark.parametrize(
    "body",
    [
        b"d7:command4:ping",
        b"7:command4:pinge",
        b"d7:command99:pinge",
        # Nothing stands between two entries, as the page has it in some of its examples.
        b"d7:command5:offer7:call-id10:call-567898:from-tag9:tag-12345 3:sdp3:v=0e",
    ],
)
async def test_a_request_that_cannot_be_decoded(page, body):
    reply = parse(await page.send(b"abc123 " + body))
    assert reply.cookie == b"abc123"
    assert reply.body["result"] == "error"
    assert reply.body["error-reason"].startswith("Parse error: ")
    assert len(page.served.calls) == 0


async def test_the_examples_of_the_page(page):
    def framed(text):
        return f"{len(text)}:{text}".encode()

    assert await page.send(b"test123 d7:command4:pinge") == b"test123 d6:result4:ponge"
    offer = b"d7:command5:offer7:call-id10:call-567898:from-tag9:tag-123453:sdp"
    offered = parse(await page.send(b"a " + offer + framed(sdp(4000)) + b"e")).body
    assert offered["result"] == "ok"
    answer = b"d7:command6:answer7:call-id10:call-567898:from-tag9:tag-123456:to-tag9:tag-678903:sdp"
    answered = parse(await page.send(b"b " + answer + framed(sdp(5000)) + b"e")).body
    assert "m=audio 357" in answered["sdp"]
    assert parse(await page.send(b"c d7:command6:delete7:call-id10:call-56789e")).body["result"] == "ok"


async def test_a_command_that_there_is_not(page):
    assert await page.ask("frobnicate") == error("Unrecognized command")
