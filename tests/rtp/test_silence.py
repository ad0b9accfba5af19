"""Silence that lasts as long as the audio whose place it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.rtp.silence import silenced, silencer_of

OPUS = silencer_of("opus/48000/2")


@pytest.mark.parametrize(
    ("encoding", "octet"),
    [("PCMU/8000", 0xFF), ("pcma/8000", 0xD5), ("G722/8000", 0xFA), ("L16/44100/2", 0)],
)
def test_fixed_rate_codecs_have_an_octet_for_silence(encoding, octet):
    assert silencer_of(encoding)(memoryview(b"speech")) == bytes([octet]) * 6


@pytest.mark.parametrize("encoding", ["G729/8000", "AMR/8000", "telephone-event/8000", "VP8/90000", ""])
def test_others_take_an_encoder(encoding):
    assert silencer_of(encoding) is None


def test_comfort_noise_becomes_as_quiet_as_it_can_be():
    assert silencer_of("CN/8000")(memoryview(b"\x28\x11\x22")) == b"\x7f"


# Each of these outputs was decoded with libopus and with FFmpeg's own decoder: nothing but zeros, and as many
# samples as the milliseconds say.
@pytest.mark.parametrize(
    ("milliseconds", "toc", "silence"),
    [
        (2.5, [16 << 3], "e0fffe"),
        (5, [17 << 3 | 4], "ecfffe"),  # stereo
        (10, [8 << 3], "f0fffe"),
        (20, [31 << 3], "f8fffe"),
        (20, [9 << 3 | 4], "fcfffe"),
        (20, [12 << 3 | 1, 0], "f8fffe"),
        (40, [10 << 3], "fb02fffefffe"),
        (60, [11 << 3], "fb03fffefffefffe"),
        (60, [31 << 3 | 3, 3, 0, 0, 0], "fb03fffefffefffe"),
        (120, [3 << 3 | 1, 0], "fb06" + 6 * "fffe"),
    ],
)
def test_opus_is_silent_for_as_long(milliseconds, toc, silence):
    assert OPUS(memoryview(bytes(toc))).hex() == silence


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x00", bytes([11 << 3 | 3, 3])])
def test_opus_that_cannot_be_is_not_understood(payload):
    assert OPUS(memoryview(payload)) is None


@given(st.binary(max_size=64))
def test_whatever_comes_gives_silence_or_nothing(packet):
    for encoding in ("PCMU/8000", "opus/48000/2"):
        made = silenced(packet, silencer_of(encoding))
        assert made is None or made[1:12] == packet[1:12]


@pytest.mark.parametrize("packet", [b"\x80" + bytes(10), b"\x8f" + bytes(20), b"\xa0" + bytes(20)])
def test_a_malformed_packet_gives_none(packet):
    assert silenced(packet, silencer_of("PCMU/8000")) is None
