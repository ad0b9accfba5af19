"""`offer` and `answer`: every required and every optional parameter, seen in the SDP or in the media."""

from __future__ import annotations

import pytest

from karl_trio.sdp.description import parse

from ..calls.proxy import sdp
from .conftest import hears, lines, port_in

OFFER = {"call_id": "call", "from_tag": "a", "sdp": sdp(4000)}
ANSWER = {**OFFER, "to_tag": "b", "sdp": sdp(5000)}

ICE = (
    "ice-ufrag:abcd",
    "ice-pwd:abcdefghijklmnopqrstuv",
    "candidate:1 1 UDP 2130706431 127.0.0.1 4000 typ host",
    "end-of-candidates",
)


async def test_media_flows_both_ways_through_the_ports_in_the_sdp(page, phones):
    alice, bob = phones
    for_alice, for_bob = await page.place_call(alice, bob)
    assert await hears(bob, alice, for_alice)
    assert await hears(alice, bob, for_bob)


@pytest.mark.parametrize("missing", ["call_id", "from_tag", "sdp"])
async def test_an_offer_without_a_required_parameter_makes_no_call(page, missing):
    reply = await page.ask("offer", **{key: value for key, value in OFFER.items() if key != missing})
    assert reply == {"result": "error", "error-reason": "Invalid parameters"}
    assert len(page.served.calls) == 0


@pytest.mark.parametrize("missing", ["call_id", "from_tag", "to_tag", "sdp"])
async def test_an_answer_without_a_required_parameter_changes_nothing(page, missing):
    await page.ask("offer", **OFFER)
    reply = await page.ask("answer", **{key: value for key, value in ANSWER.items() if key != missing})
    assert reply == {"result": "error", "error-reason": "Invalid parameters"}
    assert (await page.ask("list"))["calls"][0]["state"] == "offered"


async def test_a_re_invite_with_a_to_tag_moves_the_media_of_its_sender(page, phones):
    alice, bob = phones
    for_alice, _ = await page.place_call(alice, bob)
    moved = await page.ask("offer", call_id="call", from_tag="b", to_tag="a", sdp=sdp(alice.endpoint.port))
    await page.ask("answer", call_id="call", from_tag="b", to_tag="a", sdp=sdp(bob.endpoint.port))
    # The callee now is where the caller was, and the other way round.
    assert await hears(alice, bob, port_in(moved["sdp"]))
    assert len(page.served.calls) == 1
    assert for_alice


@pytest.mark.parametrize(
    "flags", [["generate-mid", "loop-protect"], "generate-mid,loop-protect", "generate_mid loop_protect"]
)
async def test_flags_are_obeyed_as_a_list_or_a_string(page, flags):
    reply = await page.ask("offer", **OFFER, flags=flags)
    assert "a=mid:1" in lines(reply["sdp"])
    assert any(line.startswith("a=rtpengine:") for line in lines(reply["sdp"]))


async def test_what_is_to_be_replaced_is_a_list(page):
    (kept,) = [line for line in lines((await page.ask("offer", **OFFER))["sdp"]) if line[0] == "o"]
    assert kept == "o=alice 4711 1 IN IP4 127.0.0.1"
    far = sdp(4000, address="192.0.2.77")
    for flag in ({"replace": ["origin", "session-connection"]}, {"flags": ["replace-origin"]}):
        reply = await page.ask("offer", **{**OFFER, "call_id": str(flag), "sdp": far}, **flag)
        assert "o=alice 4711 1 IN IP4 127.0.0.1" in lines(reply["sdp"])


async def test_the_connection_of_the_session_is_ours_whether_asked_for_or_not(page):
    for number, keys in enumerate(({}, {"replace": ["session-connection"]}, {"flags": "replace-origin"})):
        offer = {**OFFER, "call_id": str(number), "sdp": sdp(4000, address="192.0.2.77")}
        reply = await page.ask("offer", **offer, **keys)
        assert parse(reply["sdp"]).media[0].address == "127.0.0.1"
        assert "c=IN IP4 192.0.2.77" not in lines(reply["sdp"])


async def test_direction_names_the_network_of_each_side_and_media_crosses_between_them(page, phones):
    alice, bob = phones
    offered = await page.ask(
        "offer", call_id="call", from_tag="a", sdp=sdp(alice.endpoint.port), direction=["inside", "outside"]
    )
    answered = await page.ask("answer", call_id="call", from_tag="a", to_tag="b", sdp=sdp(bob.endpoint.port))
    assert parse(offered["sdp"]).media[0].address == "127.0.0.2"
    assert parse(answered["sdp"]).media[0].address == "127.0.0.1"
    assert await hears(bob, alice, port_in(answered["sdp"]))


async def test_media_address_is_what_the_other_side_is_told(page):
    reply = await page.ask("offer", **OFFER, media_address="203.0.113.99")
    assert parse(reply["sdp"]).media[0].address == "203.0.113.99"
    refused = await page.ask("offer", **OFFER, media_address="example.com")
    assert refused["error-reason"] == "Invalid parameters"


@pytest.mark.parametrize("way", [{"ICE": "remove"}, {"flags": ["ICE=remove"]}])
async def test_ice_is_removed_and_media_flows_without_it(page, phones, way):
    alice, bob = phones
    offered = await page.ask(
        "offer", call_id="call", from_tag="a", sdp=sdp(alice.endpoint.port, attributes=ICE), **way
    )
    assert not {f"a={attribute}" for attribute in ICE} & {*lines(offered["sdp"])}
    answered = await page.ask("answer", call_id="call", from_tag="a", to_tag="b", sdp=sdp(bob.endpoint.port))
    assert await hears(bob, alice, port_in(answered["sdp"]))


@pytest.mark.parametrize(
    ("way", "missing"),
    [
        ({"ICE": "force"}, "ICE=force: ICE is not there yet"),
        ({"flags": ["ICE=force-relay"]}, "ICE=force-relay: ICE is not there yet"),
        ({"transport_protocol": "RTP/SAVP"}, "SRTP is not there yet"),
        ({"flags": ["RTP/SAVPF"]}, "SRTP is not there yet"),
        ({"transport_protocol": "UDP/TLS/RTP/SAVP"}, "SRTP is not there yet"),
        ({"flags": ["UDP/TLS/RTP/SAVPF"]}, "SRTP is not there yet"),
        ({"flags": ["transcode-opus"]}, "transcoding is not there yet"),
    ],
)
async def test_what_waits_for_encryption_ice_or_transcoding_is_refused_and_makes_no_call(page, way, missing):
    reply = await page.ask("offer", **OFFER, **way)
    assert (reply["result"], reply["error-reason"]) == ("error", "Not supported")
    assert missing in reply["warning"]
    assert len(page.served.calls) == 0


SECURE = sdp(4000).replace("RTP/AVP", "{}")
KEYS = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\n"


@pytest.mark.parametrize(
    ("protocol", "security", "way", "missing"),
    [
        ("UDP/TLS/RTP/SAVP", FINGERPRINT, {"DTLS": "passive"}, "DTLS-SRTP is passed through only"),
        ("UDP/TLS/RTP/SAVPF", FINGERPRINT, {"flags": ["DTLS=active"]}, "DTLS-SRTP is passed through only"),
        ("UDP/TLS/RTP/SAVP", FINGERPRINT, {"DTLS": "off"}, "DTLS-SRTP is passed through only"),
        ("RTP/SAVP", KEYS, {"flags": ["SDES-off"]}, "SDES is passed through only"),
        ("RTP/SAVP", KEYS, {"SDES": ["unencrypted_srtp"]}, "SDES is passed through only"),
        ("RTP/SAVP", KEYS, {"flags": ["SDES-unencrypted_srtcp"]}, "SDES is passed through only"),
        ("RTP/SAVP", KEYS, {"transport_protocol": "RTP/AVP"}, "SRTP is not there yet"),
        ("RTP/SAVP", KEYS, {"transport_protocol": "UDP/TLS/RTP/SAVP"}, "SRTP is not there yet"),
    ],
)
async def test_encryption_is_not_changed_behind_the_back_of_who_asks_for_it(
    page, protocol, security, way, missing
):
    reply = await page.ask("offer", **{**OFFER, "sdp": SECURE.format(protocol) + security}, **way)
    assert (reply["result"], reply["error-reason"]) == ("error", "Not supported")
    assert missing in reply["warning"]


@pytest.mark.parametrize(
    ("protocol", "security", "way"),
    [
        ("RTP/SAVP", KEYS, {"SDES": ["on"]}),
        ("RTP/SAVP", KEYS, {"DTLS": "off"}),
        ("RTP/SAVPF", KEYS, {"flags": ["SDES-on"]}),
        ("UDP/TLS/RTP/SAVP", FINGERPRINT, {"SDES": ["off"]}),
        ("UDP/TLS/RTP/SAVPF", FINGERPRINT, {"flags": ["SDES-off"]}),
    ],
)
async def test_encryption_between_the_ends_passes_with_its_keys(page, protocol, security, way):
    reply = await page.ask("offer", **{**OFFER, "sdp": SECURE.format(protocol) + security}, **way)
    assert f" {protocol} " in reply["sdp"]
    assert set(lines(security)) <= set(lines(reply["sdp"]))


@pytest.mark.parametrize("way", [{"DTLS": "off"}, {"DTLS": "passive"}, {"flags": ["SDES-off", "DTLS=off"]}])
async def test_plain_media_has_nothing_to_encrypt(page, way):
    reply = await page.ask("offer", **OFFER, **way)
    assert "warning" not in reply
    assert "RTP/AVP" in reply["sdp"]
    assert "a=fingerprint" not in reply["sdp"]
    assert "a=crypto" not in reply["sdp"]


@pytest.mark.parametrize(
    ("way", "protocol"),
    [
        ({"transport_protocol": "RTP/AVP"}, "RTP/AVP"),
        ({"transport_protocol": "RTP/AVPF"}, "RTP/AVPF"),
        ({"flags": ["RTP/AVPF"]}, "RTP/AVPF"),
        ({"rtpp_flags": "RTP AVPF"}, "RTP/AVPF"),
    ],
)
async def test_the_transport_protocol_is_the_one_asked_for_and_the_answer_speaks_the_callers(
    page, phones, way, protocol
):
    alice, bob = phones
    offer = {"call_id": "call", "from_tag": "a", "sdp": sdp(alice.endpoint.port)}
    offered = await page.ask("offer", **offer, **way)
    assert f" {protocol} 0 8" in offered["sdp"]
    answer = sdp(bob.endpoint.port).replace("RTP/AVP", protocol)
    answered = await page.ask("answer", call_id="call", from_tag="a", to_tag="b", sdp=answer)
    assert " RTP/AVP 0 8" in answered["sdp"]
    assert await hears(bob, alice, port_in(answered["sdp"]))


async def test_record_call_goes_on_without_a_recording_and_says_so(page):
    reply = await page.ask("offer", **OFFER, flags=["record-call"])
    assert reply["warning"] == "recording is not there yet"
    assert "m=audio" in reply["sdp"]
