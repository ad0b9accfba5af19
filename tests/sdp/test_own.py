"""SDP of our own: what it offers can be parsed again, and says what was meant, whatever codecs are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import InvalidParameters
from karl_trio.sdp.attributes import Direction
from karl_trio.sdp.changes import MediaChanges, SessionChanges
from karl_trio.sdp.description import parse
from karl_trio.sdp.own import answer_section, codec_section, describe, rejection, retold_section
from karl_trio.sdp.rewrite import rewrite

OFFERED = """\
v=0
o=alice 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 96 0
b=AS:64
a=mid:voice
a=label:7
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtcp-fb:96 nack
a=ptime:20
a=ssrc:1 cname:alice
a=sendrecv
"""


def written(*sections):
    """The sections as they are sent, and as they are understood again."""
    description = describe("1", 1, "203.0.113.1", "karl-trio", sections)
    changes = [MediaChanges("203.0.113.1", 30000 if section.port else 0) for section in sections]
    text = rewrite(description, SessionChanges(), changes)
    return text.split("\r\n")[4:-1], parse(text)


@pytest.mark.parametrize(
    ("codec", "payload_type", "encoding"),
    [
        ("PCMU", 0, "PCMU/8000"),
        ("pcma", 8, "PCMA/8000"),
        ("G722", 9, "G722/8000"),
        ("DVI4", 5, "DVI4/8000"),
        ("DVI4/16000", 6, "DVI4/16000"),
        ("L16/44100/2", 10, "L16/44100/2"),
        ("opus", 96, "opus/48000/2"),
        ("opus/16000", 96, "opus/16000"),
        ("PCMU/16000", 96, "PCMU/16000"),
        ("telephone-event", 96, "telephone-event/8000"),
        ("x-new/32000", 96, "x-new/32000"),
    ],
)
def test_a_codec_by_its_name(codec, payload_type, encoding):
    _, description = written(codec_section("audio", "RTP/AVP", [codec], Direction.SENDRECV))
    ((offered,),) = (section.codecs for section in description.media)
    assert (offered.payload_type, offered.encoding) == (payload_type, encoding)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_name_of_a_codec_gets_a_line_of_its_own_into_the_sdp(codecs):
    try:
        section = codec_section("audio", "RTP/AVP", codecs, Direction.SENDONLY)
    except InvalidParameters:
        return
    lines, description = written(section)
    assert {line[:8] for line in lines[2:-1]} <= {"a=rtpmap", "a=fmtp:9"}
    assert len(description.media[0].codecs) == len(section.formats)


def test_another_legs_media_is_offered_with_its_codecs_and_in_our_name():
    (section,) = parse(OFFERED).media
    lines, _ = written(retold_section(section, ("96",), Direction.SENDONLY, "1"))
    assert lines == [
        "m=audio 30000 RTP/AVP 96",
        "c=IN IP4 203.0.113.1",
        "b=AS:64",
        "a=label:1",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=rtcp-fb:96 nack",
        "a=ssrc:1 cname:alice",
        "a=sendonly",
        "a=ptime:20",
    ]


def test_an_answer_says_nothing_but_what_it_accepts():
    (section,) = parse(OFFERED).media
    lines, _ = written(answer_section(section, ("0",), Direction.RECVONLY))
    assert lines == [
        "m=audio 30000 RTP/AVP 0",
        "c=IN IP4 203.0.113.1",
        "a=mid:voice",
        "a=rtpmap:0 PCMU/8000",
        "a=recvonly",
    ]


def test_a_rejection_keeps_the_place_of_what_it_rejects():
    (section,) = parse(OFFERED).media
    lines, _ = written(rejection(section))
    assert lines == ["m=audio 0 RTP/AVP 96 0", "c=IN IP4 0.0.0.0", "a=mid:voice"]
