"""What holds for every offer and answer, whatever a request wants of the codecs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings
from karl_trio.errors import CodecNegotiationFailed, NgError, NotSupported
from karl_trio.media.poller import Poller
from karl_trio.sdp.codecs import STATIC_ENCODINGS
from karl_trio.sdp.description import parse

from ..samples.captures import exchanges
from .conftest import make_interfaces
from .proxy import Proxy

GOLDEN = Path(__file__).parent / "golden"

CORPUS = sorted(
    {path.read_text().replace("\n", "\r\n") for path in GOLDEN.glob("*/*.in.sdp")}
    | {
        exchange.request["sdp"]
        for exchange in exchanges("offer", "answer")
        if "SAVP" not in exchange.request["sdp"]
    }
)
"""Every SDP that other tests send, other than SRTP."""

CODECS = st.sampled_from(
    [
        *("all", "full", "PCMU", "pcma", "PCMA/8000", "opus", "opus/48000/2", "G722", "G729", "iLBC", "VP8"),
        *(
            "telephone-event",
            "telephone-event/8000",
            "CN",
            "rtx",
            "0",
            "96",
            "101",
            "H261",
            "PCMU/8000/1/64000",
        ),
    ]
)
OPERATIONS = ("strip", "offer", "except", "ignore", "mask", "consume", "accept", "transcode", "set")
FLAGS = (
    *("single-codec", "allow-no-codec-media", "allow-asymmetric-codecs", "reuse-codecs", "static-codecs"),
    *("always-transcode", "no-rtcp-attribute", "generate-mid"),
)

wishes = st.dictionaries(st.sampled_from(OPERATIONS), st.lists(CODECS, min_size=1, max_size=3), max_size=4)
flags = st.lists(st.sampled_from(FLAGS), max_size=3)
keys = st.fixed_dictionaries({"codec": wishes, "flags": flags})


@pytest.fixture
async def proxy(nursery):
    # Released ports rest, and no time passes between examples.
    interfaces = make_interfaces("127.0.0.1!203.0.113.1", "::1!2001:db8::1", low=20000, high=59999)
    table = CallTable(settings=Settings(), interfaces=interfaces, poller=Poller())
    await nursery.start(table.serve)
    return Proxy(table)


def codecs_of(section):
    """The codecs of a media by payload type, in one spelling."""
    return {
        codec.payload_type: (codec.name.lower(), codec.clock_rate, codec.channels) for codec in section.codecs
    }


def check_written(before, after):
    """Hold what goes out against what came in, media by media."""
    assert parse(after.text) == after
    assert len(after.media) == len(before.media)
    for came, went in zip(before.media, after.media, strict=True):
        if not went.port or not went.is_rtp:
            continue
        assert len(set(went.formats)) == len(went.formats)
        assert set(went.formats) <= set(came.formats)
        assert codecs_of(went).items() <= codecs_of(came).items()
        explained = {value.split(" ")[0] for value in went.attributes.every("rtpmap")}
        for payload_type in went.formats:
            is_known = int(payload_type) in codecs_of(came) or payload_type in STATIC_ENCODINGS
            assert (payload_type in explained) is is_known
        assert explained <= set(went.formats)
        described = {value.split(" ")[0] for value in went.attributes.every("fmtp")}
        assert described <= set(went.formats)


def check_answered(offer, answer):
    """An answer has only what its own side offered, media by media."""
    for offered, answered in zip(offer.media, answer.media, strict=False):
        if answered.port and answered.is_rtp and offered.is_rtp:
            assert set(codecs_of(answered).values()) <= set(codecs_of(offered).values())


def try_to(send, body, **more):
    """Send an offer or answer; None if it is refused as it may be."""
    try:
        return send(body, **more)
    except (CodecNegotiationFailed, NotSupported):
        return None


async def test_nothing_goes_out_that_did_not_come_in(proxy):
    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(CORPUS), keys)
    def check(body, said):
        offered = try_to(proxy.offer, body, **said)
        if offered is None:
            assert len(proxy.calls) == 0
            return
        proxy.delete(delete_delay=0)
        check_written(parse(body), offered)

    check()


async def test_a_second_proxy_with_the_same_wishes_changes_nothing(proxy):
    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(CORPUS), keys)
    def check(body, said):
        once = try_to(proxy.offer, body, **said)
        if once is None:
            return
        proxy.delete(delete_delay=0)
        twice = proxy.offer(once.text, **said)
        proxy.delete(delete_delay=0)
        assert [section.formats for section in twice.media] == [section.formats for section in once.media]
        assert [codecs_of(section) for section in twice.media] == [
            codecs_of(section) for section in once.media
        ]

    check()


RTP_ONLY = [body for body in CORPUS if all(section.is_rtp for section in parse(body).media)]

answered_formats = st.lists(
    st.sampled_from(["0", "8", "9", "18", "31", "96", "101", "111"]), min_size=1, unique=True
)

MAPS = {"96": "opus/48000/2", "111": "opus/48000/2", "101": "telephone-event/8000"}


def answer_to(offer, formats):
    """Write an answer that accepts every media that is not rejected, in these formats."""
    lines = ["v=0", "o=bob 1 1 IN IP4 198.51.100.20", "s=-", "c=IN IP4 198.51.100.20", "t=0 0"]
    for place, section in enumerate(offer.media):
        port = 50000 + 2 * place if section.port else 0
        lines.append(f"m={section.kind} {port} {section.protocol} {' '.join(formats)}")
        lines += [f"a=rtpmap:{number} {name}" for number, name in MAPS.items() if number in formats]
    return "".join(f"{line}\r\n" for line in lines)


async def test_an_answer_has_only_what_was_offered(proxy):
    accepted = []

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(RTP_ONLY), answered_formats, keys, keys)
    def check(body, formats, said, replied):
        offered = try_to(proxy.offer, body, **said)
        if offered is None:
            return
        answer = answer_to(offered, formats)
        answered = try_to(proxy.answer, answer, **replied)
        if answered is not None:
            accepted.append(answered)
            check_written(parse(answer), answered)
            check_answered(parse(body), answered)
        proxy.delete(delete_delay=0)

    check()
    assert len(accepted) > 20


steps = st.lists(
    st.tuples(st.sampled_from(["offer", "answer"]), st.booleans(), st.sampled_from(CORPUS), keys),
    min_size=2,
    max_size=6,
)


async def test_a_call_of_any_history_tells_nobody_what_was_not_said(proxy):
    taken = []

    @settings(max_examples=150, deadline=None)
    @given(steps)
    def check(history):
        for command, is_turned, body, said in history:
            from_tag, to_tag = ("bob", "alice") if is_turned else ("alice", "bob")
            try:
                send = proxy.offer if command == "offer" else proxy.answer
                written = send(body, from_tag=from_tag, to_tag=to_tag, **said)
            except NgError:
                continue  # most answers fit no offer
            taken.append(command)
            for section in written.media:
                if section.port and section.is_rtp:
                    came = [other for other in parse(body).media if other.kind == section.kind]
                    assert any(codecs_of(section).items() <= codecs_of(other).items() for other in came)
                    assert len(set(section.formats)) == len(section.formats)
        if len(proxy.calls):
            proxy.delete(delete_delay=0)

    check()
    assert {"offer", "answer"} <= set(taken)
