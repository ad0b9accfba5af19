"""What holds for every SDP that goes out; the exact output is in `golden/`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidSdp
from karl_trio.sdp.attributes import CONSUMED
from karl_trio.sdp.description import MAX_ATTRIBUTES, parse
from karl_trio.sdp.lines import split
from karl_trio.sdp.rewrite import MediaChanges, SessionChanges, rewrite

THEIRS = {"IP4": "192.0.2.77", "IP6": "2001:db8::77"}
OURS = {"IP4": "203.0.113.1", "IP6": "2001:db8:ffff::1"}
ZERO = {"IP4": "0.0.0.0", "IP6": "::"}

family = st.sampled_from(["IP4", "IP6"])
words = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), max_size=12)
unknown = st.tuples(st.sampled_from(["X-a", "ssrc", "", "content", "rtcp-xr"]), words).map(":".join)
known = st.sampled_from(
    [
        "rtpmap:0 PCMU/8000",
        "rtpmap:96 opus/48000/2",
        "rtpmap:96",
        "rtpmap:/0",
        "fmtp:96 useinbandfec=1",
        "fmtp:",
        "rtcp-fb:96 nack",
        "rtcp-fb:*",
        "extmap:1 urn:x",
        "extmap-allow-mixed",
        "sendonly",
        "inactive",
        "sendrecv",
        "mid:a",
        "mid",
        "label:1",
        "ptime:20",
        "maxptime",
        "rtcp-mux",
        "rtcp:5001 IN IP4 192.0.2.77",
        "rtcp:5001 IN IP6 2001:db8::77",
        "rtcp:x",
        "ice-ufrag:abcd",
        "candidate:1 1 UDP 1 192.0.2.77 5000 typ host",
        "candidate:1 1 UDP 1 2001:db8::77 5000 typ host",
        "remote-candidates:1 192.0.2.77 5000",
        "group:BUNDLE a",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "fingerprint:sha-256 AB",
        "setup:actpass",
        "tls-id:1",
        "T38FaxVersion:0",
        "rtpengine:0123456789ab",
        "bundle-only",
    ]
)
attributes = st.lists(known | unknown, max_size=12).map(
    lambda names: "".join(f"a={name}\r\n" for name in names)
)


@st.composite
def sections(draw, needs_address):
    kind = draw(
        st.sampled_from(
            [
                "audio {} RTP/AVP 0 8 96 101",
                "video {} RTP/SAVPF 96",
                "image {} udptl t38",
                "application {} UDP/DTLS/SCTP webrtc-datachannel",
            ]
        )
    )
    port = draw(st.sampled_from([0, 9, 5000, 65535]))
    of = draw(family)
    connection = st.sampled_from([THEIRS[of], ZERO[of]]).map(lambda address: f"c=IN {of} {address}\r\n")
    lines = draw(connection if needs_address and port else st.just("") | connection)
    extra = draw(st.sampled_from(["", "i=x\r\n", "b=AS:64\r\nb=nonsense\r\n", "k=clear:x\r\n"]))
    return f"m={kind.format(port)}\r\n{lines}{extra}{draw(attributes)}"


@st.composite
def descriptions(draw):
    of = draw(family)
    session_address = draw(st.sampled_from(["", f"c=IN {of} {THEIRS[of]}\r\n"]))
    media = draw(st.lists(sections(needs_address=not session_address), min_size=1, max_size=4))
    head = (
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.77\r\ns={draw(words)}\r\n{session_address}t=0 0\r\n{draw(attributes)}"
    )
    return parse(head + "".join(media))


@st.composite
def media_changes(draw, section):
    of = draw(family)
    port = draw(st.sampled_from([0, 30000])) if section.port else 0
    return MediaChanges(
        address=OURS[of],
        port=port,
        rtcp_port=draw(st.sampled_from([None, 30001])),
        rtcp_address=draw(st.sampled_from([None, OURS[of]])),
        rtcp_mux=draw(st.booleans()),
        protocol=draw(st.sampled_from([None, "RTP/AVP"])) if section.is_rtp else None,
        mid=draw(st.sampled_from([None, "", "m1"])),
        on_hold=draw(st.booleans()),
        formats=draw(st.sampled_from([None, section.formats[:1]])),
        keep_direction=draw(st.booleans()),
        keep_security=draw(st.booleans()),
    )


@st.composite
def rewritings(draw):
    description = draw(descriptions())
    changes = [draw(media_changes(section)) for section in description.media]
    session = SessionChanges(
        origin_address=OURS[draw(family)],
        origin_version=draw(st.sampled_from([None, 7])),
        session_name=draw(st.sampled_from([None, "ours"])),
        loop_mark=draw(st.sampled_from([None, "0123456789ab"])),
    )
    return description, session, changes


@given(rewritings())
def test_output_is_sdp_with_our_endpoints(rewriting):
    description, session, changes = rewriting
    written = parse(rewrite(description, session, changes))
    assert written.origin.address == session.origin_address
    for before, after, change in zip(description.media, written.media, changes, strict=True):
        assert (after.kind, after.port) == (before.kind, change.port)
        if change.port and not change.on_hold:
            assert after.endpoint == Endpoint(change.address, change.port)
        if change.port and before.is_rtp and not change.keep_direction:
            assert after.direction is before.effective_direction


@given(rewritings())
def test_every_line_ends_in_crlf_and_addresses_stand_in_the_media_only(rewriting):
    text = rewrite(*rewriting)
    assert all(line.ending == "\r\n" for line in split(text))
    session, *media = text.split("\r\nm=")
    assert "\r\nc=" not in session
    assert all(section.count("\r\nc=") == 1 for section in media)


@given(rewritings())
def test_their_addresses_do_not_leak(rewriting):
    text = rewrite(*rewriting)
    assert THEIRS["IP4"] not in text
    assert THEIRS["IP6"] not in text


@given(rewritings())
def test_unknown_attributes_keep_their_order(rewriting):
    description, session, changes = rewriting
    written = parse(rewrite(description, session, changes))

    def unknown_lines(section):
        return [line for name, line in section.attributes.entries if name not in CONSUMED]

    assert unknown_lines(written) == unknown_lines(description)
    for before, after, change in zip(description.media, written.media, changes, strict=True):
        assert unknown_lines(after) == (unknown_lines(before) if change.port else [])


@given(rewritings())
def test_codecs_of_the_formats_that_are_left_come_through(rewriting):
    description, session, changes = rewriting
    written = parse(rewrite(description, session, changes))
    for before, after, change in zip(description.media, written.media, changes, strict=True):
        if change.port and before.is_rtp:
            kept = before.formats if change.formats is None else change.formats
            assert after.codecs == tuple(codec for codec in before.codecs if str(codec.payload_type) in kept)


def test_every_media_needs_its_changes():
    description = parse(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 5000 RTP/AVP 0\n"
    )
    with pytest.raises(ValueError, match="zip"):
        rewrite(description, SessionChanges(), [])


def test_media_left_without_formats_is_still_a_media_line():
    description = parse(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 5000 RTP/AVP 8\n"
    )
    text = rewrite(description, SessionChanges(), [MediaChanges("203.0.113.1", 30000, formats=())])
    assert "m=audio 30000 RTP/AVP 0\r\n" in text


def test_lines_said_once_for_many_media_cannot_blow_up_the_output():
    extension = "a=extmap:1 " + "x" * 200 + "\n"
    head = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n" + extension * (
        MAX_ATTRIBUTES - 1
    )
    description = parse(head + "m=audio 5000 RTP/AVP 0\n" * 60)
    with pytest.raises(InvalidSdp):
        rewrite(description, SessionChanges(), [MediaChanges("203.0.113.1", 30000)] * 60)


def test_untouched_media_without_an_address_gets_none():
    description = parse("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=message 0 TCP/MSRP *\n")
    text = rewrite(description, SessionChanges(), [MediaChanges("203.0.113.1", 0, untouched=True)])
    assert text.endswith("m=message 0 TCP/MSRP *\r\n")


def test_session_name_and_time_are_supplied_where_they_are_missing():
    description = parse("v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 0\nc=IN IP4 192.0.2.1\n")
    text = rewrite(description, SessionChanges(), [MediaChanges("203.0.113.1", 30000)])
    assert text.startswith("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=")
