"""The kernel's road on hosts as they are: with other programs, other networks, and addresses that change."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
from attrs import evolve

from karl_trio.client import NgClient
from karl_trio.endpoint import Endpoint
from karl_trio.media.kernel import attachments
from karl_trio.media.kernel.program import Program
from karl_trio.media.kernel.tcx import TcxLink
from karl_trio.server import app

from ..networks import Network
from .kernel_calls import OTHER_RELAY, SETTINGS, Phone, Talk, opened, talking, until

IP_RECVTTL, IP_RECVTOS = 12, 13
IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS = 51, 66

NEAR_AND_FAR = ("near", "far")

PASS_EVERYTHING_ON = struct.pack("=BBhiBBhi", 0xB7, 0, 0, -1, 0x95, 0, 0, 0)
"""r0 = -1; exit"""


async def assert_intact(talk):
    """Let a call be promoted and go on for a moment, and see that nothing is lost or doubled."""
    async with talking(talk):
        await until(talk.is_promoted)
        await trio.sleep(0.3)
    assert talk.alice.heard == talk.bob.said
    assert talk.bob.heard == talk.alice.said


def marks(phone):
    """Return the TOS and TTL of what has come to a phone."""
    found = set()
    while True:
        try:
            _, control, _, _ = phone.socket.recvmsg(2048, 256)
        except BlockingIOError:
            return found
        found.add(tuple(int.from_bytes(data[:4], "little") for _, _, data in sorted(control)))


@pytest.mark.parametrize("version", [4, 6])
async def test_packets_are_marked_as_from_userspace(phones, nursery, version):
    seen = {}
    for road in ("off", "require"):
        async with trio.open_nursery() as inner:
            daemon = await inner.start(app.serve, evolve(SETTINGS, kernel_forwarding=road, tos=184))
            async with NgClient(daemon.ng_addresses) as client:
                with opened(phones, (version, version)) as (alice, bob):
                    talk = Talk(client, "call-1", alice, bob, NEAR_AND_FAR)
                    await talk.begin()
                    async with talking(talk):
                        if road == "require":
                            await until(talk.is_promoted)
                        await trio.sleep(0.1)
                    options = (
                        (socket.IPPROTO_IP, IP_RECVTTL, IP_RECVTOS)
                        if version == 4
                        else (socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS)
                    )
                    for option in options[1:]:
                        bob.socket.setsockopt(options[0], option, 1)
                    for _ in range(5):
                        alice.say()
                    await trio.sleep(0.1)
                    seen[road] = marks(bob)
            inner.cancel_scope.cancel()
    assert seen["require"] == seen["off"]
    assert len(seen["off"]) == 1


@pytest.mark.parametrize(("versions"), [(4, 4), (6, 6), (4, 6), (6, 4)])
async def test_a_phone_far_away_talks_to_a_program_on_this_host(client, phones, versions):
    """A voicemail server beside the daemon, at the daemon's own address."""
    with opened(phones, versions) as (alice, unused):
        here = socket.socket(socket.AF_INET6 if versions[1] == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        here.setblocking(False)
        here.bind((OTHER_RELAY[versions[1]], 0))
        with here:
            voicemail = Phone(endpoint_of(here), here, unused.ssrc)
            talk = Talk(client, "call-1", alice, voicemail, NEAR_AND_FAR)
            await talk.begin()
            await assert_intact(talk)


def endpoint_of(bound):
    return Endpoint(*bound.getsockname()[:2])


async def test_before_linux_6_6_it_is_a_filter_and_does_the_same(phones, nursery, monkeypatch):
    def attach(program, interface):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(attachments.TcxLink, "attach", attach)
    async with trio.open_nursery() as inner:
        daemon = await inner.start(app.serve, SETTINGS)
        async with NgClient(daemon.ng_addresses) as client:
            with opened(phones, (4, 6)) as pair:
                talk = Talk(client, "call-1", *pair, NEAR_AND_FAR)
                await talk.begin()
                await assert_intact(talk)
        inner.cancel_scope.cancel()


@pytest.mark.kernel_has("tcx")
async def test_another_program_at_the_interfaces_goes_on(phones, nursery):
    program = Program.load("other", PASS_EVERYTHING_ON, (), {}, "GPL")
    links = [TcxLink.attach(program.fd, socket.if_nametoindex(name)) for name in NEAR_AND_FAR]
    daemon = await nursery.start(app.serve, SETTINGS)
    async with NgClient(daemon.ng_addresses) as client:
        with opened(phones, (4, 4)) as pair:
            talk = Talk(client, "call-1", *pair, NEAR_AND_FAR)
            await talk.begin()
            await assert_intact(talk)
    for each in (*links, program):
        each.close()


async def test_an_address_that_comes_later_is_promoted_at_as_well(phones, nursery):
    Network._ip("address", "del", f"{OTHER_RELAY[4]}/24", "dev", "far")
    daemon = await nursery.start(app.serve, SETTINGS)
    Network._ip("link", "set", "far", "down")
    await trio.sleep(0.2)
    Network._ip("link", "set", "far", "up")
    Network._ip("address", "add", f"{OTHER_RELAY[4]}/24", "dev", "far")
    await trio.sleep(0.2)
    async with NgClient(daemon.ng_addresses) as client:
        with opened(phones, (4, 4)) as pair:
            talk = Talk(client, "call-1", *pair, NEAR_AND_FAR)
            await talk.begin()
            await assert_intact(talk)


async def test_a_listener_takes_the_call_back_and_misses_nothing(client, phones):
    with opened(phones, (4, 4)) as (alice, bob), opened(phones, (4, 4), ssrc=1) as (recorder, _):
        talk = Talk(client, "call-1", alice, bob, NEAR_AND_FAR)
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            asked = await talk.ask("subscribe request", interface="near")
            said = len(alice.said)
            answer = recorder.sdp.replace("RTP/AVP 0\r\n", "RTP/AVP 0\r\na=recvonly\r\n")
            await talk.ask("subscribe answer", sdp=answer, **{"to-tag": asked["to-tag"]})
            assert not await talk.is_promoted()
            await trio.sleep(0.5)
            await talk.ask("unsubscribe", **{"to-tag": asked["to-tag"]})
            await until(talk.is_promoted)
            recorder.listen()
        assert alice.heard == bob.said
        assert bob.heard == alice.said
        assert len(recorder.heard) > 40
        assert recorder.heard == alice.said[recorder.heard[0] - 1 :][: len(recorder.heard)]
        assert recorder.heard[0] <= said + 10
