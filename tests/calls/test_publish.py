"""`publish`: what the publisher is answered, and whose media is taken."""

import re

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.config import Settings
from karl_trio.errors import (
    CodecNegotiationFailed,
    InvalidSdp,
    InvalidSessionState,
    NotSupported,
    OutOfPorts,
    SessionLimitReached,
)
from karl_trio.sdp.description import parse

from ..media.fakes import rtp
from .proxy import ports, sdp

OFFER = """\
v=0
o=camera 1 1 IN IP4 198.51.100.7
s=lobby
c=IN IP4 198.51.100.7
t=0 0
m=audio 4000 RTP/AVP 96 8 0 101 13
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendonly
a=ptime:20
"""


def lines_of(body):
    """The lines of an SDP of ours, with what differs every time made equal."""
    assert body.endswith("\r\n")
    lines = body.split("\r\n")[:-1]
    assert re.fullmatch(r"o=- \d+ \d+ IN IP4 127\.0\.0\.1", lines[1])
    ports_seen = {}
    named = []
    for line in lines:
        for number in re.findall(r"\b24\d\d\d\b", line):
            ports_seen.setdefault(number, f"PORT{len(ports_seen) or ''}")
            line = line.replace(number, ports_seen[number])
        named.append(re.sub(r"^o=- \d+ (\d+)", r"o=- ID \1", line))
    return named


async def test_the_answer_takes_one_codec_and_says_recvonly(proxy):
    reply = proxy.publish(OFFER)
    assert lines_of(reply.sdp) == [
        "v=0",
        "o=- ID 1 IN IP4 127.0.0.1",
        "s=karl-trio",
        "t=0 0",
        "m=audio PORT RTP/AVP 96",
        "c=IN IP4 127.0.0.1",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=recvonly",
        "a=rtcp:PORT1",
    ]
    assert reply.warnings == ()


@pytest.mark.parametrize(
    ("accept", "formats"),
    [
        (["PCMA"], ("8", "101", "13")),
        (["G729", "PCMU", "PCMA"], ("0", "101", "13")),
        (["opus"], ("96",)),
        (["G729"], ("96",)),
        (["any"], ("96",)),
        (["any", "PCMA"], ("96",)),
        (["all"], ("96", "8", "0", "101", "13")),
    ],
)
async def test_codecs_to_accept_are_preferences(proxy, accept, formats):
    reply = proxy.publish(OFFER, codec={"accept": accept})
    assert parse(reply.sdp).media[0].formats == formats
    assert reply.warnings == ()


async def test_a_codec_that_is_stripped_is_not_accepted(proxy):
    reply = proxy.publish(OFFER, codec={"strip": ["opus"]})
    assert parse(reply.sdp).media[0].formats == ("8", "101", "13")
    with pytest.raises(CodecNegotiationFailed):
        proxy.publish(OFFER, call_id="call-2", codec={"strip": ["all"]})
    assert proxy.calls.get("call-2") is None


async def test_bidirectional_is_answered_sendrecv_only_to_who_takes_media(proxy):
    both = proxy.publish(OFFER.replace("sendonly", "sendrecv"), flags=["bidirectional"])
    assert parse(both.sdp).media[0].direction.value == "sendrecv"
    one = proxy.publish(OFFER, call_id="call-2", flags=["bidirectional"])
    assert parse(one.sdp).media[0].direction.value == "recvonly"


async def test_media_that_is_no_rtp_is_rejected_in_its_place(proxy):
    media = [("image", 4000, ()), ("audio", 4002, ("mid:a",)), ("video", 0, ("mid:v",))]
    reply = proxy.publish(sdp(0, media=media))
    image, audio, video = parse(reply.sdp).media
    assert (image.port, audio.port > 0, video.port) == (0, True, 0)
    assert (audio.mid, video.mid) == ("a", "v")
    with pytest.raises(CodecNegotiationFailed):
        proxy.publish(sdp(0, media=media[:1]), call_id="call-2")


async def test_names_are_made_up_if_there_are_none(proxy):
    reply = proxy.publish(OFFER, call_id=None, from_tag=None)
    assert re.fullmatch("[0-9a-f]{64}", reply.call_id)
    assert re.fullmatch("[0-9a-f]{64}", reply.from_tag)
    assert proxy.call(reply.call_id).find_leg(reply.from_tag) is not None


async def test_rtcp_shares_the_port_if_the_publisher_offers_it(proxy, interfaces):
    reply = proxy.publish(sdp(4000, attributes=["rtcp-mux"]))
    (section,) = parse(reply.sdp).media
    assert section.rtcp_mux
    assert section.rtcp_endpoint.port == section.port
    await wait_all_tasks_blocked()
    assert len(list(proxy.call().streams)) == 1
    refused = proxy.publish(sdp(4002, attributes=["rtcp-mux"]), call_id="call-2", rtcp_mux=["reject"])
    assert not parse(refused.sdp).media[0].rtcp_mux


async def test_only_the_publisher_is_heard(proxy, phones):
    camera, stranger = phones(), phones(address="127.0.0.99")
    (port,) = ports(parse(proxy.publish(sdp(camera.endpoint.port, direction="sendonly")).sdp))
    await wait_all_tasks_blocked()
    camera.say(rtp(1), port)
    for sequence in range(20):
        stranger.say(rtp(sequence, ssrc=6), port)
    (stream, _) = proxy.call().streams
    with trio.fail_after(5):
        while stream.packets + stream.errors < 21:
            await trio.sleep(0.001)
    assert (stream.packets, stream.drops) == (1, {"foreign_source": 20})
    assert stranger.is_silent()


async def test_publishing_again_keeps_the_port_and_follows_the_publisher(proxy, interfaces):
    first = proxy.publish(sdp(4000))
    again = proxy.publish(sdp(4008))
    assert ports(parse(again.sdp)) == ports(parse(first.sdp))
    assert (parse(first.sdp).origin.version, parse(again.sdp).origin.version) == (1, 2)
    assert parse(first.sdp).origin.session_id == parse(again.sdp).origin.session_id
    assert interfaces.pools[0].in_use == 2
    (stream, _) = proxy.call().streams
    assert stream.latch.advertised.port == 4008
    proxy.publish(sdp(0))
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 0


async def test_what_is_refused_changes_nothing(proxy, interfaces):
    for body, keys, error in (
        ("hello", {}, InvalidSdp),
        (sdp(4000, address="224.1.1.1"), {}, InvalidSdp),
        (OFFER, {"ICE": "force"}, NotSupported),
        (OFFER, {"codec": {"transcode": ["G729"]}}, NotSupported),
        (OFFER.replace("RTP/AVP", "RTP/SAVP"), {"DTLS": "passive"}, NotSupported),
    ):
        with pytest.raises(error):
            proxy.publish(body, **keys)
    proxy.calls.settings = Settings(max_sessions=0)
    with pytest.raises(SessionLimitReached):
        proxy.publish(OFFER)
    assert len(proxy.calls) == interfaces.pools[0].in_use == 0


async def test_a_leg_of_an_ordinary_call_cannot_publish(proxy, interfaces):
    proxy.offer(sdp(4000))
    with pytest.raises(InvalidSessionState):
        proxy.publish(OFFER)
    assert interfaces.pools[0].in_use == 4


async def test_without_ports_nothing_is_left_over(proxy, interfaces):
    pool = interfaces.pools[0]
    taken = [pool.take_pair(trio.current_time()) for _ in range(pool.size // 2 - 1)]
    with pytest.raises(OutOfPorts):
        proxy.publish(sdp(0, media=[("audio", 4000, ()), ("audio", 4002, ())]))
    assert proxy.calls.get("call-1") is None
    assert pool.in_use == 2 * len(taken)
    for pair in taken:
        pair.close(trio.current_time())


async def test_a_dry_run_tells_and_changes_nothing(proxy, interfaces):
    reply = proxy.publish(OFFER, flags=["dry-run"])
    assert parse(reply.sdp).media[0].port
    assert reply.warnings == ("dry run: nothing was changed",)
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)


async def test_a_published_call_ends_by_delete_and_returns_its_ports(proxy, interfaces):
    proxy.publish(OFFER)
    assert proxy.delete(from_tag="alice", delete_delay=0)["tags"]["alice"]["subscribers"] == []
    await wait_all_tasks_blocked()
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)
