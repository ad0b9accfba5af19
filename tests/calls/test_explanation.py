"""What is told of a flag is what happens when an offer has it."""

import re
from pathlib import Path

import pytest

import karl_trio.calls
from karl_trio.calls.capabilities import EFFECTIVE_FLAGS
from karl_trio.calls.explanation import RIVALS, Verdict, contradictions, judge
from karl_trio.calls.offer_answer import DRY_RUN
from karl_trio.errors import NotSupported
from karl_trio.ng.flags import FLAGS, NAMES
from karl_trio.ng.meanings import entries
from karl_trio.ng.words import WORDS

from .proxy import sdp


def verdict(text):
    (entry,) = entries(text)
    return judge(entry).verdict


@pytest.mark.parametrize(
    "flag", [*FLAGS, "codec-strip-PCMA", "codec-mask-PCMA", "transcode-G729", "transcode-PCMA", "ICE=remove"]
)
async def test_the_verdict_is_that_of_a_real_offer(proxy, flag):
    judged = judge(*entries(flag))
    if judged.verdict is Verdict.REFUSED:
        with pytest.raises(NotSupported, match=re.escape(judged.note)):
            proxy.offer(sdp(4000), flags=[flag])
        return
    proxy.offer(sdp(4000), flags=[flag])
    warnings = "; ".join(text for text in proxy.warnings if text != DRY_RUN)
    if judged.verdict is Verdict.OBSOLETE:
        assert warnings == f"flag '{flag}' is obsolete"
    elif judged.note.startswith("only in "):
        assert warnings == f"key '{flag}' has no effect in an offer"
    else:
        assert warnings == judged.note
        assert judged.verdict is (Verdict.NO_EFFECT if warnings else Verdict.WORKS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trust-address", Verdict.WORKS),
        ("media-address=$var(ip)", Verdict.FILLED_IN),
        ("recording-vsc", Verdict.NO_EFFECT),
        ("repeat-times=3", Verdict.NO_EFFECT),
        ("reorder-codecs", Verdict.OBSOLETE),
        ("transcode-opus", Verdict.REFUSED),
        ("transcode-PCMA", Verdict.WORKS),
        ("template=trunk", Verdict.WORKS),
        ("codec-strip-all", Verdict.WORKS),
        ("media-timeout=N", Verdict.INVALID),
        ("trust-adress", Verdict.UNKNOWN),
        ("rtcp-mux-ofer", Verdict.UNKNOWN),
    ],
)
def test_verdicts(text, expected):
    assert verdict(text) is expected


def test_a_key_of_other_commands_is_told_to_be_one():
    assert judge(*entries("limit=3")).note == "only in list"


def clashes(text):
    return {(clash.texts, clash.outcome) for clash in contradictions(entries(text))}


@pytest.mark.parametrize(("one", "other"), RIVALS)
def test_rivals_are_told_whatever_their_order(one, other):
    words = [NAMES.get(word, word) for word in (one, other)]
    for text in (" ".join(words), f"{words[1]} generate-mid {words[0]}"):
        assert RIVALS[one, other] in {outcome for _, outcome in clashes(text)}
        assert clashes(words[0]) == clashes(words[1]) == set()


def test_rivals_are_words_that_there_are():
    for text in (text for pair in RIVALS for text in pair):
        key, equals, word = text.partition("=")
        assert word in WORDS[key] if equals else text in NAMES


def test_contradictions_are_told_in_the_words_that_were_used():
    text = "trust_address rtcp-mux-offer rtcp-mux=[demux] SIP-source-address"
    assert clashes(text) == {
        (("trust_address", "SIP-source-address"), "SIP-source-address counts, except for media with ICE"),
        (("rtcp-mux-offer", "rtcp-mux=[demux]"), "offer counts"),
    }


def test_a_key_with_two_values_is_told():
    assert clashes("ICE=force RTP/AVP ICE=remove") == {(("ICE=force", "ICE=remove"), "the last ice counts")}
    assert clashes("RTP AVPF internal external codec-offer-a codec-offer-b ICE=force ice=force") == set()


def test_stripping_all_codecs_is_told_unless_some_come_back():
    assert clashes("codec-strip-all") == {(("codec-strip-all",), "no codec is left, and the offer fails")}
    assert clashes("codec-strip-all codec-offer-PCMA") == set()
    assert clashes("codec-strip-all allow-no-codec-media") == set()


async def test_what_wins_a_contradiction_does(proxy):
    muxed = sdp(4000, attributes=("rtcp-mux",))
    for word, is_told in (("offer", True), ("require", True), ("reject", False)):
        told = proxy.offer(muxed, call_id=word, flags=["rtcp-mux-demux", f"rtcp-mux-{word}"])
        assert told.media[0].rtcp_mux is is_told
    proxy.offer(
        sdp(4000, address="192.0.2.1"),
        call_id="call-2",
        flags=["trust-address", "SIP-source-address"],
        received_from="192.0.2.9",
    )
    (alice, _) = proxy.call("call-2").legs
    assert alice.media[0].advertised.endpoint.address == "192.0.2.9"


def test_flags_that_the_calls_look_at_are_counted_as_effective():
    looked_at = set()
    for path in Path(karl_trio.calls.__file__).parent.glob("*.py"):
        looked_at.update(re.findall(r'"([\w-]+)" (?:not )?in \w*\.?request\.flags', path.read_text()))
    assert looked_at
    assert looked_at - EFFECTIVE_FLAGS == set()
