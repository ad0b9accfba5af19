"""Programs that run beside a test, and the ports they are given."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

_random = random.Random()

# All of 127.0.0.0/8 is the loopback interface. One address of our own for a test run: ports that something
# else on this host uses on 127.0.0.1 are free there.
LOOPBACK = f"127.{_random.randrange(1, 255)}.{_random.randrange(256)}.{_random.randrange(1, 255)}"

# Below the range that the kernel gives out by itself (32768 and above on Linux), so
# that no socket bound to port 0 in the meantime takes what was found free here.
LOWEST_PORT, HIGHEST_PORT = 10_000, 32_700

# A program that does not end on SIGTERM within this many seconds is killed.
PATIENCE = 3.0

# Where the next ports are looked for. What was given out once is not given out again until all have been: one
# that nobody has bound yet is free only as far as the kernel knows.
_next_port = LOWEST_PORT


def need(program: str) -> str:
    """Return the path of an installed program, or skip the test naming it."""
    # Debian's place for daemons is not on the path of everybody who runs tests.
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def free_ports(count: int = 1) -> range:
    """Find that many consecutive UDP ports, the first one even, free on `LOOPBACK`."""
    global _next_port
    for _ in range(LOWEST_PORT, HIGHEST_PORT, count):
        if _next_port + count > HIGHEST_PORT:
            _next_port = LOWEST_PORT
        ports = range(_next_port, _next_port + count)
        _next_port = ports.stop + ports.stop % 2
        if all(map(_is_free, ports)):
            return ports
    raise AssertionError(f"no {count} consecutive UDP ports are free")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    return free_ports()[0]


def udp_ports(process: trio.Process) -> set[int]:
    """The local ports of the UDP sockets that a process has open, none after its end."""
    directory = Path(f"/proc/{process.pid}")
    try:
        inodes = {_socket_inode(descriptor) for descriptor in (directory / "fd").iterdir()}
        tables = [(directory / "net" / name).read_text() for name in ("udp", "udp6")]
    except OSError:
        return set()
    # Columns of /proc/net/udp: 1 the local address, hexadecimal, as ADDRESS:PORT, 9 the inode of the socket.
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def _socket_inode(descriptor: Path) -> str | None:
    try:
        target = str(descriptor.readlink())
    except OSError:
        # Closed between the listing and now.
        return None
    return target.removeprefix("socket:[").removesuffix("]") if target.startswith("socket:") else None


@asynccontextmanager
async def running(
    command: Sequence[str], log: Path, *, directory: Path | None = None
) -> AsyncIterator[trio.Process]:
    """Run a program, its output going to a file, until the block is left; then end it and its children."""
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _end(process: trio.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(PATIENCE):
            await process.wait()
    # Children that outlived it are in the group that start_new_session made for it.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    await process.wait()
