"""The kernel's road where networks are VLANs on one wire."""

from __future__ import annotations

import socket
import struct

import pytest
import trio

from ..networks import Network
from .kernel_calls import OTHER_PHONES, OTHER_RELAY, PHONES, RELAY, Talk, opened, talking, until, with_prefix

pytestmark = pytest.mark.kernel_has("vlan")

NEAR, FAR, UNTAGGED = 5, 6, 0

# linux/if_packet.h
PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 8, 0x10
AUXDATA = struct.Struct("=3I4H")
SOL_PACKET, ETH_P_ALL = 263, 3


@pytest.fixture(params=[FAR, UNTAGGED], ids=["both tagged", "one tagged"])
def far(request):
    """The VLAN of the far side: another than that of the near side, or none, on the same wire."""
    return request.param


@pytest.fixture
def phones(far):
    """The namespace of the phones; everything else of the test is in the relay's."""
    relay, phones = Network(), Network()
    relay.join("trunk", phones, "trunk")
    for network, near, other in ((relay, RELAY, OTHER_RELAY), (phones, PHONES, OTHER_PHONES)):
        give(network, NEAR, near)
        give(network, far, other)
    with relay.entered():
        yield phones
    for network in (relay, phones):
        network.close()


def give(network, vlan, addresses):
    """Give a side of the wire addresses, in a VLAN."""
    name = "trunk"
    if vlan != UNTAGGED:
        name = f"trunk.{vlan}"
        network.ip("link", "add", "link", "trunk", "name", name, "type", "vlan", "id", str(vlan))
        network.ip("link", "set", name, "up")
    for address in with_prefix(addresses):
        network.ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))


class Tap:
    """Sees what comes out of the wire, with its tags."""

    def __init__(self, network):
        with network.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.socket.bind(("trunk", 0))
        self.socket.setblocking(False)

    def vlans(self):
        """Return the SSRC and the VLAN of each RTP packet that has come since."""
        found = []
        while True:
            try:
                frame, control, _, (_, _, kind, *_) = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                return found
            if kind != socket.PACKET_OUTGOING and (ssrc := ssrc_of(frame)) is not None:
                status, _, _, _, _, tag, _ = AUXDATA.unpack(control[0][2])
                found.append((ssrc, tag if status & TP_STATUS_VLAN_VALID else UNTAGGED))


def ssrc_of(frame):
    """Return the SSRC of a phone's RTP, over either version of IP; None for anything else."""
    header = {b"\x08\x00": 20, b"\x86\xdd": 40}.get(frame[12:14])
    if header is None or len(frame) != 14 + header + 8 + 172:
        return None
    return struct.unpack_from("!I", frame, 14 + header + 8 + 8)[0]


@pytest.mark.parametrize("versions", [(4, 4), (6, 6), (4, 6)])
async def test_calls_between_vlans_are_promoted_and_leave_with_the_tag_of_theirs(
    client, phones, far, versions
):
    with opened(phones, versions) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            tap = Tap(phones)
            with tap.socket:
                await trio.sleep(0.3)
                seen = tap.vlans()
        assert alice.heard == bob.said
        assert bob.heard == alice.said
        assert set(seen) == {(bob.ssrc, NEAR), (alice.ssrc, far)}
        assert await talk.is_promoted()
