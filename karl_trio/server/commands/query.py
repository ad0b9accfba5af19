"""`query`: all there is to know about one call."""

from __future__ import annotations

from karl_trio.calls.statistics import query_reply
from karl_trio.ng.requests import QueryRequest
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("query", QueryRequest)
def query(request: QueryRequest, daemon: Daemon) -> Reply:
    """Return the legs, media and streams of a call with their counters."""
    call = daemon.calls.find(request.call_id)
    return query_reply(call, request.from_tag, request.to_tag)
