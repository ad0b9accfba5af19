"""`subscribe request`, `subscribe answer`, `unsubscribe`, `connect`, `mesh` and `inject`: who hears whom."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from karl_trio.calls import connection, injection, mesh, subscriptions
from karl_trio.calls.subscriptions import Source, SubscribeReply
from karl_trio.ng.leg_requests import (
    ConnectRequest,
    InjectStartRequest,
    InjectStopRequest,
    MeshRequest,
    SubscribeAnswerRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("subscribe request", SubscribeRequest)
def subscribe_request(request: SubscribeRequest, daemon: Daemon) -> Reply:
    """Return an offer of ours for a listener, and whom it listens to."""
    outcome = subscriptions.subscribe_request(daemon.calls, request, trio.current_time())
    tags = [source.leg.tag for source in outcome.sources]
    reply: dict[str, object] = {"sdp": outcome.sdp, "from-tags": tags, "to-tag": outcome.to_tag}
    if len(tags) == 1:
        reply["from-tag"] = tags[0]
    if "siprec" in request.flags:
        reply["tag-medias"] = [
            {**_who(source), "medias": [{**_what(source), "label": label}]}
            for source, label in _labelled(outcome)
        ]
        reply["media-labels"] = {
            label: {**_who(source), **_what(source)} for source, label in _labelled(outcome)
        }
    if outcome.warnings:
        reply["warning"] = "; ".join(outcome.warnings)
    return reply


@command("subscribe answer", SubscribeAnswerRequest)
def subscribe_answer(request: SubscribeAnswerRequest, daemon: Daemon) -> Reply:
    """Take a listener's answer, and let it hear."""
    warnings = subscriptions.subscribe_answer(daemon.calls, request, trio.current_time())
    return _warn(warnings)


@command("unsubscribe", UnsubscribeRequest)
def unsubscribe(request: UnsubscribeRequest, daemon: Daemon) -> Reply:
    """End what a listener listens to."""
    subscriptions.unsubscribe(daemon.calls, request)
    return {}


@command("connect", ConnectRequest)
def connect(request: ConnectRequest, daemon: Daemon) -> Reply:
    """Let legs talk to another one, which may be in another call."""
    return _warn(connection.connect(daemon.calls, request, trio.current_time()))


@command("mesh", MeshRequest)
def mesh_calls(request: MeshRequest, daemon: Daemon) -> Reply:
    """Let the legs of several calls hear each other."""
    return _warn(mesh.mesh(daemon.calls, request))


@command("inject start", InjectStartRequest)
def inject_start(request: InjectStartRequest, daemon: Daemon) -> Reply:
    """Let a leg hear another one, too."""
    return _warn(injection.inject_start(daemon.calls, request))


@command("inject stop", InjectStopRequest)
def inject_stop(request: InjectStopRequest, daemon: Daemon) -> Reply:
    """End that."""
    injection.inject_stop(daemon.calls, request)
    return {}


def _warn(warnings: tuple[str, ...]) -> Reply:
    return {"warning": "; ".join(warnings)} if warnings else {}


def _labelled(outcome: SubscribeReply) -> Iterator[tuple[Source, str]]:
    return zip(outcome.sources, outcome.labels, strict=True)


def _who(source: Source) -> dict[str, object]:
    """Name the participant that a media of the offer comes from; its label only if it has one."""
    return {"tag": source.leg.tag, "label": source.leg.label}


def _what(source: Source) -> dict[str, object]:
    """Say which of the participant's media that is, and in which direction it flows."""
    return {
        "index": source.media.index,
        "type": source.section.kind,
        "mode": source.section.effective_direction.value,
    }
