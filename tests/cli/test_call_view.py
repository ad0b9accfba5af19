import pytest

from karl_trio.cli.call_view import moment, show_call, streams_of
from karl_trio.cli.screen import Screen

REPLY = {
    "result": "ok",
    "created": 1_700_000_000,
    "last signal": 1_700_000_005,
    "totals": {
        "RTP": {"packets": 300, "bytes": 51600, "errors": 1},
        "RTCP": {"packets": 2, "bytes": 56, "errors": 0},
    },
    "tags": {
        "alice": {
            "tag": "alice",
            "medias": [
                {
                    "index": 1,
                    "type": "audio",
                    "codec": "PCMU/8000",
                    "ingress SSRCs": [
                        {"SSRC": 1, "lost": 2, "jitter_us": 1500},
                        {"SSRC": 2, "lost": 1, "jitter_us": 200},
                    ],
                    "streams": [
                        {
                            "local address": "192.0.2.1",
                            "local port": 30000,
                            "endpoint": {"address": "203.0.113.9", "port": 4000, "family": "IPv4"},
                            "advertised endpoint": {"address": "10.0.0.9", "port": 4000, "family": "IPv4"},
                            "flags": ["RTP", "filled", "confirmed"],
                            "stats": {"packets": 150, "bytes": 25800, "errors": 1},
                            "stats_out": {"packets": 149, "bytes": 25628, "errors": 0},
                            "drops": {"wrong_source": 4},
                            "last packet": 1_700_000_010,
                        },
                        {
                            "local address": "2001:db8::1",
                            "local port": 30001,
                            "endpoint": {},
                            "flags": ["RTCP"],
                        },
                    ],
                }
            ],
        },
        "<untagged 2>": {"tag": "", "medias": [{"index": 1, "type": "audio", "streams": [{}]}]},
    },
}


def test_every_stream_with_its_addresses_and_counters():
    rtp, rtcp, other = streams_of(REPLY)
    assert (rtp.tag, rtp.media, rtp.component) == ("alice", "1 audio PCMU/8000", "RTP")
    assert (rtp.ours, rtp.advertised, rtp.learned) == ("192.0.2.1:30000", "10.0.0.9:4000", "203.0.113.9:4000")
    assert (rtp.packets, rtp.packets_out, rtp.errors, rtp.lost, rtp.jitter) == (150, 149, 1, 3, 1.5)
    assert rtp.drops == {"wrong_source": 4}
    assert (rtcp.component, rtcp.ours, rtcp.learned, rtcp.lost) == ("RTCP", "[2001:db8::1]:30001", "", None)
    assert (other.tag, other.ours, other.packets) == ("<untagged 2>", "", None)


def test_a_muxed_stream_carries_both():
    media = {"streams": [{"flags": ["RTP", "RTCP"]}]}
    assert streams_of({"tags": {"a": {"medias": [media]}}})[0].component == "RTP+RTCP"


def test_a_reply_of_the_wrong_shape_is_no_crash():
    for odd in (
        {},
        {"tags": []},
        {"tags": {"a": 5}},
        {"tags": {"a": {"medias": {"x": 1}}}},
        {"tags": {"a": {"medias": [7]}}},
    ):
        assert streams_of(odd) == ()


def test_what_a_person_sees(capsys):
    show_call(Screen(), REPLY)
    out = capsys.readouterr().out
    assert "RTP          300 packets, 51600 bytes, 1 errors" in out
    line = next(line for line in out.splitlines() if "203.0.113.9:4000" in line)
    for shown in ("alice", "192.0.2.1:30000", "10.0.0.9:4000", "150", "149", "1.5 ms", "wrong_source 4"):
        assert shown in line


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
        (-5, "0 s ago"),
    ],
)
def test_ages(capsys, monkeypatch, seconds, shown):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000 + seconds)
    show_call(Screen(), {"created": 1_700_000_000})
    assert capsys.readouterr().out.splitlines()[0] == f"created      {moment(1_700_000_000)}, {shown}"


def test_a_narrow_terminal_gets_a_table_of_addresses_and_one_of_figures(capsys, monkeypatch):
    monkeypatch.setattr("karl_trio.cli.call_view.WIDE", 100_000)
    show_call(Screen(), REPLY)
    out = capsys.readouterr().out
    where, figures = (line for line in out.splitlines() if line.startswith("alice         RTP "))
    assert "203.0.113.9:4000" in where
    assert "wrong_source 4" in figures
