"""Synthetic phones: real RTP and RTCP over real sockets, with a tone for a voice.

They make their packets and read SDP on their own, without `karl_trio.rtp` and `karl_trio.sdp`: a
witness of what the media proxy does should not share its mistakes.
"""

from __future__ import annotations

import errno
import math
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import trio
from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint, family_of

PCMU = 0
"""Payload type of G.711 mu-law at 8000 Hz (RFC 3551, 6)."""

CLOCK_RATE = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = FRAME_SAMPLES / CLOCK_RATE

AMPLITUDE = 8000
"""Peak of the tone in 16-bit samples, about -12 dB of full scale."""

REPORT_EVERY = 50
"""Packets between sender reports: one second, and not the five of RFC 3550, 6.2, for short calls."""

PORT_PAIR_ATTEMPTS = 100
"""Tries to find an even port whose odd neighbour is free as well; the first one hits as a rule."""

_RTP = struct.Struct("!BBHII")
_SENDER_REPORT = struct.Struct("!BBHIIIIII")
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905, 6)."""


def mu_law(sample: int) -> int:
    """Return a 16-bit linear sample as its mu-law octet (ITU-T G.711, with the bits inverted)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def tone(frequency: int) -> tuple[bytes, ...]:
    """Return one second of a tone as mu-law frames of 20 ms; a whole number of Hz repeats without a click."""
    turn = 2 * math.pi * frequency / CLOCK_RATE
    octets = bytes(mu_law(round(AMPLITUDE * math.sin(turn * n))) for n in range(CLOCK_RATE))
    return tuple(octets[at : at + FRAME_SAMPLES] for at in range(0, CLOCK_RATE, FRAME_SAMPLES))


@frozen
class Destination:
    """Where an SDP wants RTP and RTCP."""

    rtp: Endpoint
    rtcp: Endpoint


_CONNECTION = re.compile(r"^c=IN IP[46] (\S+)", re.MULTILINE)
_AUDIO = re.compile(r"^m=audio (\d+)", re.MULTILINE)
_RTCP = re.compile(r"^a=rtcp:(\d+)", re.MULTILINE)


def destination_in(sdp: str) -> Destination:
    """Read where a session description with one audio media wants its packets.

    Raises:
        ValueError: it has no audio or no address.
    """
    connection, audio, rtcp = (pattern.search(sdp) for pattern in (_CONNECTION, _AUDIO, _RTCP))
    if connection is None or audio is None:
        raise ValueError("a session description without an address or without audio")
    address, port = connection[1], int(audio[1])
    return Destination(Endpoint(address, port), Endpoint(address, int(rtcp[1]) if rtcp else port + 1))


@define
class Counts:
    """Packets of one component at one phone.

    Attributes:
        received: packets that came, copies included.
        wrong: packets that came and are not what the other phone sent.
    """

    sent: int = 0
    received: int = 0
    wrong: int = 0


@define(eq=False)
class Phone:
    """One synthetic phone. Get it from `open_phone`.

    Attributes:
        frames: its voice; frame `n` goes out with sequence number `first_sequence + n`, over and over.
        heard: numbers of the other phone's RTP packets that came as they were sent.
        remote_address: where its RTP came from last.
    """

    name: str
    frequency: int
    rtp_socket: trio.socket.SocketType
    rtcp_socket: trio.socket.SocketType
    address: str
    port: int
    ssrc: int
    first_sequence: int
    first_timestamp: int
    frames: tuple[bytes, ...] = field(repr=False)
    rtp: Counts = field(factory=Counts)
    rtcp: Counts = field(factory=Counts)
    heard: set[int] = field(factory=set, repr=False)
    remote_address: Endpoint | None = None
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)

    def sdp(self) -> str:
        """Return this phone's session description, good for an offer and for an answer."""
        family = family_of(self.address)
        lines = (
            "v=0",
            f"o={self.name} {self.ssrc} 1 IN {family} {self.address}",
            "s=-",
            f"c=IN {family} {self.address}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {PCMU}",
            f"a=rtpmap:{PCMU} PCMU/{CLOCK_RATE}",
            "a=ptime:20",
            "a=sendrecv",
        )
        return "".join(f"{line}\r\n" for line in lines)

    def packet(self, number: int) -> bytes:
        """Return its RTP packet number `number`, counted from 0."""
        header = _RTP.pack(
            0x80,
            PCMU | (0x80 if number == 0 else 0),
            (self.first_sequence + number) % (1 << 16),
            (self.first_timestamp + number * FRAME_SAMPLES) % (1 << 32),
            self.ssrc,
        )
        return header + self.frames[number % len(self.frames)]

    def sender_report(self, now: float) -> bytes:
        """Return a sender report of what it has sent so far, with Unix time `now` (RFC 3550, 6.4.1)."""
        seconds, fraction = divmod(now + _NTP_EPOCH, 1)
        return _SENDER_REPORT.pack(
            0x80,
            200,
            _SENDER_REPORT.size // 4 - 1,
            self.ssrc,
            int(seconds) % (1 << 32),
            int(fraction * (1 << 32)),
            (self.first_timestamp + self.rtp.sent * FRAME_SAMPLES) % (1 << 32),
            self.rtp.sent,
            self.rtp.sent * FRAME_SAMPLES,
        )

    async def talk(self, destination: Destination, seconds: float) -> None:
        """Send the tone, 50 packets a second on an even beat, and a sender report each second."""
        started = trio.current_time()
        for number in range(round(seconds / FRAME_SECONDS)):
            await trio.sleep_until(started + number * FRAME_SECONDS)
            self.rtp.sent += 1
            await self.rtp_socket.sendto(self.packet(number), destination.rtp.sockaddr)
            if number % REPORT_EVERY == REPORT_EVERY // 2:
                self.rtcp.sent += 1
                await self.rtcp_socket.sendto(self.sender_report(time.time()), destination.rtcp.sockaddr)

    async def listen(self, other: Phone) -> None:
        """Take what comes and compare it with what the other phone sends, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen_rtp, other)
            nursery.start_soon(self._listen_rtcp, other)

    async def _listen_rtp(self, other: Phone) -> None:
        while True:
            datagram, source = await self.rtp_socket.recvfrom(2048)
            self.rtp.received += 1
            self.remote_address = Endpoint.from_sockaddr(source)
            number = other.number_of(datagram)
            if number is None:
                self.rtp.wrong += 1
            else:
                self.heard.add(number)
            self._news.unpark_all()

    async def _listen_rtcp(self, other: Phone) -> None:
        while True:
            datagram, _ = await self.rtcp_socket.recvfrom(2048)
            self.rtcp.received += 1
            if datagram[:2] != b"\x80\xc8" or datagram[4:8] != other.ssrc.to_bytes(4):
                self.rtcp.wrong += 1
            self._news.unpark_all()

    def number_of(self, datagram: bytes) -> int | None:
        """Return which of its RTP packets a datagram is, equal to the last bit, or None."""
        if len(datagram) < _RTP.size:
            return None
        # By its timestamp, for sequence numbers come round after 22 minutes.
        ticks = (_RTP.unpack_from(datagram)[3] - self.first_timestamp) % (1 << 32)
        number = ticks // FRAME_SAMPLES
        return number if datagram == self.packet(number) else None

    async def has_heard_all_of(self, other: Phone) -> None:
        """Return when everything that the other phone sent has come; for ever if something is lost."""
        while self.missing(other) or self.rtcp.received < other.rtcp.sent:
            await self._news.park()

    def missing(self, other: Phone) -> int:
        """Return how many packets of the other phone never came."""
        return other.rtp.sent - len(self.heard)


async def _port_pair(address: str) -> tuple[trio.socket.SocketType, trio.socket.SocketType]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(PORT_PAIR_ATTEMPTS):
        first, second = (trio.socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        try:
            await first.bind((address, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                await second.bind((address, port + 1))
                return first, second
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                first.close()
                second.close()
                raise
        first.close()
        second.close()
    raise OSError(errno.EADDRINUSE, "no two neighbouring UDP ports are free")


@asynccontextmanager
async def open_phone(
    name: str, *, frequency: int, random: Random, address: str = "127.0.0.1"
) -> AsyncIterator[Phone]:
    """Open a phone's two sockets, on an even port and the odd one above it."""
    rtp_socket, rtcp_socket = await _port_pair(address)
    with rtp_socket, rtcp_socket:
        yield Phone(
            name,
            frequency,
            rtp_socket,
            rtcp_socket,
            address,
            rtp_socket.getsockname()[1],
            ssrc=random.getrandbits(32),
            first_sequence=random.getrandbits(16),
            first_timestamp=random.getrandbits(32),
            frames=tone(frequency),
        )
