"""The tables of keys, flags and words: complete, and of one piece."""

from __future__ import annotations

import re

import pytest

from karl_trio.ng import flags, keys
from karl_trio.ng.flags import BARE_TRANSPORTS, FLAGS, TRANSPORTS
from karl_trio.ng.keys import KEYS, Kind, canonical
from karl_trio.ng.parameters import collect
from karl_trio.ng.words import CODEC_OPERATIONS, FAMILIES, WORDS

MEANINGS = {
    **{f"key {name}": key.meaning for name, key in KEYS.items()},
    **{f"flag {name}": flag.meaning for name, flag in FLAGS.items()},
    **{f"{key}={word}": flag.meaning for key, known in WORDS.items() for word, flag in known.items()},
    **{f"codec-{operation}": meaning for operation, meaning in CODEC_OPERATIONS.items()},
}

PAGE = (
    *("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"),
    *("replace-origin", "replace-session-connection", "trust-address", "SIP-source-address"),
    *("symmetric", "asymmetric", "ICE=remove", "ICE=force", "ICE=force-relay"),
    *("DTLS=off", "DTLS=passive", "DTLS=active"),
    *("SDES-off", "SDES-on", "SDES-unencrypted_srtp", "SDES-unencrypted_srtcp"),
    *("codec-strip-all", "codec-offer-PCMU", "codec-mask-PCMU", "transcode-PCMU", "record-call"),
    *("media-timeout=60", "receive-only", "send-only"),
)
"""Every flag of the protocol's documentation."""

RTPENGINE = """
all allow-asymmetric-codecs allow-no-codec-media allow-transcoding force-transcoding always-transcode
audio-player no-audio-player bidirectional block-dtmf block-egress block-short debug detect-DTMF
directional discard-recording early-media egress exclude-recording fatal fast fragment
full-rtcp-attribute generate-mid generate-RTCP ICE-reject reject-ICE inactive inject-DTMF loop-protect
media-handover RTCP-mirror mix NAT-wait new-branch reuse-codecs no-codec-renegotiation passthrough
no-passthrough no-port-latching port-latching no-redis-update no-rtcp-attribute no-tls-id
no-jitter-buffer original-sendrecv pad-crypto pierce-NAT provisional recording-vsc
recording-announcement recrypt reset single-codec SIPREC skip-recording-db static-codecs strict-source
strip-extmap to-tag trickle-ICE unidirectional unsubscribe WebRTC symmetric-codecs asymmetric-codecs
reorder-codecs SDES-no-NULL_HMAC_SHA1_80 SDES-only-AES_CM_128_HMAC_SHA1_80
SDES-order:AES_256_CM_HMAC_SHA1_80;AES_CM_128_HMAC_SHA1_80; SDES-offerer_pref:AES_CM_128_HMAC_SHA1_80;
SDES-pad SDES-lifetime SDES-static SDES-nonew SDES-prefer OSRTP-offer OSRTP-offer-legacy
OSRTP-accept-RFC replace-origin-full replace-session-name replace-SDP-version replace-username
replace-zero-address replace-force-increment-sdp-ver rtcp-mux-offer rtcp-mux-require rtcp-mux-demux
rtcp-mux-accept rtcp-mux-reject BUNDLE-accept BUNDLE-strict T38-decode T.38-no-V.17
endpoint-learning-immediate from-tags-abc sdp-attr-add-audio-ptime:20 sdp-attr-remove-none-ssrc:
sdp-attr-substitute-global-sendrecv>sendonly codec-except-PCMU codec-ignore-PCMU codec-accept-PCMU
codec-consume-PCMU codec-set-opus/48000/1/16000 codec-transcode-PCMU
"""
"""Every flag and prefix that rtpengine's users know."""


@pytest.mark.parametrize("flag", [*PAGE, *RTPENGINE.split()])
def test_documented_flags_are_known(flag):
    spellings = {flag, flag.lower(), flag.replace("-", " ", 1)}
    for spelling in spellings:
        assert collect({"flags": [spelling]}).warnings == []
    assert collect({"rtpp-flags": flag}).warnings == []


@pytest.mark.parametrize("what", MEANINGS)
def test_every_name_has_one_plain_sentence(what):
    meaning = MEANINGS[what]
    assert re.fullmatch(r"[A-Z0-9].{5,}[^.]\.", meaning), meaning
    assert len(meaning) <= 100


def test_no_spelling_means_two_things():
    for names, table in ((keys.NAMES, KEYS), (flags.NAMES, FLAGS)):
        spellings = [canonical(other) for name, row in table.items() for other in (name, *row.also)]
        assert len(spellings) == len(set(spellings)) == len(names)
    for key, known in WORDS.items():
        spellings = [canonical(other) for word, row in known.items() for other in {word, *row.also}]
        assert len(spellings) == len(set(spellings)), key


def test_names_of_keys_are_canonical():
    assert list(KEYS) == [canonical(name) for name in KEYS]
    assert all(other == canonical(other) for key in KEYS.values() for other in key.also)


def test_keys_with_words_have_a_vocabulary_and_only_they():
    assert {name for name, key in KEYS.items() if key.kind in (Kind.WORD, Kind.WORDS)} == set(WORDS)


def test_families_lead_to_keys():
    assert {family.key for family in FAMILIES.values()} <= set(KEYS)


@pytest.mark.parametrize("entry", [entry for flag in FLAGS.values() for entry in flag.stands_for])
def test_what_a_flag_stands_for_is_known(entry):
    assert collect({"flags": [entry]}).warnings == []


def test_every_sum_of_transport_parts_is_a_transport():
    parts = {frozenset[str]()}
    for _ in range(4):
        parts |= {(old | adds) - takes for old in parts for adds, takes in BARE_TRANSPORTS.values()}
    assert parts == set(TRANSPORTS)
