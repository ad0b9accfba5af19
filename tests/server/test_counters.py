"""`controlstatistics` says who asked for what, and cannot be made to grow without end."""

from karl_trio.server.counters import MAX_PROXIES, OTHER, ControlCounters
from karl_trio.server.hangup import Reason


def ask(counters, proxy, command, *, seconds=0.0, failed=False):
    tally = counters.tally(proxy, command)
    tally.count += 1
    tally.errors += failed
    tally.duration += seconds


def test_requests_are_counted_for_each_proxy_and_command():
    counters = ControlCounters()
    ask(counters, "192.0.2.1", "offer", seconds=0.25)
    ask(counters, "192.0.2.1", "offer", seconds=0.5, failed=True)
    ask(counters, "192.0.2.2", "start recording")
    reply = counters.reply(["offer", "start recording"])
    assert reply == {
        "proxies": [
            {
                "proxy": "192.0.2.1",
                "offercount": 2,
                "offerduration": "0.750000",
                "start_recordingcount": 0,
                "start_recordingduration": "0.000000",
                "errorcount": 1,
            },
            {
                "proxy": "192.0.2.2",
                "offercount": 0,
                "offerduration": "0.000000",
                "start_recordingcount": 1,
                "start_recordingduration": "0.000000",
                "errorcount": 0,
            },
        ],
        "totaloffercount": 2,
        "totalstart_recordingcount": 1,
        "withoutcookie": 0,
        "unreadable": 0,
        "unrecognized": 0,
        "repeated": 0,
        "overloaded": 0,
        "unsentreplies": 0,
        "notallowed": 0,
        "frommedia": 0,
        "connections": 0,
        "unaccepted": 0,
        "hangups": dict.fromkeys(Reason, 0),
    }


def test_addresses_beyond_the_limit_are_counted_together():
    counters = ControlCounters()
    for number in range(MAX_PROXIES + 50):
        ask(counters, f"2001:db8::{number:x}", "ping")
    reply = counters.reply(["ping"])
    assert len(reply["proxies"]) == MAX_PROXIES + 1
    assert reply["proxies"][-1]["proxy"] == OTHER
    assert reply["proxies"][-1]["pingcount"] == 50
    assert reply["totalpingcount"] == MAX_PROXIES + 50
