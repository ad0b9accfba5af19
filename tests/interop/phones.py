"""Phones of which only the media is real: SIPp signals for them, they talk."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint

from .processes import LOOPBACK, free_ports

# RTP, RFC 3550 section 5.1: V=2, payload type, sequence number, timestamp, SSRC.
RTP_HEADER = struct.Struct("!BBHII")
PCMU = 0
PACKET_INTERVAL = 0.020
SAMPLES_PER_PACKET = 160

# The sender report of RFC 3550 section 6.4.1 without report blocks: V=2, type 200, length in
# 32-bit words less one, SSRC, NTP time, RTP time, packets, octets.
SENDER_REPORT = struct.Struct("!BBHIQIII")

# How long the last packets may take through the relay before they count as lost.
PATIENCE = 5.0


@define(eq=False)
class Phone:
    """An RTP port with the RTCP port above it.

    Attributes:
        echoes: whether it sends every packet back to where that came from.
        sent: the RTP packets it sent of its own accord, in order.
        received: the RTP packets that came, in order.
        reports: the RTCP packets that came, in order.
        senders: where all these came from.
    """

    rtp: trio.socket.SocketType
    rtcp: trio.socket.SocketType
    echoes: bool = False
    sent: list[bytes] = field(factory=list, init=False)
    received: list[bytes] = field(factory=list, init=False)
    reports: list[bytes] = field(factory=list, init=False)
    senders: set[Endpoint] = field(factory=set, init=False)
    _arrival: trio.Condition = field(factory=trio.Condition, init=False)
    _random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.port)

    @property
    def port(self) -> int:
        return int(self.rtp.getsockname()[1])

    @property
    def ssrc(self) -> int:
        return 0x4B54_0000 + self.port

    async def listen(self, rtp_or_rtcp: trio.socket.SocketType, arrived: list[bytes]) -> None:
        """Collect what comes to one of its ports, for ever."""
        while True:
            packet, source = await rtp_or_rtcp.recvfrom(2048)
            if self.echoes:
                await rtp_or_rtcp.sendto(packet, source)
            async with self._arrival:
                arrived.append(packet)
                self.senders.add(Endpoint.from_sockaddr(source))
                self._arrival.notify_all()

    async def talk(self, to: Endpoint, packets: int = 50) -> None:
        """Send that many packets of 20 ms, one every 20 ms."""
        first = len(self.sent)
        began = trio.current_time()
        for number in range(first, first + packets):
            await trio.sleep_until(began + (number - first) * PACKET_INTERVAL)
            header = RTP_HEADER.pack(0x80, PCMU, number, number * SAMPLES_PER_PACKET, self.ssrc)
            packet = header + self._random.randbytes(SAMPLES_PER_PACKET)
            self.sent.append(packet)
            await self.rtp.sendto(packet, to.sockaddr)

    async def report(self, to: Endpoint) -> bytes:
        """Send a sender report to the RTCP port above an RTP port, and return it."""
        octets = sum(map(len, self.sent)) - RTP_HEADER.size * len(self.sent)
        report = SENDER_REPORT.pack(0x80, 200, 6, self.ssrc, 0, 0, len(self.sent), octets)
        await self.rtcp.sendto(report, (to.address, to.port + 1))
        return report

    async def hear(self, packets: int) -> None:
        """Wait until that many RTP packets have come in all."""
        await self._until(self.received, packets)

    async def hear_report(self) -> None:
        await self._until(self.reports, 1)

    async def _until(self, arrived: list[bytes], wanted: int) -> None:
        with trio.move_on_after(PATIENCE):
            async with self._arrival:
                while len(arrived) < wanted:
                    await self._arrival.wait()
        assert len(arrived) >= wanted, f"{len(arrived)} of {wanted} packets came to port {self.port}"


async def _bound(port: int) -> trio.socket.SocketType:
    bound = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await bound.bind((LOOPBACK, port))
    return bound


@asynccontextmanager
async def phones(number: int, *, echoes: bool = False) -> AsyncIterator[list[Phone]]:
    """That many phones, listening until the block is left."""
    async with trio.open_nursery() as nursery:
        pairs = [free_ports(2) for _ in range(number)]
        everyone = [Phone(await _bound(rtp), await _bound(rtcp), echoes=echoes) for rtp, rtcp in pairs]
        for phone in everyone:
            nursery.start_soon(phone.listen, phone.rtp, phone.received)
            nursery.start_soon(phone.listen, phone.rtcp, phone.reports)
        try:
            yield everyone
        finally:
            nursery.cancel_scope.cancel()
            for phone in everyone:
                phone.rtp.close()
                phone.rtcp.close()
