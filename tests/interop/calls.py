"""Calls from one SIPp agent to another, through Kamailio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from karl_trio.endpoint import Endpoint

from .agents import Agent, agent
from .phones import Phone, phones


@frozen
class Parties:
    """Both ends of one call or more: who signals and who talks.

    The callees' phones echo. Which of them gets which call is up to SIPp, in the order of the INVITEs.
    """

    calling: Agent
    called: Agent
    callers: list[Phone]
    callees: list[Phone]

    @property
    def caller(self) -> Phone:
        (phone,) = self.callers
        return phone

    @property
    def callee(self) -> Phone:
        (phone,) = self.callees
        return phone

    async def finish(self) -> None:
        await self.calling.finish()
        await self.called.finish()


@asynccontextmanager
async def parties(
    proxy: Endpoint,
    directory: Path,
    *,
    caller: str = "caller",
    callee: str = "callee",
    calls: int = 1,
    per_second: int = 10,
    name: str = "call",
    caller_options: Sequence[str] = (),
    callee_options: Sequence[str] = (),
) -> AsyncIterator[Parties]:
    """Start placing calls: scenario `caller` to scenario `callee`, through the proxy.

    Args:
        name: what the Call-IDs begin with; the number of the call follows.
        caller_options: more of SIPp's command line.
        callee_options: the same for the called side.
    """
    async with (
        phones(calls) as callers,
        phones(calls, echoes=True) as callees,
        agent(callee, callees, directory / f"{name}-{callee}", options=callee_options) as called,
    ):
        options = [*caller_options, "-key", "callee", str(called.sip), "-cid_str", f"{name}-%u"]
        options += ["-r", str(per_second), "-rp", "1000", "-l", str(calls), str(proxy)]
        async with agent(caller, callers, directory / f"{name}-{caller}", options=options) as calling:
            yield Parties(calling, called, callers, callees)


def assert_relayed(caller: Phone, callee: Phone, through: set[Endpoint]) -> None:
    """Every packet of the caller came to the callee and back, unchanged, in order, through those ports."""
    assert caller.sent, "the caller has not talked"
    for phone, name in ((callee, "callee"), (caller, "caller")):
        if phone.received != caller.sent:
            lost = [number for number, packet in enumerate(caller.sent) if packet not in phone.received]
            came = f"{len(phone.received)} of {len(caller.sent)} packets came to the {name}"
            raise AssertionError(f"{came}; not among them: {lost}")
        strangers = phone.senders - through
        assert not strangers, f"media came to the {name} past the node, from {strangers}"
