"""Bad input against a real daemon on the loopback interface: it must not end, leak or stop answering.

The rate is bounded: this looks for input that harms, not for the load that does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from .control import LOOPBACK
from .control_load import Controller, media_port
from .daemons import Daemon, karl_trio_command
from .errors import MeasurementError
from .mutations import Mutator
from .processor import resident_bytes

EXIT_FOUND, EXIT_CANNOT = 1, 2
ROUND_SECONDS = 0.05
REQUESTS_PER_ROUND, PACKETS_PER_ROUND = 20, 50
"""Of each round: 400 requests and 1000 packets a second."""
CALL_EVERY, CHECK_EVERY = 2.0, 10.0
TALKING_CALLS = 3
PACKETS_OF_A_CALL = 5
PORTS_OF_A_CALL, FILES_OF_A_CALL = 4, 6
PAGE = 16
"""Calls in one reply to `list`, so that it fits into a datagram even if their call-ids are long."""
CHECK_PATIENCE = 30.0
SETTLE_PATIENCE = 3.0
ANSWER_PATIENCE = 2.0
MEMORY_GROWTH = 64 << 20
"""Allowed from the first check to the last: replies are kept for a minute, so a minute's worth may grow."""


class FaultError(Exception):
    """The daemon did something that it must not do."""


class Phone:
    """One side of a call: a UDP socket on the loopback interface."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._socket.settimeout(ANSWER_PATIENCE)
        self.port: int = self._socket.getsockname()[1]

    def sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {LOOPBACK}\r\ns=-\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/AVP 0 8\r\na=sendrecv\r\n"
        )

    def send(self, packet: bytes, port: int) -> None:
        # The port may have been closed meanwhile, which the loopback interface tells the sender.
        with contextlib.suppress(ConnectionRefusedError):
            self._socket.sendto(packet, (LOOPBACK, port))

    def receive(self) -> bytes:
        return self._socket.recv(65535)

    def drain(self) -> None:
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(65535)
        self._socket.settimeout(ANSWER_PATIENCE)

    def close(self) -> None:
        self._socket.close()


class Call:
    """A good call between two phones of ours."""

    def __init__(self, controller: Controller, call_id: str) -> None:
        self._controller = controller
        self._call_id = call_id
        self.caller, self.callee = Phone(), Phone()
        tags = {"call-id": call_id, "from-tag": "caller"}
        offered = _ok(controller, {"command": "offer", "sdp": self.caller.sdp()} | tags)
        answered = _ok(controller, {"command": "answer", "sdp": self.callee.sdp(), "to-tag": "callee"} | tags)
        # Where each phone has to send to is in the SDP that the other one's went through.
        self.caller_sends_to = media_port(answered["sdp"].encode())
        self.callee_sends_to = media_port(offered["sdp"].encode())

    def talk(self) -> None:
        """Send a few packets each way and see that they arrive as they were."""
        for sender, port, receiver in (
            (self.caller, self.caller_sends_to, self.callee),
            (self.callee, self.callee_sends_to, self.caller),
        ):
            receiver.drain()
            for number in range(PACKETS_OF_A_CALL):
                packet = struct.pack(">BBHII", 0x80, 0, number, 160 * number, port) + bytes(160)
                sender.send(packet, port)
                try:
                    arrived = receiver.receive()
                except TimeoutError:
                    raise FaultError(f"packet {number} of a good call did not arrive") from None
                if arrived != packet:
                    raise FaultError("a packet of a good call was altered")

    def end(self) -> None:
        _ok(self._controller, {"command": "delete", "call-id": self._call_id, "from-tag": "caller"})
        self.caller.close()
        self.callee.close()


class Fuzz:
    """One run against one daemon.

    Attributes:
        counts: what was sent and what came back.
    """

    def __init__(self, daemon: Daemon, random: Random) -> None:
        self._daemon = daemon
        self._controller = daemon.controller
        self._random = random
        self._mutator = Mutator(random)
        self._attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._attacker.connect(daemon.address)
        self._attacker.setblocking(False)
        self._stranger = Phone()
        self._files = self._open_files()
        self._last: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.memory: list[int] = []

    def run(self, seconds: float) -> None:
        """Attack for so long.

        Raises:
            FaultError: the daemon has a fault.
        """
        talking = [Call(self._controller, f"talk-{number}") for number in range(TALKING_CALLS)]
        started = time.monotonic()
        end, next_call, next_check = started + seconds, started, started + min(CHECK_EVERY, seconds / 2)
        while (now := time.monotonic()) < end:
            self._attack(talking)
            if now >= next_call:
                next_call += CALL_EVERY
                self._good_call()
            if now >= next_check:
                next_check += CHECK_EVERY
                self._check(kept=[f"talk-{number}" for number in range(TALKING_CALLS)])
            time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - now)))
        self._good_call()
        for call in talking:
            call.end()
        self._check(kept=[])

    def _attack(self, talking: Sequence[Call]) -> None:
        self._last = [self._mutator.datagram() for _ in range(REQUESTS_PER_ROUND)]
        for datagram in self._last:
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                self._attacker.send(datagram)
                self.counts["requests"] += 1
        for _ in range(PACKETS_PER_ROUND):
            call = self._random.choice(talking)
            port = self._random.choice((call.caller_sends_to, call.callee_sends_to)) + self._random.randrange(
                2
            )
            sender = self._random.choice((call.caller, call.callee, self._stranger))
            sender.send(self._mutator.packet(), port)
            self.counts["packets"] += 1
        if self._controller.request({"command": "ping"}, ANSWER_PATIENCE) is None:
            raise FaultError("a good ping was not answered")
        self._read_replies()
        for call in talking:
            call.caller.drain()
            call.callee.drain()
        self._stranger.drain()

    def _read_replies(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                reply = self._attacker.recv(65535)
                self.counts["replies"] += 1
                if b"Internal error" in reply:
                    cookie = reply[: reply.index(b" ")]
                    guilty = next((datagram for datagram in self._last if datagram.startswith(cookie)), None)
                    raise FaultError(f"an internal error answers {guilty!r}")
                self.counts["errors"] += b"5:error" in reply or b'"error"' in reply

    def _good_call(self) -> None:
        call = Call(self._controller, f"good-{self.counts['good calls']}")
        call.talk()
        call.end()
        self.counts["good calls"] += 1

    def _check(self, kept: Sequence[str]) -> None:
        """End the calls that the bad requests have made; nothing of them may stay."""
        deadline = time.monotonic() + CHECK_PATIENCE
        while True:
            if time.monotonic() > deadline:
                raise FaultError("deleted calls are still listed")
            listed = _ok(self._controller, {"command": "list", "limit": PAGE + len(kept)})
            made = [call_id for call_id in listed["call-ids"] if call_id not in kept]
            if not made:
                break
            for call_id in made:
                _ok(self._controller, {"command": "delete", "call-id": call_id, "delete-delay": 0})
                self.counts["calls made"] += 1
        _settle("open files", self._open_files, self._files + FILES_OF_A_CALL * len(kept))
        _settle("ports in use", self._ports_in_use, PORTS_OF_A_CALL * len(kept))
        self.memory.append(resident_bytes(self._daemon.pid))
        if self.memory[-1] > self.memory[0] + MEMORY_GROWTH:
            raise FaultError(f"memory grew from {self.memory[0] >> 20} to {self.memory[-1] >> 20} MB")

    def _open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self._daemon.pid}/fd").iterdir())

    def _ports_in_use(self) -> int:
        interfaces = _ok(self._controller, {"command": "statistics"})["statistics"]["interfaces"]
        return sum(interface["ports"]["used"] for interface in interfaces)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    with tempfile.TemporaryDirectory(prefix="karl-fuzz-") as directory:
        try:
            return _fuzz(options.seconds, seed, Path(directory))
        except MeasurementError as error:
            print(f"scripts/fuzz: {error}", file=sys.stderr)
            return EXIT_CANNOT


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="scripts/fuzz", description=(__doc__ or "").partition("\n")[0])
    top.add_argument("--seconds", type=float, default=60.0, help="how long; default 60")
    top.add_argument("--seed", type=int, help="the same input again; otherwise a new one is taken and told")
    return top


def _fuzz(seconds: float, seed: int, directory: Path) -> int:
    core = min(os.sched_getaffinity(0))
    daemon = Daemon("karl-trio", lambda ng: karl_trio_command(ng, [LOOPBACK]), directory, core)
    fault, fuzz = None, Fuzz(daemon, Random(seed))
    try:
        fuzz.run(seconds)
    except (FaultError, MeasurementError) as error:
        fault = str(error)
    ended = daemon.has_ended
    status = daemon.stop()
    log = daemon.log.read_text(encoding="utf-8", errors="replace")
    if ended:
        fault = f"the daemon ended by itself with status {status}; {fault}"
    elif fault is None and status != 0:
        fault = f"the daemon's exit status is {status}"
    elif fault is None and "Traceback" in log:
        fault = "a traceback is in the log"
    counts = fuzz.counts
    print(
        f"scripts/fuzz --seconds {seconds:g} --seed {seed}: {counts['requests']:,} requests"
        f" ({counts['replies']:,} answered, {counts['errors']:,} with an error),"
        f" {counts['calls made']:,} calls made, {counts['packets']:,} packets,"
        f" {counts['good calls']} good calls, memory {' '.join(str(size >> 20) for size in fuzz.memory)} MB:"
        f" {'FAILED' if fault else 'passed'}"
    )
    if fault:
        print(f"scripts/fuzz: {fault}", file=sys.stderr)
        print(log[-4000:], file=sys.stderr)
        return EXIT_FOUND
    return 0


def _ok(controller: Controller, body: Mapping[str, object]) -> dict[str, Any]:
    reply = controller.request(body, ANSWER_PATIENCE)
    if reply is None:
        raise FaultError(f"a good {body['command']} was not answered")
    if reply.get("result") != "ok":
        raise FaultError(f"a good {body['command']} was answered {reply}")
    return reply


def _settle(what: str, count: Callable[[], int], expected: int) -> None:
    """Wait until a count is what it should be; the tasks of ended calls take a moment to close."""
    deadline = time.monotonic() + SETTLE_PATIENCE
    while (found := count()) != expected:
        if time.monotonic() > deadline:
            raise FaultError(f"{found} {what} where {expected} were expected")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
