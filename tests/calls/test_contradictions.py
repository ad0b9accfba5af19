"""What cannot all be had is told, with what counts then."""

import pytest

from karl_trio.calls.contradictions import RIVALS, contradictions
from karl_trio.ng.flags import NAMES
from karl_trio.ng.meanings import entries
from karl_trio.ng.words import WORDS

from .proxy import sdp


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
    assert clashes("codec-mask-full") == {(("codec-mask-full",), "no codec is left, and the offer fails")}
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
