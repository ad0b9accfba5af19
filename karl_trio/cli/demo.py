"""`karl-trio demo`: a few synthetic calls through a real media proxy, and what became of their packets."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated

import trio
from attrs import asdict, define, field
from cyclopts import Parameter

from karl_trio.client import ClientError, NgClient, NoNodeAnswered
from karl_trio.client.addresses import parse_node
from karl_trio.endpoint import Endpoint

from .call_view import StreamView, streams_of
from .screen import Screen, as_json, printable
from .status import ExitStatus, complain
from .synthetic import Destination, Phone, destination_in, open_phone

LOWEST_TONE = 300
TONE_STEP = 47
"""Hz between the voices: each phone has its own, so that a mixed-up call is seen by its payload."""

MAX_CALLS = 50
"""Synthetic calls; with 5,000 packets a second, phones written in Python are at their limit."""

MAX_SECONDS = 3_600
"""Seconds: a phone remembers every packet that it heard, and a demo is not for longer."""

GRACE = 1.0
"""Seconds that the last packets of a call may be under way."""


@define
class Direction:
    """One way of one call.

    Attributes:
        through: our port that the packets were sent to.
        relayed: packets that the node says it received there, or None if it does not say.
    """

    call: str
    way: str
    hertz: int
    through: str
    sent: int
    relayed: int | None
    received: int
    lost: int
    wrong: int
    reports_sent: int
    reports_received: int

    @property
    def is_perfect(self) -> bool:
        return (
            self.sent > 0 and not self.lost and not self.wrong and self.reports_received == self.reports_sent
        )


@define
class Outcome:
    """What became of one call."""

    call: str
    failure: str = ""
    is_unanswered: bool = False
    directions: list[Direction] = field(factory=list)

    @property
    def is_perfect(self) -> bool:
        perfect = [direction.is_perfect for direction in self.directions]
        return not self.failure and perfect == [True, True]


def demo(
    *,
    calls: int = 3,
    seconds: float = 3.0,
    node: tuple[str, ...] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Place a few synthetic calls with real RTP both ways and show what was relayed.

    Parameters
    ----------
    calls
        How many calls, all at the same time.
    seconds
        How long they talk.
    node
        ADDRESS:PORT of a running node; without it one is started for as long as the demo lasts.
    json
        Print the outcome as JSON.
    """
    if not 1 <= calls <= MAX_CALLS or not 0 < seconds <= MAX_SECONDS:
        complain(f"the demo wants 1 to {MAX_CALLS} calls of up to {MAX_SECONDS} seconds")
        return ExitStatus.USAGE
    try:
        address = _address_towards(node[0]) if node else "127.0.0.1"
        outcomes = trio.run(_run, calls, seconds, node, address)
    except ValueError as error:
        complain(str(error))
        return ExitStatus.USAGE
    except OSError as error:
        complain(str(error))
        return ExitStatus.NO_ANSWER
    _show(outcomes, as_json_only=json)
    if all(outcome.is_perfect for outcome in outcomes):
        return ExitStatus.OK
    if all(outcome.is_unanswered for outcome in outcomes):
        return ExitStatus.NO_ANSWER
    return ExitStatus.FAILED


def _address_towards(node: str) -> str:
    """Return the address of this host that a node can send media to."""
    place = parse_node(node)
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, sockaddr = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(sockaddr)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise OSError(f"{node}: {error.strerror}") from error


async def _run(calls: int, seconds: float, nodes: Sequence[str], address: str) -> list[Outcome]:
    names = secrets.token_hex(4)
    outcomes = [Outcome(f"demo-{names}-{number}") for number in range(1, calls + 1)]
    async with (
        _nodes(nodes) as addresses,
        NgClient(addresses) as client,
        trio.open_nursery() as nursery,
    ):
        for number, outcome in enumerate(outcomes):
            lowest = LOWEST_TONE + 2 * number * TONE_STEP
            nursery.start_soon(_place, client, outcome, lowest, seconds, address)
    return outcomes


@asynccontextmanager
async def _nodes(nodes: Sequence[str]) -> AsyncIterator[Sequence[str | Endpoint]]:
    """Give the nodes to use: those that were named, or one of our own for as long as it is needed."""
    if nodes:
        yield nodes
        return
    # Only here, for the commands that ask a running node start faster without the server.
    from karl_trio.config import Settings
    from karl_trio.server import app

    settings = Settings(listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",))

    async with trio.open_nursery() as nursery:
        served = await nursery.start(app.serve, settings)
        yield served.ng_addresses
        nursery.cancel_scope.cancel()


async def _place(client: NgClient, outcome: Outcome, lowest: int, seconds: float, address: str) -> None:
    random = Random(outcome.call)  # noqa: S311 - SSRCs and sequence numbers of a demo are no secret
    async with (
        open_phone("alice", frequency=lowest, random=random, address=address) as alice,
        open_phone("bob", frequency=lowest + TONE_STEP, random=random, address=address) as bob,
    ):
        try:
            await _converse(client, outcome, alice, bob, seconds)
        except NoNodeAnswered as error:
            outcome.failure, outcome.is_unanswered = str(error), True
        except (ClientError, ValueError) as error:
            outcome.failure = str(error)


async def _converse(client: NgClient, outcome: Outcome, alice: Phone, bob: Phone, seconds: float) -> None:
    """Set a call up as a SIP proxy would, let both phones talk, and end it."""
    call = outcome.call
    offer = await client.offer(call, "alice", alice.sdp(), replace=["origin"], ICE="remove")
    answer = await client.answer(call, "alice", "bob", bob.sdp(), replace=["origin"], ICE="remove")
    towards_bob, towards_alice = destination_in(answer.sdp), destination_in(offer.sdp)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.listen, bob)
        nursery.start_soon(bob.listen, alice)
        async with trio.open_nursery() as talking:
            talking.start_soon(alice.talk, towards_bob, seconds)
            talking.start_soon(bob.talk, towards_alice, seconds)
        with trio.move_on_after(GRACE):
            await alice.has_heard_all_of(bob)
            await bob.has_heard_all_of(alice)
        nursery.cancel_scope.cancel()
    streams = streams_of(await client.query(call))
    outcome.directions = [
        _direction(call, alice, bob, towards_bob, streams),
        _direction(call, bob, alice, towards_alice, streams),
    ]
    await client.delete(call, "alice", "bob")


def _direction(
    call: str, speaker: Phone, hearer: Phone, through: Destination, streams: Sequence[StreamView]
) -> Direction:
    port = str(through.rtp)
    return Direction(
        call=call,
        way=f"{speaker.name} to {hearer.name}",
        hertz=speaker.frequency,
        through=port,
        sent=speaker.rtp.sent,
        relayed=next((stream.packets for stream in streams if stream.ours == port), None),
        received=hearer.rtp.received,
        lost=hearer.missing(speaker),
        wrong=hearer.rtp.wrong + hearer.rtcp.wrong,
        reports_sent=speaker.rtcp.sent,
        reports_received=hearer.rtcp.received,
    )


def _show(outcomes: Sequence[Outcome], *, as_json_only: bool) -> None:
    screen = Screen()
    for outcome in outcomes:
        if outcome.failure:
            complain(f"{outcome.call}: {printable(outcome.failure)}")
    if as_json_only:
        screen.line(
            as_json({"calls": [{**asdict(outcome), "ok": outcome.is_perfect} for outcome in outcomes]})
        )
        return
    directions = [direction for outcome in outcomes for direction in outcome.directions]
    screen.table(
        (
            "call",
            "way",
            ">tone",
            "through",
            ">sent",
            ">relayed",
            ">received",
            ">lost",
            ">wrong",
            ">RTCP",
            "verdict",
        ),
        [
            (
                direction.call,
                direction.way,
                f"{direction.hertz} Hz",
                direction.through,
                direction.sent,
                "?" if direction.relayed is None else direction.relayed,
                direction.received,
                direction.lost,
                direction.wrong,
                f"{direction.reports_received}/{direction.reports_sent}",
                "ok" if direction.is_perfect else "NOT OK",
            )
            for direction in directions
        ],
    )
    good = sum(outcome.is_perfect for outcome in outcomes)
    heard = sum(direction.sent - direction.lost for direction in directions)
    screen.line(
        f"{good} of {len(outcomes)} calls came through; {heard} RTP packets were heard as they were sent"
    )
