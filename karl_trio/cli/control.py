"""The commands that ask a running node: ping, list, query, delete, statistics, ng."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
from attrs import asdict, define
from cyclopts import Parameter

from karl_trio.client import NgClient, NoNodeAnswered, Reply, RequestFailed
from karl_trio.client.replies import listed_calls

from .asking import DEFAULT, Asking, ask
from .call_view import moment, show_call
from .pairs import PairError, request_of
from .screen import Screen, as_json, printable
from .status import ExitStatus, complain

DEFAULT_LIMIT = 32
"""The calls that a node lists when it is not told how many."""


def ping(*, asking: Asking = DEFAULT) -> int:
    """Find out whether nodes answer.

    Every node is asked, and all of them have to answer for exit status 0.
    """
    try:
        outcomes = trio.run(_ping_all, asking)
    except ValueError as error:
        complain(str(error))
        return ExitStatus.USAGE
    if asking.json:
        shown = [{key: value for key, value in asdict(it).items() if value is not None} for it in outcomes]
        Screen().line(as_json({"nodes": shown}))
    else:
        for outcome in outcomes:
            if outcome.milliseconds is not None:
                Screen().line(f"{outcome.node}: {outcome.result} in {outcome.milliseconds:.1f} ms")
            else:
                complain(f"{outcome.node}: {printable(outcome.result)}")
    return max(outcome.status for outcome in outcomes)


@define
class _Ping:
    """What became of one ping."""

    node: str
    result: str = ""
    milliseconds: float | None = None
    status: ExitStatus = ExitStatus.OK


async def _ping_all(asking: Asking) -> list[_Ping]:
    clients = {name: asking.client([name]) for name in asking.nodes}
    outcomes = [_Ping(name) for name in clients]
    async with trio.open_nursery() as nursery:
        for outcome in outcomes:
            nursery.start_soon(_ping, clients[outcome.node], outcome)
    return outcomes


async def _ping(client: NgClient, outcome: _Ping) -> None:
    try:
        async with client:
            started = time.perf_counter()
            await client.ping()
            outcome.milliseconds = round((time.perf_counter() - started) * 1000, 3)
            outcome.result = "pong"
    except RequestFailed as error:
        outcome.result, outcome.status = error.reason, ExitStatus.FAILED
    except (NoNodeAnswered, OSError) as error:
        outcome.result = str(error).removeprefix(f"{outcome.node}: ")
        outcome.status = ExitStatus.NO_ANSWER


def list_calls(*, limit: int | None = None, asking: Asking = DEFAULT) -> int:
    """List the calls in progress.

    Parameters
    ----------
    limit
        The most calls to list; a node lists 32 unless told otherwise.
    """
    request: dict[str, object] = {"command": "list"}
    if limit is not None:
        request["limit"] = limit
    return ask(asking, request, partial(_show_list, limit=DEFAULT_LIMIT if limit is None else limit))


def _show_list(screen: Screen, reply: Reply, *, limit: int) -> None:
    calls = listed_calls(reply)
    if not calls:
        screen.line("no calls")
        return
    screen.table(
        ("call-id", "from-tag", "to-tag", "state", "created"),
        [(call.call_id, call.from_tag, call.to_tag, call.state, moment(call.created)) for call in calls],
    )
    if len(calls) == limit:
        complain(f"there may be more than these {limit}; see --limit")


def query(
    call_id: str, /, *, from_tag: str | None = None, to_tag: str | None = None, asking: Asking = DEFAULT
) -> int:
    """Show one call: its legs, media and streams, with their counters.

    Parameters
    ----------
    call_id
        The call-id, as `karl-trio list` shows it.
    from_tag
        Show this leg and those it talks to.
    to_tag
        Show this leg and those it talks to.
    """
    return ask(asking, _about("query", call_id, from_tag, to_tag), show_call)


def delete(
    call_id: str,
    /,
    *,
    from_tag: str | None = None,
    to_tag: str | None = None,
    delete_delay: int | None = None,
    asking: Asking = DEFAULT,
) -> int:
    """End a call, or one leg of it.

    Parameters
    ----------
    call_id
        The call-id, as `karl-trio list` shows it.
    from_tag
        End this leg only.
    to_tag
        End this leg only.
    delete_delay
        Seconds that media flows on.
    """
    request = _about("delete", call_id, from_tag, to_tag)
    if delete_delay is not None:
        request["delete-delay"] = delete_delay
    return ask(asking, request, lambda screen, reply: screen.line(printable(reply["result"])))


def _about(command: str, call_id: str, from_tag: str | None, to_tag: str | None) -> dict[str, object]:
    keys = {"command": command, "call-id": call_id, "from-tag": from_tag, "to-tag": to_tag}
    return {key: value for key, value in keys.items() if value is not None}


def statistics(*, asking: Asking = DEFAULT) -> int:
    """Show the figures of a whole node."""
    return ask(asking, {"command": "statistics"}, _show_statistics)


def _show_statistics(screen: Screen, reply: Reply) -> None:
    # Most of it comes twice, for clients of either dialect; rtpengine's tree has it all.
    tree = reply.get("statistics")
    screen.tree({**tree, "sessions": reply.get("sessions", "")} if isinstance(tree, Mapping) else reply)


def ng(
    command: str,
    /,
    *pairs: str,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    asking: Asking = DEFAULT,
) -> int:
    """Send any request of the NG protocol.

    Parameters
    ----------
    command
        The command, such as `offer` or `"play DTMF"`.
    pairs
        `key=value`; repeated, or with commas where the key takes a list, a list. `key:=JSON` for other
        types, `key=@FILE` for the contents of a file, `key=@-` for those of standard input.
    dry_run
        Show the SDP that would come back, and change nothing.
    """
    try:
        request = request_of(command, pairs, _read)
    except PairError as error:
        complain(str(error))
        return ExitStatus.USAGE
    if dry_run:
        request["dry-run"] = "yes"
    return ask(asking, request, _show_reply)


def _show_reply(screen: Screen, reply: Reply) -> None:
    screen.tree(reply)


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
