"""The commands that README.md and docs/configuration.md tell people to try do what is said of them."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
import trio

from karl_trio.client import NgClient
from karl_trio.config import Settings
from karl_trio.server import app

from ..security.hosts import sdp

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    listen_http=("127.0.0.1:0",),
    interface=("127.0.0.1",),
    port_min=24800,
    port_max=24899,
)


def lines_with(program: str, text: str) -> list[str]:
    """Return the lines to type that a program is in."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if re.search(rf"\b{program} ", line)]


@pytest.fixture
async def shell(nursery):
    """A shell on a host whose server has the usual addresses, as far as what is typed can tell."""
    served = await nursery.start(app.serve, SETTINGS)
    ng, http = served.ng_addresses[0], served.listeners.http[0].endpoint
    stand_ins = {
        "127.0.0.1 22222": f"127.0.0.1 {ng.port}",
        "127.0.0.1:8080": str(http),
        "scripts/run ": f"KARL_TRIO_NODE={ng} {sys.executable} -m karl_trio ",
        "CALL-ID": "call",
    }
    async with NgClient([ng]) as client:
        await client.offer("call", "alice", sdp("127.0.1.1", 4000))

    async def typed(line: str) -> str:
        for usual, here in stand_ins.items():
            line = line.replace(usual, here)
        with trio.fail_after(20):
            done = await trio.run_process(["sh", "-c", line], capture_stdout=True, capture_stderr=True)
        return done.stdout.decode()

    return typed


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


async def test_the_ping_with_nc(shell):
    need("nc")
    (line,) = lines_with("nc", README)
    assert f"prints `{await shell(line)}`" in README


async def test_the_ping_with_curl(shell):
    need("curl")
    (line,) = lines_with("curl", README)
    assert f"prints `{(await shell(line)).rstrip()}`" in README


async def test_requests_with_curl(shell):
    need("curl")
    ping, listing = lines_with("curl", CONFIGURATION)
    assert await shell(ping) == "c1 d6:result4:ponge"
    assert '"call-ids":["call"]' in await shell(listing)


async def test_the_commands_without_either(shell):
    words = ("ping", "list", "query CALL-ID", "statistics")
    lines = [line for line in lines_with("scripts/run", README) if line.endswith(words)]
    assert len(lines) == len(words)
    told = [await shell(line) for line in lines]
    for text, expected in zip(told, (": pong in ", "call  ", "alice", "sessionsown: 1"), strict=True):
        assert expected in text
