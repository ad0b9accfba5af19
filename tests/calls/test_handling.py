"""What flags and keys of offers and answers do to packets, seen at phones with real sockets."""

import socket
import struct
from functools import partial

import pytest
import trio
import trio.testing
from attrs import evolve

from karl_trio.calls.piercing import PIERCE_INTERVAL, PIERCE_TIME
from karl_trio.calls.statistics import query_reply
from karl_trio.calls.timeouts import sweep
from karl_trio.errors import NotSupported

from .proxy import ports, sdp

SSRC = 0x12345678


def rtp(sequence=1, *, payload_type=0, payload=bytes(160), ssrc=SSRC):
    return struct.pack("!BBHII", 0x80, payload_type, sequence, sequence * 160, ssrc) + payload


def rtcp(ssrc=SSRC):
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


class Side:
    """A phone in a call, the port that it sends to, and what it was told of the other side's direction."""

    def __init__(self, phone):
        self.phone = phone
        self.port = self.told = None

    def tell(self, description):
        (section,) = description.media
        self.port, self.told = section.port, section.direction.value
        return description

    def say(self, datagram):
        self.phone.say(datagram, self.port)

    def say_rtcp(self, datagram):
        self.phone.rtcp.sendto(datagram, ("127.0.0.1", self.port + 1))

    async def heard(self):
        """What has arrived, once all that is under way has."""
        await trio.testing.wait_all_tasks_blocked(0.01)
        arrived = []
        while True:
            try:
                arrived.append(self.phone.rtp.recv(2048))
            except BlockingIOError:
                return arrived

    async def heard_rtcp(self):
        await trio.testing.wait_all_tasks_blocked(0.01)
        try:
            return self.phone.rtcp.recv(2048)
        except BlockingIOError:
            return None


@pytest.fixture
def begin(proxy, phones):
    """Set a call up, with some keys and flags in the offer and others in the answer."""

    def begin(offer=None, answer=None, **options):
        alice, bob = Side(phones()), Side(phones())
        bob.tell(proxy.offer(sdp(alice.phone.endpoint.port, **options), **(offer or {})))
        alice.tell(proxy.answer(sdp(bob.phone.endpoint.port, **options), **(answer or {})))
        return alice, bob

    return begin


async def passes(speaker, listener, datagram=None):
    """Whether the one is heard by the other."""
    datagram = datagram or rtp()
    await listener.heard()
    speaker.say(datagram)
    return await listener.heard() == [datagram]


# Directions


@pytest.mark.parametrize(
    ("flag", "bob_is_told", "alice_is_told", "bob_hears", "alice_hears"),
    [
        ("receive-only", "sendonly", "recvonly", True, False),
        ("send-only", "recvonly", "sendonly", False, True),
    ],
)
async def test_a_leg_may_be_received_from_only_or_sent_to_only(
    begin, flag, bob_is_told, alice_is_told, bob_hears, alice_hears
):
    alice, bob = begin({"flags": [flag]})
    assert (bob.told, alice.told) == (bob_is_told, alice_is_told)
    assert await passes(alice, bob) == bob_hears
    assert await passes(bob, alice) == alice_hears
    alice.say_rtcp(rtcp())
    assert await bob.heard_rtcp() == rtcp()


async def test_what_sdp_forbids_no_flag_allows(begin):
    alice, bob = begin({"flags": ["send-only"]}, direction="sendonly")
    assert bob.told == "inactive"
    assert not await passes(alice, bob)
    assert not await passes(bob, alice)


async def test_the_answering_side_may_be_restricted_too(begin):
    alice, bob = begin(None, {"flags": ["receive-only"]})
    assert alice.told == "sendonly"
    assert await passes(bob, alice)
    assert not await passes(alice, bob)


async def test_a_restriction_ends_with_the_next_sdp_of_that_leg(begin, proxy):
    alice, bob = begin({"flags": ["receive-only"]})
    # A re-INVITE from the other side says nothing of it.
    reoffered = proxy.offer(sdp(bob.phone.endpoint.port), from_tag="bob", to_tag="alice")
    assert reoffered.media[0].direction.value == "recvonly"
    answered = proxy.answer(sdp(alice.phone.endpoint.port), from_tag="bob", to_tag="alice")
    assert answered.media[0].direction.value == "sendrecv"
    assert await passes(bob, alice)


async def test_original_sendrecv_leaves_the_sdp_but_not_the_packets(begin):
    alice, bob = begin({"flags": ["receive-only", "original-sendrecv"]}, direction="sendrecv")
    assert bob.told == "sendrecv"
    assert not await passes(bob, alice)


# Whole calls


async def test_all_traffic_is_dropped_until_told_to_stop(begin, proxy):
    alice, bob = begin({"drop_traffic": "start"})
    assert query_reply(proxy.call(), None, None)["flags"] == ["dropped traffic"]
    assert not await passes(alice, bob)
    alice.say_rtcp(rtcp())
    assert await bob.heard_rtcp() is None
    proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob")
    assert not await passes(bob, alice)
    proxy.answer(sdp(bob.phone.endpoint.port), drop_traffic=["start", "stop"])
    assert await passes(alice, bob)
    assert await passes(bob, alice)


def turned_over(datagram):
    return datagram[:8] + struct.pack("!I", SSRC ^ 0xFFFFFFFF) + datagram[12:]


@pytest.mark.parametrize(
    ("offer", "answer", "alice_hears", "bob_hears"),
    [
        ("forward", None, [], ["bob"]),
        ("backward", None, ["alice"], []),
        ("both", None, ["alice"], ["bob"]),
        ("blackhole", None, [], []),
        # In an answer, the receiver of the SDP is the other one.
        (None, "forward", ["alice"], []),
        ("both", "blackhole", [], []),
    ],
)
async def test_media_is_echoed_as_that_of_another_source(begin, proxy, offer, answer, alice_hears, bob_hears):
    alice, bob = begin({"media_echo": offer}, {"media_echo": answer})
    said = {"alice": rtp(payload=b"I am Alice"), "bob": rtp(payload=b"I am Bob")}
    alice.say(said["alice"])
    bob.say(said["bob"])
    assert await alice.heard() == [turned_over(said[name]) for name in alice_hears]
    assert await bob.heard() == [turned_over(said[name]) for name in bob_hears]
    alice.say_rtcp(rtcp())
    assert (await alice.heard_rtcp(), await bob.heard_rtcp()) == (None, None)
    tags = query_reply(proxy.call(), None, None)["tags"]
    assert ("echo" in tags["alice"]["medias"][0]["flags"]) == bool(alice_hears)
    assert ("blackhole" in tags["bob"]["medias"][0]["flags"]) == (not bob_hears)


async def test_nothing_is_echoed_to_a_leg_on_hold(begin, proxy):
    alice, bob = begin({"media_echo": "both"})
    proxy.offer(sdp(alice.phone.endpoint.port, direction="sendonly"), to_tag="bob")
    proxy.answer(sdp(bob.phone.endpoint.port, direction="recvonly"))
    alice.say(rtp())
    assert await alice.heard() == []


async def test_encrypted_media_cannot_be_echoed(proxy, calls):
    body = sdp(4000).replace("RTP/AVP", "RTP/SAVP")
    with pytest.raises(NotSupported, match="media-echo"):
        proxy.offer(body, media_echo="both")
    proxy.offer(body, media_echo="blackhole")


@pytest.mark.parametrize("wish", [{"media_timeout": 5}, {"flags": ["media-timeout=5"]}])
async def test_media_timeout_ends_a_call_that_is_silent_for_so_long(begin, calls, autojump_clock, wish):
    autojump_clock.autojump_threshold = 0.01
    alice, bob = begin(wish)
    for _ in range(8):
        await trio.sleep(1)
        assert await passes(alice, bob)
        await sweep(calls)
    assert len(calls) == 1
    await trio.sleep(4)
    await sweep(calls)
    assert len(calls) == 1
    await trio.sleep(2)
    await sweep(calls)
    assert len(calls) == 0


async def tos_heard(side, speaker):
    """Let one side speak, and return the type of service of the packet that the other gets."""
    side.phone.rtp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    await side.heard()
    speaker.say(rtp())
    await trio.testing.wait_all_tasks_blocked(0.01)
    _, ((_, kind, data),), _, _ = side.phone.rtp.recvmsg(2048, socket.CMSG_SPACE(4))
    assert kind == socket.IP_TOS
    return data[0]


async def test_packets_are_marked_both_ways_also_those_of_streams_that_are_there(begin, proxy):
    alice, bob = begin({"TOS": 184})

    async def marks():
        return [await tos_heard(bob, alice), await tos_heard(alice, bob)]

    assert await marks() == [184, 184]
    proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob", TOS="72")
    assert await marks() == [72, 72]
    # An answer that says nothing, and a negative number, leave it; an offer that says nothing resets it.
    proxy.answer(sdp(bob.phone.endpoint.port))
    proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob", TOS=-1)
    assert await marks() == [72, 72]
    proxy.answer(sdp(bob.phone.endpoint.port), TOS=32)
    assert await marks() == [32, 32]
    proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob")
    assert await marks() == [0, 0]
    proxy.answer(sdp(bob.phone.endpoint.port), TOS=32)
    proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob", TOS=256)
    assert await marks() == [0, 0]


# Sources and NAT


async def test_nothing_is_sent_to_a_leg_that_was_not_heard_if_it_has_to_wait(begin, proxy):
    alice, bob = begin({"flags": ["NAT-wait"]})
    assert not await passes(bob, alice)
    bob.say_rtcp(rtcp())
    assert await alice.heard_rtcp() is None
    assert await passes(alice, bob)
    assert await passes(bob, alice)
    alice.say_rtcp(rtcp())
    bob.say_rtcp(rtcp())
    assert await alice.heard_rtcp() == rtcp()
    medias = query_reply(proxy.call(), None, None)["tags"]["alice"]["medias"]
    assert "NAT wait" in medias[0]["flags"]
    assert medias[0]["streams"][0]["drops"] == {"nat_wait": 1}


async def test_nat_is_pierced_until_the_leg_is_heard(proxy, phones, autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    alice = Side(phones())
    proxy.offer(sdp(alice.phone.endpoint.port), flags=["pierce-NAT"])
    await trio.sleep(3.2 * PIERCE_INTERVAL)
    pierced = await alice.heard()
    assert len(pierced) == 4
    assert {(len(packet), packet[0], packet[1]) for packet in pierced} == {(12, 0x80, 127)}
    assert await alice.heard_rtcp() == rtcp(struct.unpack("!I", pierced[0][8:])[0])
    # Its port is where those packets came from.
    bob = Side(phones())
    alice.tell(proxy.answer(sdp(bob.phone.endpoint.port)))
    alice.say(rtp())
    await alice.heard()
    await trio.sleep(3 * PIERCE_INTERVAL)
    assert await alice.heard() == []
    assert await bob.heard() == [rtp()]


async def test_piercing_ends_after_a_while_and_begins_anew_with_signalling(proxy, phones, autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    alice = Side(phones())
    offer = partial(proxy.offer, sdp(alice.phone.endpoint.port), flags=["pierce-NAT"])
    offer()
    offer()
    await trio.sleep(2 * PIERCE_TIME)
    assert len(await alice.heard()) == PIERCE_TIME / PIERCE_INTERVAL
    offer()
    await trio.sleep(1.5 * PIERCE_INTERVAL)
    assert len(await alice.heard()) == 2


async def heard_from_elsewhere(phones, listener, speaker, *, packets=5):
    """Let another phone send to a port for a while; return how much of it is heard."""
    other = Side(phones())
    other.port = speaker.port
    for number in range(packets):
        other.say(rtp(number, ssrc=99))
        await trio.sleep(0.02)
    return other, len(await listener.heard())


@pytest.mark.parametrize(("flags", "packets"), [([], 5), (["strict-source"], 0)])
async def test_strict_source_drops_what_comes_from_elsewhere(
    begin, phones, calls, autojump_clock, flags, packets
):
    autojump_clock.autojump_threshold = 0.01
    calls.settings = evolve(calls.settings, strict_source=False)
    alice, bob = begin({"flags": flags})
    assert await passes(alice, bob)
    other, count = await heard_from_elsewhere(phones, bob, alice)
    assert count == packets
    bob.say(rtp())
    assert (await alice.heard(), await other.heard()) == ([rtp()], [])


async def test_media_handover_follows_a_phone_that_has_moved(begin, phones, autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    alice, bob = begin({"flags": ["media-handover"]})
    assert await passes(alice, bob)
    await trio.sleep(1)
    moved, count = await heard_from_elsewhere(phones, bob, alice)
    assert count > 0
    bob.say(rtp())
    assert (await moved.heard(), await alice.heard()) == ([rtp()], [])


async def test_an_asymmetric_phone_is_sent_to_where_its_sdp_says(proxy, phones, autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    alice, bob = Side(phones()), Side(phones())
    bob.tell(proxy.offer(sdp(alice.phone.endpoint.port), flags=["asymmetric"]))
    alice.tell(proxy.answer(sdp(bob.phone.endpoint.port)))
    sender, count = await heard_from_elsewhere(phones, bob, alice)
    assert count == 5
    bob.say(rtp())
    assert (await alice.heard(), await sender.heard()) == ([rtp()], [])


async def test_a_symmetric_phone_is_sent_to_where_it_sends_from(proxy, phones, autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    alice, bob = Side(phones()), Side(phones())
    bob.tell(proxy.offer(sdp(alice.phone.endpoint.port), flags=["symmetric"]))
    assert proxy.warnings == ()
    alice.tell(proxy.answer(sdp(bob.phone.endpoint.port)))
    sender, count = await heard_from_elsewhere(phones, bob, alice)
    assert count == 5
    bob.say(rtp())
    assert (await alice.heard(), await sender.heard()) == ([], [rtp()])


# Packets


async def test_dtmf_is_blocked_from_the_leg_whose_sdp_asks_for_it(proxy, phones):
    attributes = ("rtpmap:101 telephone-event/8000",)
    alice, bob = Side(phones()), Side(phones())
    body = sdp(alice.phone.endpoint.port, attributes=attributes).replace("AVP 0 8", "AVP 0 8 101")
    bob.tell(proxy.offer(body, flags=["block-dtmf"]))
    body = sdp(bob.phone.endpoint.port, attributes=attributes).replace("AVP 0 8", "AVP 0 8 101")
    alice.tell(proxy.answer(body))
    digit = rtp(payload_type=101, payload=b"\x05\x0a\x00\xa0")
    assert not await passes(alice, bob, digit)
    assert await passes(alice, bob)
    assert await passes(bob, alice, digit)


async def test_packets_shorter_than_usual_are_dropped(begin):
    alice, bob = begin({"flags": ["block-short"]})
    for sequence in range(3):
        assert await passes(alice, bob, rtp(sequence))
    assert not await passes(alice, bob, rtp(4, payload=bytes(10)))
    assert not await passes(alice, bob, rtp(5, payload=b""))
    assert await passes(alice, bob, rtp(6))
    assert await passes(bob, alice, rtp(payload=bytes(10)))


async def test_a_phone_may_change_its_packet_time(begin):
    alice, bob = begin({"flags": ["block-short"]})
    for sequence in range(3):
        alice.say(rtp(sequence))
    for sequence in range(3, 60):
        alice.say(rtp(sequence, payload=bytes(80)))
    heard = await bob.heard()
    assert [len(packet) for packet in heard] == [172] * 3 + [92] * 8


async def test_a_reinvite_that_asks_for_such_things_keeps_the_ports(begin, proxy):
    alice, bob = begin()
    again = proxy.offer(sdp(alice.phone.endpoint.port), to_tag="bob", flags=["NAT-wait"], media_echo="both")
    assert ports(again) == [bob.port]
