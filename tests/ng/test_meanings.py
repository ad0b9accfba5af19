"""Every flag and key can be said in plain words, and in our own spelling."""

import pytest

from karl_trio.errors import InvalidParameters, Malformed
from karl_trio.ng.flags import FLAGS
from karl_trio.ng.meanings import entries
from karl_trio.ng.parameters import collect
from karl_trio.ng.words import CODEC_OPERATIONS, WORDS

from .test_tables import PAGE, RTPENGINE

WRITTEN = [
    *(flag for flag in FLAGS),
    *(f"{key}={word.replace('*', 'X')}" for key, words in WORDS.items() for word in words if " " not in word),
    *(f"codec-{operation}-PCMU" for operation in CODEC_OPERATIONS),
    *PAGE,
    *RTPENGINE.split(),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_everything_known_has_a_meaning_and_says_the_same_in_our_spelling(text):
    (entry,) = entries(text)
    assert entry.text == text
    assert entry.meaning
    assert entry.canonical
    again = collect({"rtpp-flags": " ".join(entry.canonical)})
    assert again.warnings == []
    assert again.flags == entry.parameters.flags
    if not text.lower().startswith("sdp-attr"):  # its lines hold what ends a word within a string
        assert again.values == entry.parameters.values


@pytest.mark.parametrize(
    ("text", "canonical", "words"),
    [
        ("SIP_source_address", ("SIP-source-address",), "where the SIP message came from"),
        ("codec-strip-all", ("codec=[strip=all]",), "Removes this codec"),
        ("ICE=FORCE", ("ice=force",), "Replaces all ICE attributes"),
        ("RTP/SAVPF", ("transport-protocol=RTP/SAVPF",), "SRTP with keys in the SDP"),
        ("replace-origin", ("replace=origin",), "o= line"),
        ("direction=[in  out]", ("direction=[in out]",), "interfaces towards"),
        ("media-timeout=60", ("media-timeout=60",), "Seconds without media"),
        ("loop-protect=no", (), "as if it were not there"),
        ("SDES-unencrypted_srtp", ("sdes=unencrypted-srtp",), "without encryption"),
    ],
)
def test_what_an_entry_says(text, canonical, words):
    (entry,) = entries(text)
    assert entry.canonical == canonical
    assert words in " ".join(entry.meaning)


def test_a_short_word_is_shown_with_all_that_it_stands_for():
    (entry,) = entries("WebRTC")
    assert {"transport-protocol=UDP/TLS/RTP/SAVPF", "ice=force", "trickle-ICE"} < set(entry.canonical)
    assert len(entry.meaning) == 1


def test_entries_are_told_apart_by_spaces_outside_of_brackets():
    text = " trust-address  codec=[strip=[a b] offer=[c]]\n symmetric "
    assert [entry.text for entry in entries(text)] == [
        "trust-address",
        "codec=[strip=[a b] offer=[c]]",
        "symmetric",
    ]
    assert entries("") == []


@pytest.mark.parametrize(
    ("text", "is_filled_in"),
    [
        ("$var(flags)", True),
        ("media-address=$var(ip)", True),
        ("ICE=$avp(ice)", True),
        ("media-adress=$var(ip)", False),
        ("trust-address", False),
        ("label=a", False),
    ],
)
def test_what_a_script_fills_in_is_known_as_such(text, is_filled_in):
    assert entries(text)[0].is_filled_in is is_filled_in


def test_what_is_not_known_is_told_with_what_may_be_meant():
    (entry,) = entries("trust-adress")
    assert (entry.meaning, entry.canonical) == ((), ())
    assert entry.parameters.warnings == ["unknown flag 'trust-adress', did you mean 'trust-address'?"]


@pytest.mark.parametrize(("text", "error"), [("a=[b", Malformed), ("sdp-attr=x", InvalidParameters)])
def test_what_cannot_be_read_is_an_error(text, error):
    with pytest.raises(error):
        entries(text)
