"""`publish`, `create` and `create answer`: SDP exchanged with one leg and us."""

from __future__ import annotations

import trio

from karl_trio.calls import creation, publishing
from karl_trio.calls.direct import DirectReply
from karl_trio.ng.leg_requests import CreateAnswerRequest, CreateRequest, PublishRequest
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("publish", PublishRequest)
def publish(request: PublishRequest, daemon: Daemon) -> Reply:
    """Take what a leg publishes, and return our answer."""
    return _reply(publishing.publish(daemon.calls, request, trio.current_time()))


@command("create", CreateRequest)
def create(request: CreateRequest, daemon: Daemon) -> Reply:
    """Return an offer of ours for a leg."""
    return _reply(creation.create(daemon.calls, request, trio.current_time()))


@command("create answer", CreateAnswerRequest)
def create_answer(request: CreateAnswerRequest, daemon: Daemon) -> Reply:
    """Take the answer to an offer of ours."""
    warnings = creation.create_answer(daemon.calls, request, trio.current_time())
    return {"warning": "; ".join(warnings)} if warnings else {}


def _reply(outcome: DirectReply) -> Reply:
    reply = {"call-id": outcome.call_id, "from-tag": outcome.from_tag, "sdp": outcome.sdp}
    if outcome.warnings:
        reply["warning"] = "; ".join(outcome.warnings)
    return reply
