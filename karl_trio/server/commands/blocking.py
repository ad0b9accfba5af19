"""`block media`, `silence media`, `block DTMF` and `start forwarding`, each with its opposite."""

from __future__ import annotations

from karl_trio.calls import blocking
from karl_trio.calls.controls import Control
from karl_trio.ng.requests import (
    BlockDtmfRequest,
    BlockMediaRequest,
    MediaControlRequest,
    SilenceMediaRequest,
    StartForwardingRequest,
    StopForwardingRequest,
    UnblockDtmfRequest,
    UnblockMediaRequest,
    UnsilenceMediaRequest,
)
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command

ACTIONS = {
    BlockMediaRequest: (blocking.impose, Control.BLOCK_MEDIA),
    UnblockMediaRequest: (blocking.lift, Control.BLOCK_MEDIA),
    SilenceMediaRequest: (blocking.impose, Control.SILENCE_MEDIA),
    UnsilenceMediaRequest: (blocking.lift, Control.SILENCE_MEDIA),
    UnblockDtmfRequest: (blocking.lift, Control.BLOCK_DTMF),
}
"""What each command does to the media that it selects."""


def act(request: MediaControlRequest, daemon: Daemon) -> Reply:
    """Begin or end what the command is for."""
    action, control = ACTIONS[type(request)]
    return action(daemon.calls, request, control)


for kind in ACTIONS:
    command(kind.command, kind)(act)


@command("block DTMF", BlockDtmfRequest)
def block_dtmf(request: BlockDtmfRequest, daemon: Daemon) -> Reply:
    """Drop DTMF events of a call."""
    return blocking.block_dtmf(daemon.calls, request)


@command("start forwarding", StartForwardingRequest)
def start_forwarding(request: StartForwardingRequest, daemon: Daemon) -> Reply:
    """Say that media cannot be forwarded to a recording daemon."""
    return blocking.start_forwarding(daemon.calls, request)


@command("stop forwarding", StopForwardingRequest)
def stop_forwarding(request: StopForwardingRequest, daemon: Daemon) -> Reply:
    """Say that nothing is being forwarded."""
    return blocking.stop_forwarding(daemon.calls, request)
