"""Media proxy nodes under test."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen
from trio_util import wait_any

from karl_trio.client.client import NgClient
from karl_trio.client.replies import ListedCall
from karl_trio.endpoint import Endpoint

from .processes import LOOPBACK, free_port, free_ports, need, running, udp_ports

# Enough for the largest scenario: 50 calls of two legs with an RTP and an RTCP port each, and as many again
# because released ports rest.
MEDIA_PORTS = 400

# How often, and how many seconds apart, a node is asked before it counts as not starting.
ATTEMPTS, WAIT = 100, 0.1

# Seconds that the media of a short scenario may take.
RELAY_TIME = 5.0

# Seconds that it may take to act on a signal.
SIGNAL_TIME = 3.0

# Seconds that a node may take to give back what a deleted call used.
RELEASE_TIME = 3.0


# With this in the environment the node is rtpengine: a scenario that fails with that as well is itself wrong.
NODE_IS_RTPENGINE = os.environ.get("KARL_TRIO_TEST_NODE") == "rtpengine"


def command_line(ng: Endpoint, ports: range) -> list[str]:
    """How a node is started, rtpengine without its kernel module."""
    options = [f"--listen-ng={ng}", f"--interface={LOOPBACK}"]
    options += [f"--port-min={ports[0]}", f"--port-max={ports[-1]}"]
    if NODE_IS_RTPENGINE:
        options += ["--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--delete-delay=0"]
        return [need("rtpengine"), *options]
    return [sys.executable, "-m", "karl_trio", "serve", *options]


@frozen
class MediaNode:
    """One running media proxy.

    Attributes:
        ng: where it takes NG requests.
        ports: its media ports.
        log: the file with its output.
    """

    ng: Endpoint
    ports: range
    log: Path
    client: NgClient
    process: trio.Process

    @property
    def endpoints(self) -> set[Endpoint]:
        """Where its media can come from."""
        return {Endpoint(LOOPBACK, port) for port in self.ports}

    async def calls(self) -> tuple[ListedCall, ...]:
        return await self.client.list_calls()

    async def packets_by_leg(self, call_id: str) -> dict[str, int]:
        """How many RTP packets of a call it counted from each leg, by tag."""
        legs = (await self.client.query(call_id))["tags"]
        return {
            tag: sum(media["streams"][0]["stats"]["packets"] for media in leg["medias"])
            for tag, leg in legs.items()
        }

    async def relays(self, call_id: str, packets: int) -> None:
        """Wait until it has counted that many RTP packets from each of two legs, and no more than that."""
        counted: dict[str, int] = {}
        with trio.move_on_after(RELAY_TIME):
            while sum(counted.values()) < 2 * packets:
                await trio.sleep(0.02)
                counted = await self.packets_by_leg(call_id)
        assert list(counted.values()) == [packets, packets], f"packets counted: {counted}"

    async def becomes_idle(self) -> None:
        """Wait until it has given up every call and every port, which has to be in a moment."""
        calls, ports = await self.calls(), self._media_ports()
        with trio.move_on_after(RELEASE_TIME):
            while calls or ports:
                await trio.sleep(0.02)
                calls, ports = await self.calls(), self._media_ports()
        assert not calls, f"calls that are left: {calls}"
        assert not ports, f"media ports still open: {ports}"

    async def says(self, text: str) -> None:
        """Wait until it has logged a line with that text."""
        with trio.move_on_after(SIGNAL_TIME):
            while text not in _content(self.log):
                await trio.sleep(0.02)
        assert text in _content(self.log), f"{text!r} is not in the log:\n{_content(self.log)}"

    def _media_ports(self) -> list[int]:
        return sorted(udp_ports(self.process).intersection(self.ports))

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        self.process.kill()


@asynccontextmanager
async def media_node(
    log: Path, *, in_place_of: MediaNode | None = None, options: Sequence[str] = ()
) -> AsyncIterator[MediaNode]:
    """A node that answers, until the block is left.

    Args:
        in_place_of: an earlier node whose ports it takes.
        options: more of the command line.
    """
    ng = in_place_of.ng if in_place_of else Endpoint(LOOPBACK, free_port())
    ports = in_place_of.ports if in_place_of else free_ports(MEDIA_PORTS)
    async with (
        running([*command_line(ng, ports), *options], log) as process,
        NgClient([ng], attempts=ATTEMPTS, wait=WAIT) as client,
    ):
        await wait_any(client.ping, process.wait)
        assert process.returncode is None, f"the node ended at once:\n{_content(log)}"
        yield MediaNode(ng, ports, log, client, process)


def _content(log: Path) -> str:
    return log.read_text(errors="replace")
