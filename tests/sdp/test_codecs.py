"""What payload types mean."""

import pytest

from karl_trio.sdp.codecs import LONGEST_ENCODING, Codec, known_codecs, parse_encoding


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("PCMU/8000", ("PCMU", 8000, 1)),
        ("opus/48000/2", ("opus", 48000, 2)),
        ("telephone-event/8000 ", ("telephone-event", 8000, 1)),
        ("", None),
        ("/0", None),
        ("PCMU", None),
        ("PCMU/", None),
        ("PCMU/8000/1/1", None),
        ("PCMU/-8000", None),
        ("PCMU/²", None),
        ("PCMU/99999999999", None),
        ("PCMU/4294967296", None),
        ("PCMU/8000/0", None),
        ("PCMU/8000/256", None),
        ("x" * LONGEST_ENCODING + "/8000", None),
    ],
)
def test_encoding(text, parsed):
    assert parse_encoding(text) == parsed


def test_static_types_are_known_unless_explained_otherwise():
    codecs = known_codecs(["0", "13", "18", "9"], ["13 CN/16000", "18 nonsense"], ["18 annexb=no"])
    assert codecs == (
        Codec(0, "PCMU", 8000, 1, None),
        Codec(13, "CN", 16000, 1, None),
        Codec(18, "G729", 8000, 1, "annexb=no"),
        Codec(9, "G722", 8000, 1, None),
    )


def test_dynamic_types_without_explanation_are_left_out():
    assert known_codecs(["96", "97"], ["97 opus/48000/2", "98 VP8/90000"], ["96 mode=20"]) == (
        Codec(97, "opus", 48000, 2, None),
    )


def test_values_may_have_more_spaces_than_they_should():
    assert known_codecs(["96"], [" 96  iLBC/8000"], [" 96  mode=20"]) == (
        Codec(96, "iLBC", 8000, 1, "mode=20"),
    )


@pytest.mark.parametrize("encoding", ["opus/48000/2", "PCMU/8000"])
def test_codec_is_written_as_it_is_read(encoding):
    (codec,) = known_codecs(["96"], [f"96 {encoding}"], [])
    assert codec.encoding == encoding
