"""What one media says, with the session behind it."""

import pytest

from karl_trio.endpoint import Endpoint
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.description import parse


def section(media, *, session=""):
    head = f"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{session}"
    return parse(head + media).media[0]


def test_media_line():
    audio = section("m=audio 5000/2 RTP/AVP 0 96\na=mid:first\n")
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == ("audio", 5000, 2, "RTP/AVP")
    assert audio.formats == ("0", "96")
    assert audio.mid == "first"
    assert section("m=audio 5000 RTP/AVP 0\n").mid is None


def test_media_has_its_own_address_or_that_of_the_session():
    assert section("m=audio 5000 RTP/AVP 0\n").endpoint == Endpoint("192.0.2.1", 5000)
    assert section("m=audio 5000 RTP/AVP 0\nc=IN IP6 2001:DB8::1\n").endpoint == Endpoint("2001:db8::1", 5000)


def test_rejected_media_has_no_endpoints():
    rejected = section("m=audio 0 RTP/AVP 0\na=rtcp-mux\na=rtcp:5001\n")
    assert rejected.port == 0
    assert (rejected.endpoint, rejected.rtcp_endpoint, rejected.rtcp_mux) == (None, None, False)


@pytest.mark.parametrize(
    ("own", "session", "direction"),
    [
        ("", "", Direction.SENDRECV),
        ("a=recvonly\n", "", Direction.RECVONLY),
        ("", "a=inactive\n", Direction.INACTIVE),
        ("a=sendrecv\n", "a=sendonly\n", Direction.SENDRECV),
        ("a=sendrecv\na=inactive\n", "", Direction.INACTIVE),
    ],
)
def test_direction_of_the_session_holds_where_the_media_has_none(own, session, direction):
    assert section(f"m=audio 5000 RTP/AVP 0\n{own}", session=session).direction is direction


@pytest.mark.parametrize("zero", ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 0:0::0"])
def test_zero_address_is_hold(zero):
    held = section(f"m=audio 5000 RTP/AVP 0\nc={zero}\n")
    assert held.is_on_hold
    assert held.direction is Direction.SENDRECV
    assert held.effective_direction is Direction.SENDONLY


def test_zero_address_with_port_nine_is_hold_only_without_ice():
    assert section("m=audio 9 RTP/AVP 0\nc=IN IP4 0.0.0.0\n").is_on_hold
    trickling = section("m=audio 9 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=ice-ufrag:abcd\n")
    assert not trickling.is_on_hold
    assert trickling.effective_direction is Direction.SENDRECV


def test_rejected_media_is_not_on_hold():
    assert not section("m=audio 0 RTP/AVP 0\nc=IN IP4 0.0.0.0\n").is_on_hold


@pytest.mark.parametrize(
    ("lines", "endpoint", "muxed"),
    [
        ("m=audio 5000 RTP/AVP 0\n", Endpoint("192.0.2.1", 5001), False),
        ("m=audio 65535 RTP/AVP 0\n", None, False),
        ("m=audio 5000 RTP/AVP 0\na=rtcp:6000\n", Endpoint("192.0.2.1", 6000), False),
        ("m=audio 5000 RTP/AVP 0\na=rtcp:6000 IN IP4 192.0.2.9\n", Endpoint("192.0.2.9", 6000), False),
        ("m=audio 5000 RTP/AVP 0\na=rtcp:nonsense\n", Endpoint("192.0.2.1", 5001), False),
        ("m=audio 5000/2 RTP/AVP 0\na=rtcp:6000\n", Endpoint("192.0.2.1", 5001), False),
        ("m=audio 5000 RTP/AVP 0\na=rtcp-mux\n", Endpoint("192.0.2.1", 5001), True),
        ("m=audio 5000 RTP/AVP 0\na=rtcp:5000\n", Endpoint("192.0.2.1", 5000), True),
        ("m=audio 9 RTP/AVP 0\na=rtcp:9 IN IP4 0.0.0.0\n", Endpoint("0.0.0.0", 9), False),
        ("m=image 5000 udptl t38\na=rtcp-mux\na=rtcp:6000\n", None, False),
    ],
)
def test_where_rtcp_goes(lines, endpoint, muxed):
    media = section(lines)
    assert media.rtcp_endpoint == endpoint
    assert media.rtcp_mux is muxed


@pytest.mark.parametrize(
    ("protocol", "is_rtp", "is_secure"),
    [
        ("RTP/AVP", True, False),
        ("RTP/AVPF", True, False),
        ("rtp/savp", True, True),
        ("UDP/TLS/RTP/SAVPF", True, True),
        ("udptl", False, False),
        ("UDP/DTLS/SCTP", False, False),
        ("TCP/RTP/AVP", False, False),
    ],
)
def test_protocols(protocol, is_rtp, is_secure):
    media = section(f"m=audio 5000 {protocol} 0\n")
    assert (media.is_rtp, media.is_secure) == (is_rtp, is_secure)


@pytest.mark.parametrize(
    ("own", "session", "has_ice", "has_security"),
    [
        ("", "", False, False),
        ("a=ice-ufrag:abcd\n", "", True, False),
        ("", "a=ice-ufrag:abcd\n", True, False),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\n", "", False, True),
        ("a=fingerprint:sha-256 AB\n", "", False, True),
        ("", "a=fingerprint:sha-256 AB\n", False, True),
    ],
)
def test_ice_and_security_may_be_said_for_the_session(own, session, has_ice, has_security):
    media = section(f"m=audio 5000 RTP/AVP 0\n{own}", session=session)
    assert (media.has_ice, media.has_security) == (has_ice, has_security)


def test_codecs_and_clock_rates():
    audio = section("m=audio 5000 RTP/AVP 96 8 101\na=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1\n")
    assert [(codec.encoding, codec.fmtp) for codec in audio.codecs] == [
        ("opus/48000/2", "useinbandfec=1"),
        ("PCMA/8000", None),
    ]
    assert audio.clock_rates == {96: 48000, 8: 8000}
    assert section("m=image 5000 udptl t38\n").codecs == ()
