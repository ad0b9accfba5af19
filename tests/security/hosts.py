"""Those who take part in an attack: phones, their call, and the attacker."""

from __future__ import annotations

import select
import socket
import struct

import trio
from attrs import define

from karl_trio.cli.synthetic import Destination, destination_in
from karl_trio.endpoint import Endpoint

PACKET_TIME = 0.02
"""Seconds between two packets of a phone."""

CHUNK = 100
"""Datagrams sent at a stroke: the kernel drops what a socket's queue has no room for, which is some 270."""

PAYLOAD = bytes(160)


def rtp(sequence, *, timestamp=None, ssrc=0x1234, payload_type=0, payload=PAYLOAD):
    """An RTP packet (RFC 3550, 5.1), made apart from the code that reads it."""
    timestamp = sequence * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, payload_type, sequence % 2**16, timestamp % 2**32, ssrc) + payload


def goodbye(ssrc=0x1234):
    """A compound of an empty receiver report and a BYE (RFC 3550, 6.1 and 6.6)."""
    return struct.pack("!BBHIBBHI", 0x80, 201, 1, ssrc, 0x81, 203, 1, ssrc)


def sdp(address, port, *, media=None, attributes=()):
    lines = [
        "v=0",
        f"o=- 1 1 IN IP{6 if ':' in address else 4} {address}",
        "s=-",
        f"c=IN IP{6 if ':' in address else 4} {address}",
        "t=0 0",
        media or f"m=audio {port} RTP/AVP 0",
        *attributes,
    ]
    return "".join(f"{line}\r\n" for line in lines)


def open_socket(address, port=0):
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind((address, port))
    return opened


def everything(sock):
    """Take what has arrived at a socket."""
    arrived = []
    while True:
        try:
            arrived.append(sock.recv(65535))
        except BlockingIOError:
            return arrived


class Phone:
    """A phone with a socket for RTP and one above it for RTCP; it remembers what it heard."""

    def __init__(self, address):
        self.address = address
        self.sequence = 0
        while True:
            self.rtp = open_socket(address)
            self.port = self.rtp.getsockname()[1]
            try:
                self.rtcp = open_socket(address, self.port + 1)
            except OSError:
                self.rtp.close()
                continue
            break

    @property
    def endpoint(self):
        return Endpoint(self.address, self.port)

    def heard(self):
        return everything(self.rtp)

    def heard_rtcp(self):
        return everything(self.rtcp)

    def close(self):
        self.rtp.close()
        self.rtcp.close()


class Attacker:
    """A host that sends whatever it likes; `socket` is where it hopes that media comes."""

    def __init__(self, address):
        self.address = address
        self.socket = open_socket(address)

    def spray(self, datagram, ports):
        for port in ports:
            self.socket.sendto(datagram, ("127.0.0.1", port))

    def booty(self):
        """What it got."""
        return everything(self.socket)

    def close(self):
        self.socket.close()


@define(eq=False)
class Talk:
    """A call between two phones.

    Attributes:
        call: as the daemon sees it.
        for_alice, for_bob: the daemon's ports that each of them sends to.
    """

    call: object
    alice: Phone
    bob: Phone
    for_alice: Destination
    for_bob: Destination

    @property
    def streams(self):
        return list(self.call.streams)

    def stream(self, destination):
        """The daemon's stream at an endpoint."""
        (found,) = [it for it in self.streams if it.port.endpoint == destination]
        return found

    def say(self, phone):
        """Let a phone send its next packet, and return it."""
        phone.sequence += 1
        is_alice = phone is self.alice
        datagram = rtp(phone.sequence, ssrc=0xA11CE if is_alice else 0xB0B)
        phone.rtp.sendto(datagram, (self.for_alice if is_alice else self.for_bob).rtp.sockaddr)
        return datagram

    async def chat(self, seconds, *, beside=lambda: None, alice=True, bob=True):
        """Let the phones talk for a while, and something happen with each of their packets."""
        for _ in range(round(seconds / PACKET_TIME)):
            if alice:
                self.say(self.alice)
            if bob:
                self.say(self.bob)
            beside()
            await trio.sleep(PACKET_TIME)
            await self.settle()

    async def is_intact(self):
        """Whether both hear each other, and nothing but each other."""
        await self.settle()
        for phone in (self.alice, self.bob):
            phone.heard()
        said = [self.say(self.alice), self.say(self.bob)]
        await self.settle()
        return [self.bob.heard(), self.alice.heard()] == [[said[0]], [said[1]]]

    async def settle(self):
        await read_all(self.streams)
        for stream in self.streams:
            stream.catch_up()

    @property
    def promoted(self):
        """The streams that the kernel relays."""
        return [it for it in self.streams if it.promotion is not None and it.promotion.is_active]

    async def send(self, sock, datagrams, destination):
        """Send datagrams to one of the daemon's ports, no faster than it can take them."""
        for first in range(0, len(datagrams), CHUNK):
            for datagram in datagrams[first : first + CHUNK]:
                sock.sendto(datagram, destination.sockaddr)
            await self.settle()


async def begin(daemon, client, alice, bob, *, call_id="call-1", alice_says=None, bob_says=None):
    """Set a call up; each phone says in its SDP where it is, or something else."""
    offer = await client.offer(call_id, "alice", alice_says or sdp(alice.address, alice.port))
    answer = await client.answer(call_id, "alice", "bob", bob_says or sdp(bob.address, bob.port))
    call = daemon.calls.find(call_id)
    return Talk(call, alice, bob, destination_in(answer.sdp), destination_in(offer.sdp))


async def read_all(streams):
    """Wait until the daemon has dealt with everything that has arrived at its streams."""
    while any(map(_has_waiting, streams)):
        await trio.sleep(0.001)
    await trio.sleep(0.001)


def _has_waiting(stream):
    poll = select.poll()
    for sock in (stream.port.socket, stream._twin):
        if sock is not None and sock.fileno() != -1:
            poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
