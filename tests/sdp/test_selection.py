"""Which formats are left, of what a request wants and of what an answer says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.sdp.codecs import STATIC_ENCODINGS
from karl_trio.sdp.description import parse
from karl_trio.sdp.rewrite import MediaChanges, SessionChanges, rewrite
from karl_trio.sdp.selection import CodecWishes, OfferedCodecs, answered, carries_media, select

MAPS = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "13": "CN/8000",
    "18": "G729/8000",
    "95": None,
    "96": "opus/48000/2",
    "97": "OPUS/48000",
    "98": "G722/8000",
    "101": "telephone-event/8000",
    "102": "telephone-event/48000",
    "103": "CN/16000",
    "104": "VP8/90000",
    "105": "rtx/90000",
}
FMTPS = {"105": "apt=104", "96": "useinbandfec=1"}


def description_of(formats):
    lines = [f"m=audio 5000 RTP/AVP {formats}"]
    for payload_type in formats.split():
        if MAPS[payload_type] is not None:
            lines.append(f"a=rtpmap:{payload_type} {MAPS[payload_type]}")
        if payload_type in FMTPS:
            lines.append(f"a=fmtp:{payload_type} {FMTPS[payload_type]}")
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    return parse(head + "".join(f"{line}\r\n" for line in lines))


def section_of(formats):
    return description_of(formats).media[0]


def selected(formats, **lists):
    section = section_of(formats)
    wishes = CodecWishes(**{name: tuple(value.split()) for name, value in lists.items()})
    return " ".join(select(section, section.formats, wishes))


@pytest.mark.parametrize(
    ("strip", "left"),
    [
        ("PCMU", "8 96 97"),
        ("pcmu", "8 96 97"),
        ("PCMU/8000", "8 96 97"),
        ("PCMU/8000/1", "8 96 97"),
        ("PCMU/16000", "0 8 96 97"),
        ("PCMU/8000/2", "0 8 96 97"),
        ("0", "8 96 97"),
        ("opus", "0 8"),
        ("opus/48000", "0 8 96"),  # with one channel
        ("opus/48000/1", "0 8 96"),
        ("Opus/48000/2", "0 8 97"),
        ("96", "0 8 97"),
        ("PCMA opus", "0"),
        ("G729", "0 8 96 97"),
        ("all", ""),
        ("FULL", ""),
        ("", "0 8 96 97"),
    ],
)
def test_stripped_codecs_are_named_in_several_ways(strip, left):
    assert selected("0 8 96 97", strip=strip) == left


@pytest.mark.parametrize(
    ("lists", "left"),
    [
        ({"strip": "all", "keep": "PCMA"}, "8"),
        ({"strip": "all", "keep": "PCMA opus"}, "8 96"),
        ({"strip": "full", "keep": "opus/48000/2"}, "96"),
        ({"strip": "all", "keep": "opus/48000"}, ""),
        ({"strip": "all", "keep": "telephone-event"}, ""),  # of no use without a codec
        ({"strip": "all PCMA", "keep": "PCMA PCMU"}, "0"),  # what is stripped by its name is not spared
        ({"strip": "PCMA", "keep": "PCMA"}, "0 96 101"),
        ({"keep": "PCMA"}, "0 8 96 101"),  # spares from nothing
    ],
)
def test_exceptions_are_spared_when_all_is_stripped(lists, left):
    assert selected("0 8 96 101", **lists) == left


@pytest.mark.parametrize(
    ("lists", "left"),
    [
        ({"strip": "all", "offer": "opus PCMU"}, "96 0"),
        ({"strip": "all", "offer": "PCMU opus"}, "0 96"),
        ({"strip": "all", "offer": "G729 PCMU PCMU 0"}, "0"),
        ({"strip": "all", "offer": "telephone-event PCMU"}, "0 101"),
        ({"strip": "all", "keep": "telephone-event", "offer": "PCMA"}, "8 101"),
        ({"strip": "PCMU", "offer": "PCMU"}, "8 96 0 101"),
        ({"strip": "PCMU", "offer": "PCMA"}, "8 96 101"),
        ({"offer": "opus"}, "0 8 96 101"),  # is there already
        ({"ignore": "PCMU", "offer": "PCMU"}, "8 96 101"),
        ({"ignore": "PCMU", "strip": "all", "offer": "PCMU PCMA"}, "8"),
    ],
)
def test_offered_codecs_come_back_in_their_order_and_before_telephone_events(lists, left):
    assert selected("0 8 96 101", **lists) == left


@pytest.mark.parametrize(
    ("formats", "strip", "left"),
    [
        ("0 96 101 102 13", "opus", "0 101 13"),
        ("0 96 101 102 13", "PCMU", "96 102"),
        ("0 8 101 13", "PCMU", "8 101 13"),
        ("0 101 13", "PCMU", ""),
        ("0 101 103", "PCMU", "103"),  # at a clock rate that no codec had: not there for one that is gone
        ("95 0 101", "PCMU", "95"),
        ("0 101 102", "telephone-event/48000", "0 101"),
        ("104 105 0", "VP8", "0"),
        ("104 105 0", "PCMU", "104 105"),
        ("104 105", "rtx", "104"),
    ],
)
def test_what_goes_beside_a_codec_goes_with_the_last_of_its_kind(formats, strip, left):
    assert selected(formats, strip=strip) == left


@pytest.mark.parametrize(
    ("formats", "left"),
    [
        ("0 8 101 13", "0 101 13"),
        ("101 8 0", "101 8"),
        ("96 0 101 102", "96 102"),
        ("95 0 101", "95"),
        ("101 13", "101 13"),
        ("0", "0"),
    ],
)
def test_the_first_codec_alone_with_what_goes_beside_it(formats, left):
    section = section_of(formats)
    assert " ".join(select(section, section.formats, CodecWishes(is_single=True))) == left


def test_telephone_events_alone_carry_no_media():
    section = section_of("0 13 101 104 105 95")
    for payload_type, expected in [("0", True), ("95", True), ("104", True)] + [
        (other, False) for other in ("13", "101", "105")
    ]:
        assert carries_media(section, (payload_type,)) is expected
    assert not carries_media(section, ())


OFFERED = OfferedCodecs(
    ("0", "96", "95", "101"), {0: "PCMU/8000", 8: "PCMA/8000", 96: "opus/48000", 101: "telephone-event/8000"}
)


@pytest.mark.parametrize(
    ("answer", "left", "left_by_name"),
    [
        ("0 101", "0 101", "0 101"),
        ("0 8 18 101", "0 101", "0 101"),  # 8 is known, but was not offered
        ("96 0", "96 0", "96 0"),
        ("97", "", "97"),
        ("95", "95", "95"),  # said nothing of by either
        ("104 105", "", ""),
        ("0 102", "0", "0"),
        ("96 101", "96 101", "96 101"),  # events for a codec of another clock rate are no stray
    ],
)
def test_answers_lose_what_was_not_offered(answer, left, left_by_name):
    section = section_of(answer)
    assert " ".join(answered(section, OFFERED)) == left
    assert " ".join(answered(section, OFFERED, by_name=True)) == left_by_name


def test_a_payload_type_that_means_something_else_is_a_stray():
    section = section_of("96 0")
    assert answered(section, OfferedCodecs(("96", "0"), {96: "iLBC/8000", 0: "pcmu/8000"})) == ("0",)


def test_a_payload_type_may_be_explained_by_one_side_only():
    assert answered(section_of("96"), OfferedCodecs(("96",), {})) == ("96",)
    assert answered(section_of("95"), OfferedCodecs(("95",), {95: "iLBC/8000"})) == ("95",)


def test_formats_that_are_no_payload_types_match_nothing():
    assert answered(section_of("0"), OfferedCodecs(("t38", "9" * 5000), {})) == ()


formats_ = st.lists(st.sampled_from(sorted(MAPS)), min_size=1, unique=True).map(" ".join)
names = st.sampled_from(
    [
        "all",
        "full",
        "PCMU",
        "pcma",
        "opus",
        "opus/48000/2",
        "telephone-event",
        "CN",
        "96",
        "VP8",
        "rtx",
        "G729",
    ]
)
lists = st.lists(names, max_size=3).map(tuple)
wishes_ = st.builds(CodecWishes, ignore=lists, strip=lists, keep=lists, offer=lists, is_single=st.booleans())


@given(formats_, wishes_)
def test_formats_are_only_ever_left_out_or_moved(formats, wishes):
    section = section_of(formats)
    left = select(section, section.formats, wishes)
    assert len(set(left)) == len(left)
    assert set(left) <= set(section.formats)
    if not (wishes.ignore or wishes.strip or wishes.is_single):
        assert left == section.formats


@given(formats_, wishes_)
def test_a_second_time_changes_nothing(formats, wishes):
    section = section_of(formats)
    left = select(section, section.formats, wishes)
    if left:
        again = section_of(" ".join(left))
        assert select(again, again.formats, wishes) == left


@given(formats_, wishes_)
def test_every_format_in_the_output_has_its_rtpmap_and_no_other_is_explained(formats, wishes):
    description = description_of(formats)
    section = description.media[0]
    left = select(section, section.formats, wishes)
    changes = MediaChanges("203.0.113.1", 30000, formats=left)
    written = parse(rewrite(description, SessionChanges(), [changes])).media[0]
    assert written.formats == (left or ("0",))
    explained = [value.split()[0] for value in written.attributes.every("rtpmap")]
    assert explained == [
        payload_type for payload_type in left if MAPS[payload_type] or payload_type in STATIC_ENCODINGS
    ]
    assert {value.split()[0] for value in written.attributes.every("fmtp")} <= set(left)


@given(formats_, formats_)
def test_an_answer_keeps_only_what_was_offered(offer, answer):
    offered = section_of(offer)
    names = {codec.payload_type: f"{codec.name}/{codec.clock_rate}" for codec in offered.codecs}
    left = answered(section_of(answer), OfferedCodecs(offered.formats, names))
    assert set(left) <= set(offered.formats) & set(answer.split())
    if set(answer.split()) <= set(offered.formats):
        assert left == tuple(answer.split())
