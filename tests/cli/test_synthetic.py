"""Two synthetic phones talking to each other, without anything between them."""

import math
from random import Random

import pytest
import trio

from karl_trio.cli.synthetic import Destination, destination_in, mu_law, open_phone, tone
from karl_trio.endpoint import Endpoint


@pytest.fixture
def clock(autojump_clock):
    autojump_clock.autojump_threshold = 0.01
    return autojump_clock


@pytest.fixture
async def phones():
    random = Random(2)
    async with (
        open_phone("alice", frequency=440, random=random) as alice,
        open_phone("bob", frequency=620, random=random) as bob,
    ):
        yield alice, bob


@pytest.mark.parametrize(
    ("sample", "octet"),
    [
        (0, 0xFF),
        (-1, 0x7F),
        (8, 0xFE),
        (-8, 0x7E),
        (1000, 0xCE),
        (-1000, 0x4E),
        (32767, 0x80),
        (-32768, 0x00),
    ],
)
def test_mu_law_octets_of_g_711(sample, octet):
    assert mu_law(sample) == octet


def test_a_tone_is_a_second_of_frames_that_repeats_without_a_click():
    frames = tone(440)
    assert [len(frame) for frame in frames] == [160] * 50
    assert tone(450) != frames
    assert b"".join(frames)[:2] == bytes(
        [mu_law(0), mu_law(round(8000 * math.sin(2 * math.pi * 440 / 8000)))]
    )


def test_where_an_sdp_wants_packets():
    sdp = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 30000 RTP/AVP 0\r\n"
    assert destination_in(sdp) == Destination(Endpoint("192.0.2.1", 30000), Endpoint("192.0.2.1", 30001))
    assert destination_in(sdp + "a=rtcp:30007\r\n").rtcp == Endpoint("192.0.2.1", 30007)
    with pytest.raises(ValueError, match="without"):
        destination_in("v=0\r\n")


async def test_phones_hear_each_other_packet_for_packet(clock, phones, nursery):
    alice, bob = phones
    assert alice.port % 2 == 0
    nursery.start_soon(alice.listen, bob)
    nursery.start_soon(bob.listen, alice)
    async with trio.open_nursery() as talking:
        talking.start_soon(alice.talk, destination_in(bob.sdp()), 2)
        talking.start_soon(bob.talk, destination_in(alice.sdp()), 2)
    await alice.has_heard_all_of(bob)
    await bob.has_heard_all_of(alice)
    for phone, other in (phones, reversed(phones)):
        assert (phone.rtp.sent, phone.rtp.received, phone.rtp.wrong, phone.missing(other)) == (100, 100, 0, 0)
        assert (phone.rtcp.sent, phone.rtcp.received, phone.rtcp.wrong) == (2, 2, 0)
        assert phone.remote_address == Endpoint("127.0.0.1", other.port)
    assert trio.current_time() == pytest.approx(1.98, abs=0.1)


async def test_what_the_other_phone_did_not_send_is_wrong_and_what_did_not_come_is_missing(
    clock, phones, nursery
):
    alice, bob = phones
    nursery.start_soon(bob.listen, alice)
    alice.rtp.sent = 4
    await alice.rtp_socket.sendto(alice.packet(0), ("127.0.0.1", bob.port))
    for damaged in (alice.packet(1)[:-1] + b"?", b"short", bob.packet(0)):
        await alice.rtp_socket.sendto(damaged, ("127.0.0.1", bob.port))
    await alice.rtcp_socket.sendto(bob.sender_report(0), ("127.0.0.1", bob.port + 1))
    await trio.testing.wait_all_tasks_blocked(0.02)
    assert (bob.rtp.received, bob.rtp.wrong, bob.missing(alice)) == (4, 3, 3)
    assert bob.rtcp.wrong == 1


async def test_packets_are_told_apart_after_their_sequence_numbers_came_round(phones):
    alice, _ = phones
    assert alice.number_of(alice.packet(65536 + 7)) == 65536 + 7
