"""`karl-trio explain`: what a person who wrote a script gets to read, without any server."""

import json

import pytest

from karl_trio.cli.explain import flags_of


def test_every_entry_is_told_with_its_meaning_and_our_spelling(karl_trio):
    status, out, err = karl_trio("explain", "trust_address codec-strip-all codec-offer-PCMA")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "trust_address",
        "    Takes the address to send to from the SDP; the default.",
        "    = trust-address",
        "codec-strip-all",
        "    Removes this codec (all: every codec) as if it had never been offered.",
        "    = codec=[strip=all]",
        "codec-offer-PCMA",
        "    Offers this codec if it is there, in this order.",
        "    = codec=[offer=PCMA]",
    ]


def test_what_is_unknown_or_cannot_be_is_exit_status_1(karl_trio):
    status, out, _ = karl_trio("explain", "trust-adress", "symmetric")
    assert status == 1
    assert "    unknown flag 'trust-adress', did you mean 'trust-address'?\n" in out
    status, out, _ = karl_trio("explain", "media-timeout=N")
    assert status == 1
    assert "    not valid: media-timeout: " in out


def test_what_does_not_work_yet_and_what_contradicts_is_told(karl_trio):
    status, out, _ = karl_trio("explain", "ICE=force recording-vsc reset trust-address SIP-source-address")
    assert status == 0
    lines = out.splitlines()
    assert "    flag 'recording-vsc' has no effect yet" in lines
    assert "    not supported yet: ICE=force: ICE is not there yet" in lines
    assert "    obsolete" in lines
    assert lines[-1].startswith("! trust-address with SIP-source-address: ")


def test_json(karl_trio):
    status, out, _ = karl_trio("explain", "--json", "RTP/AVP loop-protec codec-strip-all")
    assert status == 1
    first, second, third = json.loads(out)["entries"]
    assert first == {
        "entry": "RTP/AVP",
        "canonical": ["transport-protocol=RTP/AVP"],
        "meaning": ["Plain RTP."],
        "verdict": "works",
    }
    assert (second["verdict"], second["meaning"]) == ("unknown", [])
    assert "loop-protect" in second["note"]
    assert third["verdict"] == "works"
    assert json.loads(out)["contradictions"] == [
        {"entries": ["codec-strip-all"], "outcome": "no codec is left, and the offer fails"}
    ]


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ('rtpengine_manage("trust-address ICE=remove");', "trust-address ICE=remove"),
        ('    if (!rtpengine_offer("a b", $var(sdp))) {', "a b"),
        ("rtpengine_answer('a')", "a"),
        ('rtpengine_manage("a media-address=" + $var(ip) + " b")', "a media-address=$var(ip) b"),
        ("rtpengine_manage($avp(flags));", "$avp(flags)"),
        ("rtpengine_delete();", ""),
        ("trust-address symmetric", "trust-address symmetric"),
    ],
)
def test_a_line_of_a_script_is_read(line, flags):
    assert flags_of(line) == flags


def test_a_whole_line_of_kamailio_is_explained(karl_trio):
    line = 'rtpengine_manage("replace-origin $var(more) direction=$var(from)");'
    status, out, _ = karl_trio("explain", line)
    assert status == 0
    assert [text for text in out.splitlines() if text[0] != " "] == [
        "replace-origin",
        "$var(more)",
        "direction=$var(from)",
    ]
    assert out.count("filled in by the script") == 2


def test_brackets_that_do_not_match_are_a_mistake_in_usage(karl_trio):
    status, out, err = karl_trio("explain", "codec=[strip=[all]")
    assert (status, out) == (2, "")
    assert "bracket" in err


def test_without_flags_there_is_nothing_to_explain(karl_trio):
    assert karl_trio("explain") == (2, "", "karl-trio: there are no flags to explain\n")


def test_escape_sequences_are_only_shown(karl_trio):
    assert "\x1b" not in "".join(map(str, karl_trio("explain", "trust\x1b[31m label=\x1b")))
