"""Everything that a real Kamailio was seen to send gets the reply that its script counts on.

The requests go through the whole daemon, scenario by scenario. An SDP that comes back is compared line
by line with rtpengine's, our ports in the place of its. Scenarios that need what this version cannot do
are refused, in the words that say so.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
import trio

from karl_trio.config import Settings
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.server import app

from ..samples.captures import exchanges

SETTINGS = Settings(listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), port_min=35600, port_max=35699)

REFUSED = {
    "005_plain_start-recording": "recording is not there yet",
    "006_plain_stop-recording": "recording is not there yet",
    "016_plain_start-forwarding": "forwarding to a recording daemon is not there yet",
    "018_plain_play-media": "playing media is not there yet",
    "019_plain_stop-media": "playing media is not there yet",
    "020_plain_play-DTMF": "DTMF injection is not there yet",
    "021_plain_play-DTMF": "DTMF injection is not there yet",
    "032_web_to_rtp_offer": "transport-protocol RTP/AVP for UDP/TLS/RTP/SAVPF: SRTP is not there yet",
    "035_rtp_to_web_offer": "ICE=force: ICE is not there yet",
    "038_sdes_to_rtp_offer": "transport-protocol RTP/AVP for RTP/SAVP: SRTP is not there yet",
    "041_rtp_to_sdes_offer": "transport-protocol RTP/SAVP for RTP/AVP: SRTP is not there yet",
    "044_codecs_offer": "transcode opus: no such codec to pass on, and transcoding is not there yet",
    "066_seed_flags_offer": "ICE=force-relay: ICE is not there yet",
}
"""What cannot be carried out yet, and why; the rest of a call whose offer is refused then is unknown."""

WARNED = {
    "017_plain_stop-forwarding": ["nothing was being forwarded"],
    "047_misc_offer": ["recording is not there yet"],
}
"""What has no effect; nothing else is warned of."""

DIFFERENT_LINES = {
    # always-transcode had made rtpengine drop PCMA.
    # receive-only and send-only, which it did not know, leave nothing.
    "047_misc_offer": {"a=inactive", "a=sendrecv"},
    "048_misc_answer": {
        *("m=audio PORT RTP/AVP 0 8 101", "m=audio PORT RTP/AVP 0 101", "a=rtpmap:8 PCMA/8000"),
        *("a=inactive", "a=sendrecv"),
    },
}
"""Lines that only one of the two has, where that is meant."""


def scenarios():
    """The captured exchanges by scenario: ``plain``, ``noflags`` ..."""
    found = defaultdict(list)
    for exchange in exchanges():
        found[exchange.name.split("_", 1)[1].rpartition("_")[0]].append(exchange)
    return found


def modern(lines: list[str]) -> list[str]:
    """Give each media the c= line that rtpengine 10.5 wrote once for the session; later ones do so too."""
    first = next(number for number, line in enumerate(lines) if line.startswith("m="))
    connection = [line for line in lines[:first] if line.startswith("c=")]
    session = [line for line in lines[:first] if not line.startswith("c=")]
    media = [[line, *connection] if line.startswith("m=") else [line] for line in lines[first:]]
    return session + [line for group in media for line in group]


def anonymous(sdp: str) -> list[str]:
    """Return the lines of an SDP without what no two daemons have in common: ports and loop marks."""
    sdp = re.sub(r"^(m=\w+) [1-9]\d*", r"\1 PORT", sdp, flags=re.MULTILINE)
    sdp = re.sub(r"^a=rtcp:\d+", "a=rtcp:PORT", sdp, flags=re.MULTILINE)
    sdp = re.sub(r"^a=rtpengine:[0-9a-f]{12}", "a=rtpengine:MARK", sdp, flags=re.MULTILINE)
    return sdp.split("\r\n")


@pytest.fixture
async def ask(nursery):
    served = await nursery.start(app.serve, SETTINGS)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy:
        await proxy.connect(served.ng_addresses[0].sockaddr)

        async def ask(exchange):
            await proxy.send(frame(exchange.cookie.encode(), exchange.request, Format.BENCODE))
            with trio.fail_after(5):
                message = parse(await proxy.recv(65535))
            assert message.cookie == exchange.cookie.encode()
            return message.body

        yield ask


@pytest.mark.parametrize(("name", "captured"), scenarios().items())
async def test_a_scenario_of_kamailio_is_answered(ask, name, captured):
    is_unknown = False
    for exchange in captured:
        reply = await ask(exchange)
        if exchange.name in REFUSED:
            is_unknown = exchange.command == "offer"
            assert reply["result"] == "error"
            assert reply["error-reason"] == "Not supported"
            assert REFUSED[exchange.name] in reply["warning"]
        elif is_unknown and exchange.command == "delete":
            assert reply == {"result": "ok", "warning": "Call-ID not found or tags didn't match"}
        elif is_unknown:
            assert reply == {"result": "error", "error-reason": "Unknown call-id"}
        else:
            check(exchange, reply)


def check(exchange, reply):
    assert reply["result"] == exchange.reply["result"]
    assert reply.get("warning", "") == "; ".join(WARNED.get(exchange.name, []))
    if "sdp" in exchange.reply:
        ours, theirs = anonymous(reply["sdp"]), modern(anonymous(exchange.reply["sdp"]))
        different = DIFFERENT_LINES.get(exchange.name, set())
        assert [line for line in ours if line not in different] == [
            line for line in theirs if line not in different
        ]
    if "tags" in exchange.reply:
        check_tags(exchange.reply, reply)


def check_tags(theirs, ours):
    """A script that reads the figures finds every leg, media and stream where rtpengine has them."""
    assert set(theirs["totals"]) <= set(ours["totals"])
    assert set(ours["tags"]) == set(theirs["tags"])
    for tag, leg in theirs["tags"].items():
        our_leg = ours["tags"][tag]
        assert our_leg["tag"] == leg["tag"]
        assert our_leg["subscriptions"] == leg["subscriptions"]
        assert len(our_leg["medias"]) == len(leg["medias"])
        for our_media, media in zip(our_leg["medias"], leg["medias"], strict=True):
            assert (our_media["index"], our_media["type"]) == (media["index"], media["type"])
            assert our_media["protocol"] == media["protocol"]
            for our_stream, stream in zip(our_media["streams"], media["streams"], strict=True):
                assert our_stream["endpoint"] == stream["endpoint"]
                assert our_stream["advertised endpoint"] == stream["advertised endpoint"]
                assert set(stream["flags"]) <= set(our_stream["flags"])


def test_every_refusal_and_warning_is_of_a_request_that_was_captured():
    names = {exchange.name for exchange in exchanges()}
    assert {*REFUSED, *WARNED, *DIFFERENT_LINES} <= names
