"""One thing said in many ways is one thing; what is unknown is a warning and no error."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import InvalidParameters
from karl_trio.ng import nearest
from karl_trio.ng.keys import KEYS
from karl_trio.ng.parameters import MAX_WARNINGS, collect
from karl_trio.ng.values import Value


@pytest.mark.parametrize("spelling", ["media-address", "media address", "media_address", "Media-Address"])
def test_hyphens_spaces_underscores_and_case_are_one_key(spelling):
    assert collect({spelling: "192.0.2.1"}).values == {"media-address": "192.0.2.1"}


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("SDP", "sdp"),
        ("output-destination", "recording-file"),
        ("recording_dest", "recording-file"),
        ("output folder", "recording-dir"),
        ("from-label", "label"),
        ("digit", "code"),
        ("reverse ptime", "ptime-reverse"),
        ("sip_response_code", "sip-code"),
    ],
)
def test_some_keys_have_other_names(spelling, key):
    assert collect({spelling: "x"}).values == {key: "x"}


@pytest.mark.parametrize(
    "body",
    [
        {"flags": ["strict-source", "NAT-wait"]},
        {"flags": ["strict source", "nat_wait"]},
        {"flags": ["STRICT-SOURCE NAT-wait"]},
        {"flags": "strict-source,NAT-wait"},
        {"flags": "strict-source, NAT wait"},
        {"flags": "strict-source NAT-wait"},
        {"flags": "NAT-wait", "strict-source": ""},
        {"strict-source": "yes", "nat wait": 1},
        {"strict source": ["on"], "NAT-wait": "NAT-wait"},
        {"flags": ["NAT-wait=on", "strict-source=1"]},
        {"rtpp-flags": "strict-source NAT-wait"},
        {"rtpp_flags": "strict-source=yes NAT-wait"},
        {"rtpp flags": ["strict-source", "NAT-wait"]},
        {"rtpp-flags": "flags=[strict-source NAT-wait]"},
    ],
)
def test_flags_may_stand_anywhere(body):
    parameters = collect(body)
    assert parameters.flags == {"strict-source", "nat-wait"}
    assert parameters.warnings == []


@pytest.mark.parametrize("no", ["no", "off", "0", "false", 0])
def test_a_flag_as_a_key_can_be_switched_off(no):
    assert collect({"strict-source": no}).flags == set()


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("ICE=remove", {"ice": "remove"}),
        ("ICE=force_relay", {"ice": "force-relay"}),
        ("DTLS=passive", {"dtls": "passive"}),
        ("DTLS=no", {"dtls": "off"}),
        ("media-timeout=60", {"media-timeout": "60"}),
        ("SDES-off", {"sdes": ["off"]}),
        ("SDES-no", {"sdes": ["off"]}),
        ("SDES-unencrypted_srtp", {"sdes": ["unencrypted-srtp"]}),
        ("SDES-UNENCRYPTED_SRTP", {"sdes": ["unencrypted-srtp"]}),
        ("SDES-no-NULL_HMAC_SHA1_80", {"sdes": ["no-NULL_HMAC_SHA1_80"]}),
        ("SDES-only-null_hmac_sha1_80", {"sdes": ["only-NULL_HMAC_SHA1_80"]}),
        ("SDES-order:AEAD_AES_256_GCM;F8;", {"sdes": ["order:AEAD_AES_256_GCM;F8;"]}),
        ("SDES-offerer_pref:F8;", {"sdes": ["offerer-pref:F8;"]}),
        ("replace-origin", {"replace": ["origin"]}),
        ("replace-SDP_version", {"replace": ["sdp-version"]}),
        ("rtcp-mux-offer", {"rtcp-mux": ["offer"]}),
        ("OSRTP-accept-RFC", {"osrtp": ["accept-rfc"]}),
        ("T38-no-V.17", {"t38": ["no-v.17"]}),
        ("endpoint-learning-immediate", {"endpoint-learning": "immediate"}),
        ("codec-strip-PCMA", {"codec": {"strip": ["PCMA"]}}),
        ("codec-strip=PCMA", {"codec": {"strip": ["PCMA"]}}),
        ("transcode-iLBC/8000/1///mode--30", {"codec": {"transcode": ["iLBC/8000/1///mode=30"]}}),
        ("transcode-iLBC/8000/1///mode=30", {"codec": {"transcode": ["iLBC/8000/1///mode=30"]}}),
        ("always-transcode", {"codec": {"accept": ["all"]}}),
        ("from-tags-AbC", {"from-tags": ["AbC"]}),
        ("record-call", {"record-call": "on"}),
        ("generate-RTCP", {"generate-rtcp": "on"}),
        ("no-player", {"audio-player": "off"}),
        ("RTP/SAVPF", {"transport-protocol": "rtp/savpf"}),
        ("udp/tls/rtp/savp", {"transport-protocol": "udp/tls/rtp/savp"}),
        ("RTP AVP", {"transport-protocol": "rtp/avp"}),
        ("SRTP AVPF", {"transport-protocol": "rtp/savpf"}),
        ("DTLS", {"transport-protocol": "udp/tls/rtp/savp"}),
        ("internal external", {"direction": ["internal", "external"]}),
        ("sdp-attr-add-audio-fmtp:101..0-15", {"sdp-attr": {"audio": {"add": ["fmtp:101 0-15"]}}}),
        ("sdp-attr-substitute-none-a>b--c", {"sdp-attr": {"none": {"substitute": [["a", "b=c"]]}}}),
        ("direction=internal", {"direction": ["internal"]}),
    ],
)
def test_entries_of_flags_that_are_values_of_keys(entry, values):
    for body in ({"flags": [entry]}, {"rtpp-flags": entry}):
        parameters = collect(body)
        assert parameters.values == values
        assert parameters.flags == set()
        assert parameters.warnings == []


def test_a_family_may_be_a_key_of_its_own():
    assert collect({"codec-strip": ["PCMA", "G722"]}).values == {"codec": {"strip": ["PCMA", "G722"]}}
    assert collect({"transcode": "opus"}).values == {"codec": {"transcode": ["opus"]}}
    assert collect({"replace-origin": "", "SDES-off": "yes"}).values == {
        "replace": ["origin"],
        "sdes": ["off"],
    }


def test_what_is_said_in_several_places_adds_up():
    parameters = collect(
        {
            "replace": ["origin"],
            "codec": {"strip": "PCMA,G722"},
            "flags": ["replace-session-name", "codec-strip-GSM", "codec-offer-PCMU"],
            "sdp-attr": {"audio": {"add": ["ptime:20"]}},
            "rtpp-flags": "sdp-attr-add-audio-x sdp-attr-remove-none-y codec=[mask=[opus]]",
        }
    )
    assert parameters.values == {
        "replace": ["origin", "session-name"],
        "codec": {"strip": ["PCMA", "G722", "GSM"], "offer": ["PCMU"], "mask": ["opus"]},
        "sdp-attr": {"audio": {"add": ["ptime:20", "x"]}, "none": {"remove": ["y"]}},
    }


def test_a_request_is_not_changed_by_being_read():
    body: dict[str, Value] = {
        "flags": ["replace-username", "sdp-attr-add-audio-x", "codec-strip-GSM"],
        "replace": ["origin"],
        "codec": {"strip": ["PCMA"]},
        "sdp-attr": {"audio": {"add": ["ptime:20"]}},
        "rtpp-flags": "sdp-attr-add-audio-y codec-strip-G722 replace-origin",
    }
    before = copy.deepcopy(body)
    collect(body)
    assert body == before


def test_webrtc_is_short_for_what_a_browser_wants():
    parameters = collect({"flags": ["WebRTC"]})
    assert parameters.values == {
        "transport-protocol": "udp/tls/rtp/savpf",
        "ice": "force",
        "rtcp-mux": ["offer", "require"],
        "sdes": ["off"],
    }
    assert parameters.flags == {"trickle-ice", "no-rtcp-attribute", "generate-mid"}


def test_ice_may_ask_for_trickle_as_well():
    parameters = collect({"ICE": "force,trickle"})
    assert (parameters.values, parameters.flags) == ({"ice": "force"}, {"trickle-ice"})


def test_tags_in_rtpp_flags_imply_flags():
    parameters = collect({"rtpp-flags": "to-tag=a from-tag=b"})
    assert parameters.values == {"to-tag": "a", "from-tag": "b"}
    assert parameters.flags == {"to-tag", "directional"}
    assert collect({"to-tag": "a", "from-tag": "b"}).flags == set()
    assert collect({"flags": ["to-tag"]}).flags == {"to-tag"}


def test_brackets_that_do_not_match_are_invalid():
    with pytest.raises(InvalidParameters, match="rtpp-flags: a bracket"):
        collect({"rtpp-flags": "direction=[internal"})


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ({"flags": ["trust-adress"]}, "unknown flag 'trust-adress', did you mean 'trust-address'?"),
        (
            {"flags": ["sip_source_adress"]},
            "unknown flag 'sip_source_adress', did you mean 'SIP-source-address'?",
        ),
        ({"flags": ["xyzzy"]}, "unknown flag 'xyzzy'"),
        ({"media-adress": "192.0.2.1"}, "unknown key 'media-adress', did you mean 'media-address'?"),
        ({"flags": ["media-adress=192.0.2.1"]}, "unknown key 'media-adress', did you mean 'media-address'?"),
        ({"ICE": "removed"}, "unknown ice option 'removed', did you mean 'remove'?"),
        ({"flags": ["replace-orign"]}, "unknown replace option 'orign', did you mean 'origin'?"),
        ({"codec": {"stripp": "PCMA"}}, "unknown codec operation 'stripp', did you mean 'strip'?"),
        (
            {"transport-protocol": "RTP/XAVP"},
            "unknown transport-protocol option 'RTP/XAVP', did you mean 'rtp/avp'?",
        ),
        ({"strict-source": "maybe"}, "flag 'strict-source' is neither yes nor no: 'maybe'"),
        ({"flags": ["command=delete"]}, "unknown flag 'command=delete'"),
        ({"flags": ["x" * 100]}, f"unknown flag '{'x' * nearest.MAX_QUOTED}...'"),
    ],
)
def test_what_is_unknown_is_named_with_the_nearest_known(body, warning):
    parameters = collect(body)
    assert parameters.warnings == [warning]
    assert parameters.values.get("command") is None


def test_warnings_are_limited():
    parameters = collect({"flags": [f"unknown-{number}" for number in range(1000)]})
    assert len(parameters.warnings) == MAX_WARNINGS
    assert len(collect({"flags": ["symmetric=maybe"] * 100}).warnings) == MAX_WARNINGS


def test_no_flags_at_all_are_no_unknown_flag():
    assert collect({"flags": ""}) == collect({"flags": []}) == collect({"rtpp-flags": ""}) == collect({})


def test_flags_within_flags_go_no_deeper():
    assert len(collect({"flags": ["flags=" * 10_000 + "x"]}).warnings) == 1
    assert len(collect({"flags": ["rtpp-flags=" * 5_000 + "x"]}).warnings) == 1
    assert collect({"rtpp-flags": "rtpp-flags=[rtpp-flags=[x]]"}).flags == set()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"flags": {"a": 1}}, "flags"),
        ({"flags": [["a"]]}, "flags"),
        ({"replace": [{}]}, "replace"),
        ({"ICE": {}}, "ice"),
        ({"codec": "PCMA"}, "codec"),
        ({"codec": {"strip": {}}}, "codec.strip"),
        ({"sdp-attr": []}, "sdp-attr"),
        ({"rtpp-flags": {}}, "rtpp-flags"),
        ({"strict-source": {}}, "strict-source"),
        ({"sdp-attr": {"audio": []}, "flags": ["sdp-attr-add-audio-x"]}, "sdp-attr"),
        ({"sdp-attr": {"audio": {"add": {}}}, "flags": ["sdp-attr-add-audio-x"]}, "sdp-attr.audio.add"),
    ],
)
def test_a_value_of_the_wrong_type_is_invalid_and_named(body, key):
    with pytest.raises(InvalidParameters) as caught:
        collect(body)
    assert caught.value.detail.startswith(f"{key}: ")


values = st.recursive(
    st.text("abAB01-_=,:;[]/> ", max_size=20) | st.integers(-5, 5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-=", max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "symmetric", "transcode", "SDES-off", "WebRTC"]) | st.text(), values
    )
)
def test_any_dictionary_is_understood_or_invalid(body):
    try:
        parameters = collect(body)
    except InvalidParameters:
        return
    assert set(parameters.values) <= set(KEYS)
