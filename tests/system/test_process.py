"""The daemon as an init system meets it, with calls in progress."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from functools import partial

import pytest
import trio

from karl_trio.client import NgClient

from ..calls.proxy import sdp


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def node():
    return f"127.0.0.1:{free_port()}"


async def start(nursery, node):
    """Start a daemon; return its process as soon as it answers."""
    words = [sys.executable, "-m", "karl_trio", "serve", "--config", "/dev/null", "--interface", "127.0.0.1"]
    words += ["--listen-ng", node, "--port-min", "36000", "--port-max", "36099"]
    process = await nursery.start(partial(trio.run_process, words, stderr=subprocess.DEVNULL, check=False))
    async with NgClient([node], attempts=40, wait=0.25) as client:
        with trio.fail_after(20):
            await client.ping()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_calls_and_process_cleanly(nursery, node, number):
    process = await start(nursery, node)
    async with NgClient([node]) as client:
        offered = await client.offer("call-1", "alice", sdp(4000))
        await client.answer("call-1", "alice", "bob", sdp(5000))
    process.send_signal(number)
    with trio.fail_after(10):
        assert await process.wait() == 0
    port = int(offered.sdp.split("m=audio ")[1].split()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
