"""SIPp instances that place or take calls as a test tells them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field, frozen

from karl_trio.endpoint import Endpoint

from .phones import Phone
from .processes import LOOPBACK, free_port, need, running, udp_ports

SCENARIOS = Path(__file__).parent / "sipp"

# A whole scenario takes a few seconds; SIPp ends itself, with an error, after this many.
LONGEST_RUN = 40

# How long one step of a scenario may take.
PATIENCE = 8.0

# SIPp gives a message to the call whose Call-ID it has. A scenario that waits for a MESSAGE goes
# on when it gets this one, so a call takes as long as the test needs and not a second more.
PRESS = """MESSAGE sip:press@{sip} SIP/2.0\r
Via: SIP/2.0/UDP {here};branch=z9hG4bKpress{number}\r
From: <sip:test@{here}>;tag=test\r
To: <sip:press@{sip}>\r
Call-ID: {call_id}\r
CSeq: {number} MESSAGE\r
Content-Length: 0\r
\r
"""


@frozen
class Event:
    """A line that a scenario logged.

    Attributes:
        port: the RTP port of the phone for which it signals.
        media: where the SDP that came asks for media to be sent.
        direction: the direction attribute of that SDP.
    """

    name: str
    call_id: str
    port: int
    media: Endpoint | None = None
    direction: str | None = None

    @classmethod
    def from_line(cls, line: str) -> Event:
        # SIPp puts date and time before the message of a log action.
        name, call_id, port, *description = line.split()
        if not description:
            return cls(name, call_id, int(port))
        address, media_port, direction = description
        return cls(name, call_id, int(port), Endpoint(address, int(media_port)), direction)


@define(eq=False)
class Agent:
    """One SIPp that runs a scenario for a number of phones, a call for each."""

    scenario: str
    sip: Endpoint
    process: trio.Process
    _directory: Path
    _thumb: trio.socket.SocketType
    _events: list[Event] = field(factory=list, init=False)
    _news: trio.Condition = field(factory=trio.Condition, init=False)
    _presses: int = field(default=0, init=False)

    async def listens(self) -> None:
        """Wait until SIP that is sent to it arrives."""
        with trio.move_on_after(PATIENCE):
            while self.process.returncode is None:
                if self.sip.port in udp_ports(self.process):
                    return
                await trio.sleep(0.01)
        raise AssertionError(f"SIPp does not run {self.scenario}:\n{self._errors()}")

    async def follow(self, log: trio.lowlevel.FdStream) -> None:
        """Take in what the scenario logs, for ever."""
        unfinished = b""
        while True:
            *lines, unfinished = (unfinished + await log.receive_some()).split(b"\n")
            async with self._news:
                self._events += [Event.from_line(line.decode()) for line in lines if line]
                self._news.notify_all()

    async def event(self, name: str, phone: Phone) -> Event:
        """Wait until the call of a phone has come to that event."""
        with trio.move_on_after(PATIENCE):
            async with self._news:
                while True:
                    for event in self._events:
                        if (event.name, event.port) == (name, phone.port):
                            return event
                    await self._news.wait()
        raise AssertionError(f"{self.scenario} did not come to {name!r}:\n{self._errors()}")

    async def press(self, call_id: str) -> None:
        """Let a call go on that waits to be told."""
        self._presses += 1
        here = Endpoint.from_sockaddr(self._thumb.getsockname())
        message = PRESS.format(sip=self.sip, here=here, call_id=call_id, number=self._presses)
        await self._thumb.sendto(message.encode(), self.sip.sockaddr)

    async def finish(self) -> None:
        """Wait until every call has gone through the whole scenario."""
        with trio.move_on_after(PATIENCE):
            await self.process.wait()
        assert self.process.returncode == 0, f"{self.scenario} failed:\n{self._errors()}"

    def _errors(self) -> str:
        files = [self._directory / "errors.log", self._directory / "output.log"]
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())


@asynccontextmanager
async def agent(
    scenario: str,
    phones: Sequence[Phone],
    directory: Path,
    *,
    options: Sequence[str] = (),
) -> AsyncIterator[Agent]:
    """A SIPp that runs one of the scenarios beside this file, until the block is left.

    Args:
        directory: made for what it writes; files that a scenario plays are looked for in the one above.
        options: more of SIPp's command line.
    """
    sip = Endpoint(LOOPBACK, free_port())
    directory.mkdir()  # noqa: ASYNC240 -- a moment on a local disk
    ports = directory / "ports.csv"
    ports.write_text("SEQUENTIAL\n" + "".join(f"{phone.port};\n" for phone in phones))
    log = directory / "events"
    os.mkfifo(log)
    # Open for both, so that SIPp finds a reader and we never find the end.
    stream = trio.lowlevel.FdStream(os.open(log, os.O_RDWR | os.O_NONBLOCK))
    command = [need("sipp"), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-m", str(len(phones))]
    command += ["-i", LOOPBACK, "-p", str(sip.port), "-inf", str(ports), "-nostdin", "-nd"]
    command += ["-trace_logs", "-log_file", str(log)]
    command += ["-trace_err", "-error_file", str(directory / "errors.log")]
    command += ["-timeout", str(LONGEST_RUN), "-timeout_error", *options]
    thumb = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    with thumb:
        await thumb.bind((LOOPBACK, 0))
        async with (
            stream,
            running(command, directory / "output.log", directory=directory.parent) as process,
            trio.open_nursery() as nursery,
        ):
            started = Agent(scenario, sip, process, directory, thumb)
            nursery.start_soon(started.follow, stream)
            await started.listens()
            yield started
            nursery.cancel_scope.cancel()
