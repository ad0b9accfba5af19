"""`publish`, `create`, `create answer` and `transform`: legs that talk to us alone, at first."""

from __future__ import annotations

import trio

from karl_trio.calls import creation, publishing, transformation
from karl_trio.calls.direct import DirectReply
from karl_trio.ng.leg_requests import (
    CreateAnswerRequest,
    CreateRequest,
    PublishRequest,
    TransformRequest,
)
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


@command("transform", TransformRequest)
def transform(request: TransformRequest, daemon: Daemon) -> Reply:
    """Take media of another media proxy, and return where it is to be sent to."""
    outcome = transformation.transform(daemon.calls, request, trio.current_time())
    reply: dict[str, object] = {
        "call-id": outcome.call_id,
        "from-tag": outcome.from_tag,
        "media": [
            {"id": name, "family": endpoint.family, "address": endpoint.address, "port": endpoint.port}
            for name, endpoint in outcome.media
        ],
    }
    if outcome.warnings:
        reply["warning"] = "; ".join(outcome.warnings)
    return reply


def _reply(outcome: DirectReply) -> Reply:
    reply = {"call-id": outcome.call_id, "from-tag": outcome.from_tag, "sdp": outcome.sdp}
    if outcome.warnings:
        reply["warning"] = "; ".join(outcome.warnings)
    return reply
