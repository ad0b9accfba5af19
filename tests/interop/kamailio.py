"""Kamailio with the configuration that operators are given, unmodified."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from karl_trio.endpoint import Endpoint

from .nodes import MediaNode
from .processes import LOOPBACK, free_port, need, running

CONFIGURATION = Path(__file__).parents[2] / "conf" / "kamailio" / "kamailio.cfg"

START_TIME = 10.0

# Seconds for which the tests' Kamailio leaves a node alone that did not answer.
DISABLED_FOR = 1

OPTIONS = b"""OPTIONS sip:%(sip)s SIP/2.0\r
Via: SIP/2.0/UDP %(here)s;branch=z9hG4bKready;rport\r
From: <sip:test@%(here)s>;tag=ready\r
To: <sip:%(sip)s>\r
Call-ID: ready\r
CSeq: 1 OPTIONS\r
Max-Forwards: 1\r
Content-Length: 0\r
\r
"""


@asynccontextmanager
async def kamailio(
    nodes: Sequence[MediaNode], directory: Path, **definitions: str
) -> AsyncIterator[Endpoint]:
    """A proxy with these nodes as its failover set, until the block is left; gives its SIP address.

    Args:
        definitions: what else is defined, or otherwise.
    """
    sip = Endpoint(LOOPBACK, free_port())
    set_of_nodes = " ".join(f"udp:{node.ng}=1" for node in nodes)
    definitions = {
        "SIP_LISTEN": f"udp:{sip}",
        "KARL_TRIO_NODES": f'"{set_of_nodes}"',
        "KARL_TRIO_DISABLED_FOR": str(DISABLED_FOR),
        **definitions,
    }
    command = [need("kamailio"), "-f", str(CONFIGURATION), "-DD", "-E", "-m", "32", "-M", "4"]
    command += ["-P", str(directory / "kamailio.pid"), "-Y", str(directory), "-w", str(directory)]
    for name, value in definitions.items():
        command += ["-A", f"{name}={value}"]
    log = directory / "kamailio.log"
    async with running(command, log) as process:
        if not await _is_ready(sip, process):
            raise AssertionError(f"kamailio does not answer:\n{log.read_text()}")
        yield sip


async def _is_ready(sip: Endpoint, process: trio.Process) -> bool:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as probe:
        await probe.bind((LOOPBACK, 0))
        here = Endpoint.from_sockaddr(probe.getsockname())
        names = {b"sip": str(sip).encode(), b"here": str(here).encode()}
        with trio.move_on_after(START_TIME):
            while process.returncode is None:
                await probe.sendto(OPTIONS % names, sip.sockaddr)
                with trio.move_on_after(0.1):
                    reply, _ = await probe.recvfrom(65535)
                    return reply.startswith(b"SIP/2.0 200 ")
    return False
