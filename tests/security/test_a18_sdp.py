"""A18: SDP that breaks parsers, sent to the daemon as a SIP proxy would pass it on."""

import sys

import pytest

from karl_trio.client import RequestFailed
from karl_trio.sdp.description import parse

from .hosts import sdp

DOCUMENTED = {"Invalid SDP", "Port allocation failed", "Invalid parameters"}

MOST_OPERATIONS = 150_000
"""Function calls, C functions included, which even a slow machine makes in a few hundredths of a second."""

BASE = sdp("127.0.1.1", 4000)
AUDIO = "m=audio 4000 RTP/AVP 0"


def with_media(line, *attributes):
    return sdp("127.0.1.1", 4000, media=line, attributes=attributes)


CORPUS = {
    "nothing": "",
    "a line end": "\r\n",
    "only the version": "v=0\r\n",
    "NUL in an attribute": BASE + "a=x\0y\r\n",
    "lone CR": BASE + "a=x\ry\r\n",
    "bytes that are no UTF-8": BASE + "a=\udcff\udcfe\r\n",
    "no c= line": BASE.replace("c=IN IP4 127.0.1.1\r\n", ""),
    "second c= line": BASE.replace("t=0 0", "c=IN IP4 127.0.1.1\r\nt=0 0"),
    "m= without anything": BASE + "m=\r\n",
    "m= of one word": BASE + "m=audio\r\n",
    "m= of two words": BASE + "m=audio 1\r\n",
    "port beyond 16 bits": with_media("m=audio 65536 RTP/AVP 0"),
    "port of 20 digits": with_media("m=audio 99999999999999999999 RTP/AVP 0"),
    "negative port": with_media("m=audio -1 RTP/AVP 0"),
    "port with digits of another script": with_media("m=audio \u0664\u0660\u0660\u0660 RTP/AVP 0"),
    "port count of zero": with_media("m=audio 4000/0 RTP/AVP 0"),
    "port count beyond all ports": with_media("m=audio 4000/65535 RTP/AVP 0"),
    "payload type beyond 32 bits": with_media("m=audio 4000 RTP/AVP 4294967296"),
    "payload type beyond 7 bits": with_media("m=audio 4000 RTP/AVP 128"),
    "negative payload type": with_media("m=audio 4000 RTP/AVP -1"),
    "rtpmap of a payload type beyond 32 bits": with_media(AUDIO, "a=rtpmap:4294967296 PCMU/8000"),
    "rtpmap with a clock rate of zero": with_media(AUDIO, "a=rtpmap:0 PCMU/0"),
    "rtpmap with a clock rate beyond 64 bits": with_media(AUDIO, "a=rtpmap:0 PCMU/99999999999999999999999"),
    "rtpmap without a codec": with_media(AUDIO, "a=rtpmap:0", "a=rtpmap:", "a=rtpmap"),
    "fmtp of nothing": with_media(AUDIO, "a=fmtp:", "a=fmtp", "a=fmtp:0", "a=fmtp:999 x"),
    "fmtp that says nothing at length": with_media("m=audio 4000 RTP/AVP 96", "a=fmtp:96 " + "=;" * 20_000),
    "rtcp of nothing": with_media(AUDIO, "a=rtcp", "a=rtcp:", "a=rtcp:65536", "a=rtcp:1 IN IP4"),
    "direction twice": with_media(AUDIO, "a=sendonly", "a=recvonly", "a=inactive"),
    "ptime that is no number": with_media(AUDIO, "a=ptime:nan", "a=maxptime:-1", "a=ptime:1e999"),
    "crypto of nothing": with_media("m=audio 4000 RTP/SAVP 0", "a=crypto:", "a=crypto:1 X inline:"),
    "fingerprint of nothing": with_media("m=audio 4000 UDP/TLS/RTP/SAVP 0", "a=fingerprint:", "a=setup:x"),
    "candidates without end": with_media(
        AUDIO,
        "a=ice-ufrag:x",
        *[f"a=candidate:{number} 1 UDP 1 127.0.1.1 {number} typ host" for number in range(250)],
    ),
    "ten thousand lines": BASE + "a=\r\n" * 10_000,
    "ten thousand empty lines": BASE + "\r\n" * 10_000,
    "one line of 60 kB": BASE + "a=" + "x" * 55_000 + "\r\n",
    "a thousand media": BASE + "m=audio 0 RTP/AVP 0\r\n" * 1000,
    "sixty media": BASE + "m=audio 4000 RTP/AVP 0\r\n" * 60,
    "every payload type": with_media("m=audio 4000 RTP/AVP " + " ".join(map(str, range(128)))),
    "one payload type, ten thousand times": with_media("m=audio 4000 RTP/AVP" + " 0" * 10_000),
    "o= without end": BASE.replace("o=- 1 1", "o=- 1 " + "9" * 10_000),
    "s= that is a terminal's undoing": BASE.replace("s=-", "s=\x1b[2J\x07"),
    "lines in no order": "\r\n".join(["v=0", *reversed(BASE.split("\r\n")[1:])]),
    "everything in upper case": BASE.upper(),
}


@pytest.fixture
def operations():
    """Count the function calls made in a `with` block."""

    class Counter:
        count = 0

        def __enter__(self):
            sys.setprofile(self.note)

        def __exit__(self, *_):
            sys.setprofile(None)

        def note(self, frame, event, arg):
            self.count += event in ("call", "c_call")

    return Counter()


@pytest.mark.parametrize("name", CORPUS)
async def test_sdp_is_refused_or_understood_at_a_bounded_cost(
    autojump_clock, daemon, client, operations, name
):
    reply, reason = None, None
    with operations:
        try:
            reply = await client.offer("call-1", "alice", CORPUS[name], supports=[])
        except RequestFailed as error:
            reason = error.reason
    assert operations.count < MOST_OPERATIONS
    if reply is None:
        assert reason in DOCUMENTED
    else:
        assert len(parse(reply.sdp).media) == len(parse(CORPUS[name]).media)
        await client.delete("call-1")
    assert len(daemon.calls) == 0


async def test_a_good_offer_is_served_after_all_of_them(autojump_clock, daemon, client, caplog):
    for name, body in CORPUS.items():
        try:
            await client.offer(name, "alice", body)
            await client.delete(name)
        except RequestFailed:
            pass
    await client.offer("call-1", "alice", BASE)
    assert len(daemon.calls) == 1
    assert "internal error" not in caplog.text
