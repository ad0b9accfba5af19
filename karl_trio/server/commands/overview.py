"""`ping`, `list` and `statistics`: the daemon as a whole."""

from __future__ import annotations

import trio

from karl_trio.calls.statistics import list_reply, statistics_reply
from karl_trio.ng.requests import ListRequest, PingRequest, StatisticsRequest
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import COMMANDS, Reply, command

PONG = {"result": "pong"}


@command("ping", PingRequest)
def ping(_request: PingRequest, _daemon: Daemon) -> Reply:
    """Say that the daemon is alive."""
    return PONG


@command("list", ListRequest)
def list_calls(request: ListRequest, daemon: Daemon) -> Reply:
    """Return the calls in progress, up to the limit asked for."""
    return list_reply(daemon.calls, request.limit)


@command("statistics", StatisticsRequest)
def statistics(_request: StatisticsRequest, daemon: Daemon) -> Reply:
    """Return what all calls and all requests add up to."""
    reply = statistics_reply(daemon.calls, trio.current_time() - daemon.started)
    tree = reply["statistics"]
    assert isinstance(tree, dict)
    tree["controlstatistics"] = daemon.counters.reply(COMMANDS)
    return reply
