"""Calls through the real daemon between two hosts, each a network namespace, relayed by the kernel.

The phones number their packets, so that what is missing, doubled or out of order is seen at the other end.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from random import Random

import pytest
import trio
from attrs import define, evolve, field

from karl_trio.cli.synthetic import destination_in
from karl_trio.client import NgClient
from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.server import app
from karl_trio.server.kernel import Unavailable, try_kernel_road

from ..networks import Network

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


@pytest.fixture
def phones():
    """The namespace that the phones are in; everything else of the test is in the relay's."""
    if shutil.which("ip") is None:
        pytest.skip("needs ip (Debian: iproute2)")
    relay, phones = Network(), Network()
    relay.join("near", phones, "near-phones", with_prefix(RELAY), with_prefix(PHONES))
    relay.join("far", phones, "far-phones", with_prefix(OTHER_RELAY), with_prefix(OTHER_PHONES))
    with relay.entered():
        try:
            try_kernel_road()
        except Unavailable as error:
            pytest.skip(f"no kernel road: {error}")
        yield phones
    for network in (relay, phones):
        network.close()


@pytest.fixture
async def client(phones, nursery):
    """A SIP proxy, connected to a daemon that relays between the two sides."""
    daemon = await nursery.start(app.serve, SETTINGS)
    async with NgClient(daemon.ng_addresses) as connected:
        connected.calls = daemon.calls
        yield connected


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


@pytest.mark.parametrize(
    ("versions", "sides", "direction"),
    [
        ((4, 4), (PHONES, OTHER_PHONES), ("near", "far")),
        ((6, 6), (PHONES, OTHER_PHONES), ("near", "far")),
        ((4, 6), (PHONES, OTHER_PHONES), ("near", "far")),
        ((6, 4), (PHONES, OTHER_PHONES), ("near", "far")),
        ((4, 4), (PHONES, PHONES), ("near", "near")),
    ],
)
async def test_a_call_is_promoted_within_two_seconds_and_nothing_is_lost_or_counted_twice(
    client, phones, versions, sides, direction
):
    with opened(phones, versions, sides=sides) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, direction)
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted, within=2.0)
            await trio.sleep(1.2)
        assert alice.heard == bob.said
        assert bob.heard == alice.said
        for stream, near, far in zip(await talk.streams(), (alice, bob), (bob, alice), strict=True):
            assert stream["stats"] == {"packets": len(near.said), "bytes": 172 * len(near.said), "errors": 0}
            assert stream["stats_out"]["packets"] == len(far.said)
            assert stream["last kernel packet"] == pytest.approx(stream["last packet"], abs=1)
        assert await talk.is_promoted()
        relayed = (await client.query("call-1"))["SSRC"]
        assert {source: (of["packets"], of["lost"]) for source, of in relayed.items()} == {
            str(phone.ssrc): (len(phone.said), 0) for phone in (alice, bob)
        }
        # Half of the time, at most, was in userspace.
        (stream,) = [it for it in client.calls.find("call-1").streams if it.port.endpoint == alice.towards]
        assert stream.tally_kernel > 0.4 * stream.tally
        await until(partial(sees_kernel_packets, client))


async def sees_kernel_packets(client):
    figures = await client.statistics()
    current, total = figures["currentstatistics"], figures["totalstatistics"]
    assert total["relayedpackets"] == total["relayedpackets_kernel"] + total["relayedpackets_user"]
    return current["media_kernel"] == 2 and total["relayedpackets_kernel"] > total["relayedpackets_user"]


async def test_re_invites_at_any_moment_lose_and_double_nothing(client, phones):
    random = Random(1)
    with opened(phones, (4, 4)) as first, opened(phones, (6, 4), ssrc=0xB0B) as second:
        talks = [
            Talk(client, f"call-{number}", *pair, ("near", "far"))
            for number, pair in enumerate((first, second))
        ]
        for talk in talks:
            await talk.begin()
        async with talking(*talks):
            for talk in talks:
                await until(talk.is_promoted)
            for _ in range(8):
                await trio.sleep(random.uniform(0.05, 0.6))
                await random.choice(talks).offer()
            for talk in talks:
                await until(talk.is_promoted)
        for talk in talks:
            assert talk.alice.heard == talk.bob.said
            assert talk.bob.heard == talk.alice.said


async def test_what_is_blocked_or_held_stops_at_once_and_goes_on_without_a_loss(client, phones):
    """Each interruption is one gap; at its edges nothing is lost, doubled or out of order."""
    random = Random(2)
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            for interrupt, resume in (
                (partial(talk.ask, "block media"), partial(talk.ask, "unblock media")),
                (partial(talk.offer, alice.sdp + "a=inactive\r\n"), talk.offer),
                (partial(talk.ask, "block media"), partial(talk.ask, "unblock media")),
            ):
                await until(talk.is_promoted, within=4.0)
                await trio.sleep(random.uniform(0.0, 0.3))
                await interrupt()
                bob.listen()
                heard = len(bob.heard)
                await trio.sleep(0.2)
                assert len(bob.heard) == heard, "media went on although it was stopped"
                await resume()
                await trio.sleep(0.1)
                assert len(bob.heard) > heard
        assert bob.heard == sorted(set(bob.heard)), "doubled, or out of order"
        assert gaps(alice.said, bob.heard) == 3
        assert alice.heard == sorted(set(alice.heard))
        assert gaps(bob.said, alice.heard) == 3


async def test_a_deleted_call_stops_at_once_and_its_last_figures_are_whole(client, phones):
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            await trio.sleep(0.3)
            told = await client.delete("call-1", "alice")
            bob.listen()
            heard = len(bob.heard)
            await trio.sleep(0.2)
        assert bob.heard == alice.said[:heard]
        received = told.reply["totals"]["packets-received"]
        assert received == pytest.approx(len(alice.heard) + len(bob.heard), abs=2)


async def test_a_phone_that_moves_is_followed(client, phones):
    with opened(phones, (4, 4)) as (alice, bob), opened(phones, (4, 4)) as (elsewhere, _):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
        elsewhere.said = alice.said
        talk.alice = elsewhere
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            await trio.sleep(0.2)
        assert bob.heard == elsewhere.said
        assert elsewhere.heard == bob.said[-len(elsewhere.heard) :]
        assert alice.heard == bob.said[: -len(elsewhere.heard)]


async def test_when_the_route_changes_packets_take_the_new_one(client, phones):
    with opened(phones, (4, 4)) as (alice, bob):
        talk = Talk(client, "call-1", alice, bob, ("near", "far"))
        await talk.begin()
        async with talking(talk):
            await until(talk.is_promoted)
            Network._ip("link", "set", "far", "mtu", "1300")
            await trio.sleep(0.3)
            assert not await talk.is_promoted()
            await until(talk.is_promoted)
        assert bob.heard == alice.said
        assert alice.heard == bob.said


async def test_two_daemons_on_one_host_each_relay_their_own_calls(client, phones, nursery):
    other = await nursery.start(app.serve, evolve(SETTINGS, port_min=31000, port_max=31099))
    async with NgClient(other.ng_addresses) as other_client:
        with opened(phones, (4, 4)) as first, opened(phones, (4, 4), ssrc=0xB0B) as second:
            talks = [
                Talk(client, "call-1", *first, ("near", "far")),
                Talk(other_client, "call-1", *second, ("near", "far")),
            ]
            for talk in talks:
                await talk.begin()
            async with talking(*talks):
                for talk in talks:
                    await until(talk.is_promoted)
                await trio.sleep(0.3)
            for talk in talks:
                assert talk.alice.heard == talk.bob.said
                assert talk.bob.heard == talk.alice.said


@asynccontextmanager
async def daemon_process(nursery, *options, command=()):
    """A daemon in a process of its own, and a client of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        node = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [
        *command,
        sys.executable,
        "-m",
        "karl_trio",
        "serve",
        "--config",
        "/dev/null",
        "--listen-ng",
        node,
    ]
    words += [word for interface in INTERFACES for word in ("--interface", interface)]
    run = partial(trio.run_process, [*words, *options], stderr=subprocess.DEVNULL, check=False)
    process = await nursery.start(run)
    async with NgClient([node], attempts=40, wait=0.25) as client:
        with trio.fail_after(20):
            await client.ping()
        yield process, client
    process.kill()


async def test_a_daemon_that_is_killed_leaves_nothing_behind(phones, nursery):
    with opened(phones, (4, 4)) as (alice, bob):
        async with daemon_process(nursery, "--kernel-forwarding", "require") as (process, client):
            talk = Talk(client, "call-1", alice, bob, ("near", "far"))
            await talk.begin()
            async with talking(talk):
                await until(talk.is_promoted)
                await trio.sleep(0.2)
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()
                await trio.sleep(0.1)
                bob.listen()
                heard = len(bob.heard)
                await trio.sleep(0.3)
            assert bob.heard == alice.said[:heard], "somebody still relays, or something was lost before"


async def test_without_the_right_to_it_the_same_calls_work_in_userspace(phones, nursery):
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (Debian: util-linux)")
    with opened(phones, (4, 4)) as (alice, bob):
        unprivileged = (setpriv, "--bounding-set=-all", "--inh-caps=-all")
        async with daemon_process(nursery, command=unprivileged) as (_, client):
            talk = Talk(client, "call-1", alice, bob, ("near", "far"))
            await talk.begin()
            async with talking(talk):
                await trio.sleep(2.2)
                assert not await talk.is_promoted()
            assert bob.heard == alice.said
            assert alice.heard == bob.said
