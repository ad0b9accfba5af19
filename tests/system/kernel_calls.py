"""Phones in a network namespace, and calls between them in which both ends talk all the time.

They number their packets, so that what is missing, doubled or out of order is seen at the other end.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager

import trio
from attrs import define, field

from karl_trio.cli.synthetic import destination_in
from karl_trio.client import NgClient
from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint

PACKET_TIME = 0.01
"""Seconds between two packets of a phone: some load, also for two calls only."""

PAYLOAD = bytes(range(160))

PHONES = {4: "198.18.1.2", 6: "2001:2:1::2"}
RELAY = {4: "198.18.1.1", 6: "2001:2:1::1"}
OTHER_PHONES = {4: "198.18.2.2", 6: "2001:2:2::2"}
OTHER_RELAY = {4: "198.18.2.1", 6: "2001:2:2::1"}

INTERFACES = (
    *(f"near/{address}" for address in RELAY.values()),
    *(f"far/{address}" for address in OTHER_RELAY.values()),
)

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    interface=INTERFACES,
    port_min=30000,
    port_max=30099,
    kernel_forwarding="require",
)


def with_prefix(addresses):
    return [f"{address}/{64 if version == 6 else 24}" for version, address in addresses.items()]


@define(eq=False)
class Phone:
    """One end of a call.

    Attributes:
        said: the numbers that it has sent; `heard` those that came from the other end, in order.
    """

    endpoint: Endpoint
    socket: socket.socket
    ssrc: int
    towards: Endpoint | None = None
    said: list[int] = field(factory=list)
    heard: list[int] = field(factory=list)

    @classmethod
    def open(cls, network, address, ssrc):
        with network.entered():
            opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.setblocking(False)
        opened.bind((address, 0))
        return cls(Endpoint(address, opened.getsockname()[1]), opened, ssrc)

    def say(self):
        sequence = len(self.said) + 1
        header = struct.pack("!BBHII", 0x80, 0, sequence, 160 * sequence, self.ssrc)
        self.socket.sendto(header + PAYLOAD, self.towards.sockaddr)
        self.said.append(sequence)

    def listen(self):
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            assert datagram[12:] == PAYLOAD
            self.heard.append(struct.unpack_from("!H", datagram, 2)[0])

    @property
    def sdp(self):
        version = 6 if ":" in self.endpoint.address else 4
        return (
            f"v=0\r\no=- 1 1 IN IP{version} {self.endpoint.address}\r\ns=-\r\n"
            f"c=IN IP{version} {self.endpoint.address}\r\nt=0 0\r\n"
            f"m=audio {self.endpoint.port} RTP/AVP 0\r\n"
        )


@define(eq=False)
class Talk:
    """A call in which both ends talk all the time."""

    client: NgClient
    call_id: str
    alice: Phone
    bob: Phone
    direction: tuple[str, str]

    async def offer(self, sdp=None):
        versions = [6 if ":" in phone.endpoint.address else 4 for phone in (self.alice, self.bob)]
        family = {} if versions[0] == versions[1] else {"address-family": f"IP{versions[1]}"}
        offered = await self.client.offer(
            self.call_id, "alice", sdp or self.alice.sdp, direction=list(self.direction), **family
        )
        answered = await self.client.answer(self.call_id, "alice", "bob", self.bob.sdp)
        return destination_in(answered.sdp).rtp, destination_in(offered.sdp).rtp

    async def begin(self):
        self.alice.towards, self.bob.towards = await self.offer()

    def tick(self):
        for phone in (self.alice, self.bob):
            phone.say()
            phone.listen()

    async def ask(self, command, **keys):
        body = {"command": command, "call-id": self.call_id, "from-tag": "alice"}
        return await self.client.request(body | keys)

    async def streams(self):
        """The RTP streams towards alice and bob, as `query` tells of them."""
        tags = (await self.client.query(self.call_id))["tags"]
        return [tags[tag]["medias"][0]["streams"][0] for tag in ("alice", "bob")]

    async def is_promoted(self):
        return all("kernelized" in stream["flags"] for stream in await self.streams())


@contextmanager
def opened(phones, versions, ssrc=0xA11CE, sides=(PHONES, OTHER_PHONES)):
    pair = [
        Phone.open(phones, side[version], ssrc + number)
        for number, (side, version) in enumerate(zip(sides, versions, strict=True))
    ]
    try:
        yield pair
    finally:
        for phone in pair:
            phone.socket.close()


@asynccontextmanager
async def talking(*talks):
    """Let the ends of calls talk meanwhile, and for a moment listen to what is still under way."""
    async with trio.open_nursery() as nursery:

        async def talk():
            due = trio.current_time()
            while True:
                for each in talks:
                    each.tick()
                due += PACKET_TIME
                await trio.sleep_until(due)

        nursery.start_soon(talk)
        yield
        nursery.cancel_scope.cancel()
    await trio.sleep(0.1)
    for each in talks:
        each.alice.listen()
        each.bob.listen()


async def until(condition, *, within=2.5):
    with trio.fail_after(within):
        while not await condition():
            await trio.sleep(0.05)


def gaps(said, heard):
    """Return how often in a row something is missing of what was said."""
    missing = sorted(set(said) - set(heard))
    return sum(number - 1 not in missing for number in missing)


@asynccontextmanager
async def daemon_process(*options, command=()):
    """A daemon in a process of its own, and a client of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        node = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [*command, sys.executable, "-m", "karl_trio", "serve", "--config", "/dev/null"]
    words += ["--listen-ng", node, *(word for it in INTERFACES for word in ("--interface", it)), *options]
    # Trio starts processes from a thread, which may be in the network of an earlier test.
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220
        try:
            async with NgClient([node], attempts=40, wait=0.25) as client:
                with trio.fail_after(20):
                    await client.ping()
                yield process, client
        finally:
            process.kill()
