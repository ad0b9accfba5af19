"""`create` and `create answer`: an offer of ours, and what its answer brings about."""

import re

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.call import MAX_LEGS
from karl_trio.endpoint import Endpoint
from karl_trio.errors import (
    CodecNegotiationFailed,
    InvalidParameters,
    InvalidSdp,
    InvalidSessionState,
    NotSupported,
    UnknownCall,
)
from karl_trio.sdp.description import parse

from .proxy import ports, sdp
from .test_publish import lines_of


async def test_the_usual_offer_is_one_audio_with_g711(proxy):
    reply = proxy.create()
    assert lines_of(reply.sdp) == [
        "v=0",
        "o=- ID 1 IN IP4 127.0.0.1",
        "s=karl-trio",
        "t=0 0",
        "m=audio PORT RTP/AVP 0 8",
        "c=IN IP4 127.0.0.1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=sendrecv",
        "a=rtcp:PORT1",
    ]


async def test_media_and_codecs_as_asked_for(proxy):
    reply = proxy.create(
        medias=[
            {"type": "audio", "codecs": ["opus", "G722", "iLBC/8000////mode=30", "telephone-event"]},
            {"type": "video", "codecs": ["VP8"]},
        ],
        transport_protocol="RTP/AVPF",
        rtcp_mux=["require"],
    )
    assert lines_of(reply.sdp)[4:] == [
        "m=audio PORT RTP/AVPF 96 9 97 98",
        "c=IN IP4 127.0.0.1",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:97 iLBC/8000",
        "a=fmtp:97 mode=30",
        "a=rtpmap:98 telephone-event/8000",
        "a=sendrecv",
        "a=rtcp:PORT",
        "a=rtcp-mux",
        "m=video PORT1 RTP/AVPF 96",
        "c=IN IP4 127.0.0.1",
        "a=rtpmap:96 VP8/90000",
        "a=sendrecv",
        "a=rtcp:PORT1",
        "a=rtcp-mux",
    ]


async def test_codecs_of_the_only_media_by_codec_offer(proxy):
    reply = proxy.create(codec={"offer": ["PCMA", "opus/16000/1"]})
    assert parse(reply.sdp).media[0].formats == ("8", "96")
    assert "a=rtpmap:96 opus/16000\r\n" in reply.sdp
    assert reply.warnings == ()


@pytest.mark.parametrize(
    "keys",
    [
        {"medias": [{"type": "audio", "codecs": ["what-is-this"]}]},
        {"medias": [{"type": "audio", "codecs": ["PCMU\r\na=evil/8000"]}]},
        {"medias": [{"type": "audio", "codecs": ["x/8000////a\r\nb"]}]},
        {"medias": [{"type": "au dio", "codecs": ["PCMU"]}]},
        {"medias": [{"type": "video"}]},
        {"medias": [{"codecs": [["PCMU"]]}]},
        {"medias": ["audio"]},
        {"medias": [{"codecs": [f"x{number}/8000" for number in range(100)]}]},
        {"medias": [{}] * 65},
        {"address_family": "IP6"},
    ],
)
async def test_what_makes_no_sense_is_refused(proxy, interfaces, keys):
    with pytest.raises(InvalidParameters):
        proxy.create(**keys)
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)


async def test_encryption_and_ice_are_refused_as_long_as_they_are_not_there(proxy):
    for keys in ({"transport_protocol": "RTP/SAVP"}, {"ICE": "force"}):
        with pytest.raises(NotSupported):
            proxy.create(**keys)
    assert len(proxy.calls) == 0


async def test_names_are_made_up_if_there_are_none(proxy):
    reply = proxy.create(call_id=None, from_tag=None)
    assert re.fullmatch("[0-9a-f]{64}", reply.call_id)
    proxy.create_answer(sdp(5000), call_id=reply.call_id, from_tag=reply.from_tag)
    assert proxy.call(reply.call_id).is_answered


async def test_the_answer_says_where_media_goes(proxy):
    (port,) = ports(parse(proxy.create().sdp))
    assert not proxy.call().is_answered
    proxy.create_answer(sdp(5000))
    (rtp_stream, rtcp_stream) = proxy.call().streams
    assert rtp_stream.port.endpoint.port == port
    assert rtp_stream.latch.destination == Endpoint("127.0.0.1", 5000)
    assert rtcp_stream.latch.destination == Endpoint("127.0.0.1", 5001)
    assert proxy.call().is_answered


async def test_the_rtcp_port_goes_back_once_sharing_is_settled(proxy, interfaces):
    proxy.create(rtcp_mux=["offer"])
    proxy.create_answer(sdp(5000, attributes=["rtcp-mux"]))
    await wait_all_tasks_blocked()
    (stream,) = proxy.call().streams
    assert stream.is_muxed
    again = proxy.create(rtcp_mux=["offer"])
    assert parse(again.sdp).media[0].rtcp_endpoint == parse(again.sdp).media[0].endpoint


async def test_sharing_that_was_not_offered_is_not_taken(proxy):
    proxy.create()
    proxy.create_answer(sdp(5000, attributes=["rtcp-mux"]))
    assert len(list(proxy.call().streams)) == 2


async def test_a_rejected_media_returns_its_ports(proxy, interfaces):
    proxy.create(medias=[{"codecs": ["PCMU"]}, {"codecs": ["PCMU"]}])
    assert interfaces.pools[0].in_use == 4
    proxy.create_answer(sdp(0, media=[("audio", 5000, ()), ("audio", 0, ())]))
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 2


async def test_an_answer_that_does_not_fit_is_refused_and_may_come_again(proxy):
    proxy.create()
    for body, error in (
        (sdp(0, media=[("audio", 5000, ()), ("audio", 5002, ())]), InvalidSdp),
        (sdp(5000, kind="video"), InvalidSdp),
        (sdp(5000, address="224.1.1.1"), InvalidSdp),
        (sdp(5000).replace("0 8", "3"), CodecNegotiationFailed),
        (sdp(0), CodecNegotiationFailed),
    ):
        with pytest.raises(error):
            proxy.create_answer(body)
    assert not proxy.call().is_answered
    proxy.create_answer(sdp(5000))
    assert proxy.call().is_answered


async def test_an_answer_to_nothing_is_refused(proxy):
    with pytest.raises(UnknownCall):
        proxy.create_answer(sdp(5000))
    proxy.offer(sdp(4000))
    for tag in ("alice", "nobody"):
        with pytest.raises(InvalidSessionState):
            proxy.create_answer(sdp(5000), from_tag=tag)


async def test_a_second_offer_to_the_same_leg_keeps_its_port(proxy, interfaces):
    first = proxy.create()
    proxy.create_answer(sdp(5000))
    again = proxy.create(medias=[{"codecs": ["PCMA"]}, {"codecs": ["PCMU"]}])
    assert ports(parse(again.sdp))[0] == ports(parse(first.sdp))[0]
    assert parse(again.sdp).origin.version == 2
    assert interfaces.pools[0].in_use == 4
    with pytest.raises(InvalidSessionState):
        proxy.create()


async def test_a_call_does_not_take_any_number_of_legs(proxy):
    for number in range(MAX_LEGS):
        proxy.create(from_tag=f"leg-{number}")
    with pytest.raises(InvalidSessionState):
        proxy.create(from_tag="one-more")
    with pytest.raises(InvalidSessionState):
        proxy.offer(sdp(4000), from_tag="one-more")
    proxy.create(from_tag="leg-0")
