"""Media that is blocked and silenced: what phones with real sockets still hear."""

import struct

import pytest
import trio
import trio.testing

from tests.calls.phones import Phone

RTPMAPS = {
    0: "PCMU/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    18: "G729/8000",
    96: "opus/48000/2",
    101: "telephone-event/8000",
}
DTMF = 101
RTCP = struct.pack("!BBHI", 0x80, 201, 1, 0x1234)


def sdp(phone, formats=(0, 8, DTMF), *, kind="audio", protocol="RTP/AVP", direction="sendrecv"):
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    lines.append(f"m={kind} {phone.endpoint.port} {protocol} {' '.join(map(str, formats))}")
    if kind == "audio":
        lines += [f"a=rtpmap:{number} {RTPMAPS[number]}" for number in formats]
    lines.append(f"a={direction}")
    return "".join(f"{line}\r\n" for line in lines)


def rtp(payload_type, payload=b"speech", *, sequence=1, flags=0x80, behind=b""):
    return struct.pack("!BBHII", flags, payload_type, sequence, 160, 0x1234) + payload + behind


class Party:
    """A phone in a call, and the port of the server that it sends to."""

    def __init__(self, phone, tag):
        self.phone, self.tag, self.port = phone, tag, None

    async def hears(self, *said):
        """What arrives of that which others say, told apart from what comes later by a mark."""
        while not self.phone.is_silent():
            pass  # what was heard before that
        for speaker, datagram in said:
            speaker.phone.say(datagram, speaker.port)
        mark = rtp(DTMF, b"end of the test")
        speaker.phone.say(mark, speaker.port)
        heard = []
        with trio.fail_after(5):
            while mark not in heard:
                await trio.lowlevel.wait_readable(self.phone.rtp)
                heard.append(self.phone.rtp.recv(2048))
        return heard[:-1]


@pytest.fixture
def phone():
    made = []

    def make():
        made.append(Phone())
        return made[-1]

    yield make
    for phone in made:
        phone.close()


def port_in(reply):
    assert reply["result"] == "ok", reply
    return int(reply["sdp"].partition("m=")[2].split()[1])


@pytest.fixture
def place_call(client, phone):
    """Place a call from Alice to Bob, forked to Carol too if asked."""

    def place(*formats, forked=False, **options):
        formats = formats or (0, 8, DTMF)
        alice, bob, carol = (Party(phone(), tag) for tag in ("alice", "bob", "carol"))
        for branch, callee in [("one", bob), ("two", carol)][: 1 + forked]:
            keys = {"call_id": "c", "from_tag": "alice", "via_branch": branch}
            offer = client.ask("offer", sdp=sdp(alice.phone, formats, **options), **keys)
            callee.port = port_in(offer)
        for branch, callee in [("one", bob), ("two", carol)][: 1 + forked]:
            keys = {"call_id": "c", "from_tag": "alice", "to_tag": callee.tag, "via_branch": branch}
            answer = client.ask("answer", sdp=sdp(callee.phone, formats, **options), **keys)
            alice.port = alice.port or port_in(answer)
        return (alice, bob, carol) if forked else (alice, bob)

    return place


@pytest.fixture
def ask(client):
    """Send a command about the call, and expect it to be carried out."""

    def ask(command, *flags, **keys):
        reply = client.ask(command, call_id="c", flags=list(flags), **keys)
        assert reply.pop("result") == "ok", reply
        return reply

    return ask


async def test_a_blocked_call_is_silent_but_for_dtmf_and_rtcp(place_call, ask):
    alice, bob = place_call()
    speech, digit = rtp(0), rtp(DTMF, b"\x05\x0a\x00\xa0")
    assert await bob.hears((alice, speech)) == [speech]
    # A proxy's script sends the tags along, which mean nothing here.
    ask("block media", from_tag="alice", to_tag="bob")
    assert await bob.hears((alice, speech), (alice, rtp(8)), (alice, digit)) == [digit]
    assert await alice.hears((bob, speech), (bob, digit)) == [digit]
    alice.phone.rtcp.sendto(RTCP, ("127.0.0.1", alice.port + 1))
    assert [packet for packet, _ in await bob.phone.hear(1, bob.phone.rtcp)] == [RTCP]
    ask("unblock media")
    assert await bob.hears((alice, speech)) == [speech]
    assert await alice.hears((bob, speech)) == [speech]


async def test_one_leg_can_be_blocked(place_call, ask):
    alice, bob = place_call()
    speech = rtp(0)
    ask("block media", "directional", from_tag="alice")
    assert await bob.hears((alice, speech)) == []
    assert await alice.hears((bob, speech)) == [speech]
    # The whole call is another matter than one leg.
    assert "still blocked media: from alice" in ask("unblock media")["warning"]
    assert await bob.hears((alice, speech)) == []
    assert ask("unblock media", "all") == {}
    assert await bob.hears((alice, speech)) == [speech]


@pytest.mark.parametrize(
    ("direction", "bob_hears", "alice_hears"),
    [
        (["from-tag"], False, True),
        (["to-tag"], True, False),
        (["both"], False, False),
        (["from-tag", "to-tag"], False, False),
    ],
)
async def test_the_pages_direction_mutes_one_way_or_both(place_call, ask, direction, bob_hears, alice_hears):
    alice, bob = place_call()
    speech = rtp(0)
    ask("block media", from_tag="alice", direction=direction)
    assert await bob.hears((alice, speech)) == [speech] * bob_hears
    assert await alice.hears((bob, speech)) == [speech] * alice_hears
    assert ask("unblock media", from_tag="alice", direction=direction) == {}
    assert await bob.hears((alice, speech)) == [speech]
    assert await alice.hears((bob, speech)) == [speech]


async def test_one_flow_can_be_blocked_while_the_other_branch_hears(place_call, ask):
    alice, bob, carol = place_call(forked=True)
    speech = rtp(0)
    ask("block media", "directional", from_tag="alice", to_tag="carol")
    assert await bob.hears((alice, speech)) == [speech]
    assert await carol.hears((alice, speech)) == []
    ask("unblock media", "directional", from_tag="alice", to_tag="carol")
    assert await carol.hears((alice, speech)) == [speech]
    ask("block media", "directional", from_tag="alice", all="flows")
    assert await carol.hears((alice, speech)) == []
    assert await bob.hears((alice, speech)) == []


async def test_a_block_outlives_a_reinvite_that_moves_the_phone(place_call, ask, client, phone):
    alice, bob = place_call()
    speech = rtp(0)
    ask("block media", "directional", from_tag="alice")
    alice.phone = phone()
    reply = client.ask("offer", call_id="c", from_tag="alice", to_tag="bob", sdp=sdp(alice.phone))
    bob.port = port_in(reply)
    answer = client.ask("answer", call_id="c", from_tag="alice", to_tag="bob", sdp=sdp(bob.phone))
    alice.port = port_in(answer)
    assert await bob.hears((alice, speech)) == []
    assert await alice.hears((bob, speech)) == [speech]


async def test_a_block_holds_for_a_branch_that_comes_later(place_call, ask, client, phone):
    alice, _ = place_call()
    ask("block media", from_tag="bob", direction=["to-tag"])
    ask("block media", from_tag="alice", direction=["from-tag"])
    carol = Party(phone(), "carol")
    offer = client.ask("offer", call_id="c", from_tag="alice", via_branch="two", sdp=sdp(alice.phone))
    carol.port = port_in(offer)
    client.ask(
        "answer", call_id="c", from_tag="alice", to_tag="carol", via_branch="two", sdp=sdp(carol.phone)
    )
    assert await carol.hears((alice, rtp(0))) == []
    assert await alice.hears((carol, rtp(0))) == [rtp(0)]


@pytest.mark.parametrize(
    ("payload_type", "said", "heard"),
    [
        (0, b"speech", b"\xff" * 6),
        (8, b"speech", b"\xd5" * 6),
        (9, b"speech", b"\xfa" * 6),
        (96, b"\x78speech", b"\xf8\xff\xfe"),  # Opus, 20 ms of silk and celt in one frame: as long in silence
    ],
)
async def test_silence_is_heard_in_the_place_of_speech(place_call, ask, payload_type, said, heard):
    alice, bob = place_call(0, 8, 9, 96, DTMF)
    assert ask("silence media", "directional", from_tag="alice") == {}
    extended = bytes([0xBE, 0xDE, 0, 1, 0x10, 7, 0, 0])
    arrived = await bob.hears(
        (alice, rtp(payload_type, said)),
        (alice, rtp(payload_type, extended + said, flags=0xB0, behind=b"\0\0\x03")),
        (alice, rtp(DTMF, b"\x05\x0a\x00\xa0")),
    )
    assert arrived == [
        rtp(payload_type, heard),
        # Without the padding, which the silence does not need.
        rtp(payload_type, extended + heard, flags=0x90),
        rtp(DTMF, b"\x05\x0a\x00\xa0"),
    ]
    assert await alice.hears((bob, rtp(payload_type, said))) == [rtp(payload_type, said)]
    ask("unsilence media", "all")
    assert await bob.hears((alice, rtp(payload_type, said))) == [rtp(payload_type, said)]


async def test_where_no_silence_can_be_made_nothing_is_sent_and_the_reply_says_so(place_call, ask):
    alice, bob = place_call(0, 18, DTMF)
    assert "no silence in G729/8000" in ask("silence media")["warning"]
    assert await bob.hears((alice, rtp(18)), (alice, rtp(0, b"x"))) == [rtp(0, b"\xff")]


async def test_encrypted_audio_is_dropped_where_it_should_be_silent(place_call, ask):
    alice, bob = place_call(0, DTMF, protocol="RTP/SAVP")
    assert "no silence in RTP/SAVP" in ask("silence media")["warning"]
    assert await bob.hears((alice, rtp(0))) == []


async def test_video_is_not_silenced(place_call, ask):
    alice, bob = place_call(31, DTMF, kind="video")
    assert ask("silence media") == {}
    assert await bob.hears((alice, rtp(31))) == [rtp(31)]


async def test_dtmf_is_blocked_alone(place_call, ask):
    alice, bob = place_call()
    speech, digit = rtp(0), rtp(DTMF, b"\x05\x0a\x00\xa0")
    ask("block DTMF", "directional", from_tag="alice")
    alice.phone.say(digit, alice.port)
    alice.phone.say(speech, alice.port)
    assert [packet for packet, _ in await bob.phone.hear(1)] == [speech]
    assert await alice.hears((bob, digit), (bob, speech)) == [digit, speech]
    ask("unblock DTMF", "directional", from_tag="alice")
    assert await bob.hears((alice, digit)) == [digit]
    ask("block DTMF", DTMF_security="drop")
    ask("block DTMF", DTMF_security="off")
    assert await bob.hears((alice, digit)) == [digit]


@pytest.mark.parametrize(
    "keys",
    [
        {"DTMF_security": "tone"},
        {"DTMF_security": "zero"},
        {"trigger": "123"},
        {"DTMF_security_trigger": "silence"},
        {"delay_buffer": 100},
    ],
)
async def test_dtmf_is_not_replaced_and_the_reply_says_what_is_missing(place_call, client, keys):
    alice, bob = place_call()
    reply = client.ask("block DTMF", call_id="c", **keys)
    assert (reply["result"], reply["error-reason"]) == ("error", "Not supported")
    assert reply["warning"]
    assert await bob.hears((alice, rtp(DTMF))) == [rtp(DTMF)]


async def test_fax_is_blocked_too(place_call, ask):
    alice, bob = place_call("t38", kind="image", protocol="udptl")
    alice.phone.say(b"page 1", alice.port)
    assert [packet for packet, _ in await bob.phone.hear(1)] == [b"page 1"]
    ask("block media")
    alice.phone.say(b"page 2", alice.port)
    await trio.testing.wait_all_tasks_blocked(0.01)
    ask("unblock media")
    alice.phone.say(b"page 3", alice.port)
    assert [packet for packet, _ in await bob.phone.hear(1)] == [b"page 3"]


async def test_query_shows_what_is_done_to_media_and_counts_it(place_call, ask):
    alice, _ = place_call()
    ask("block media", "directional", from_tag="alice")
    ask("silence media", from_tag="bob", direction=["to-tag"])
    ask("block DTMF")
    ask("silence media", "directional", from_tag="bob", to_tag="alice")
    alice.phone.say(rtp(0), alice.port)
    alice.phone.say(rtp(DTMF), alice.port)
    await trio.testing.wait_all_tasks_blocked(0.01)
    reply = ask("query")
    assert reply["flags"] == ["blocked DTMF"]
    assert reply["tags"]["alice"]["flags"] == ["blocked media"]
    assert reply["tags"]["bob"]["flags"] == ["silenced media to alice", "silenced media to it"]
    (toward_bob,) = (it for it in reply["tags"]["bob"]["medias"][0]["streams"] if it.get("drops"))
    assert toward_bob["drops"] == {"blocked_media": 1, "blocked_dtmf": 1}
    assert toward_bob["stats_out"]["errors"] == 0


async def test_a_leg_that_is_gone_leaves_no_block_behind(place_call, ask):
    place_call(forked=True)
    ask("block media", "directional", from_tag="alice", to_tag="carol")
    ask("block media", "directional", from_tag="carol")
    ask("delete", "to-tag", from_tag="alice", to_tag="carol")
    assert ask("unblock media") == {}


async def test_forwarding_is_refused_and_its_end_is_not(place_call, client, ask):
    place_call()
    reply = client.ask("start forwarding", call_id="c")
    assert (reply["error-reason"], reply["result"]) == ("Not supported", "error")
    assert "recording daemon" in reply["warning"]
    assert ask("stop forwarding") == {"warning": "nothing was being forwarded"}


@pytest.mark.parametrize(
    "command",
    [
        *("block media", "unblock media", "silence media", "unsilence media"),
        *("block DTMF", "unblock DTMF", "start forwarding", "stop forwarding"),
    ],
)
async def test_what_is_wrong_is_told_in_the_words_of_the_page(place_call, client, command):
    def reason(**keys):
        return client.ask(command, **keys)["error-reason"]

    assert reason(call_id="c") == "Unknown call-id"
    assert reason() == "Invalid parameters"
    place_call()
    assert reason(call_id="c", direction=["sideways"]) == "Invalid parameters"
    assert reason(call_id="c", address="nowhere") == "Invalid parameters"
    assert reason(call_id="c", from_tag="nobody", flags=["directional"]) == "Invalid session state"
    assert (
        reason(call_id="c", from_tag="alice", to_tag="alice", direction=["both"]) == "Invalid session state"
    )
