"""`block media`, `silence media`, `block DTMF` and `start forwarding`, each with its opposite."""

from __future__ import annotations

from karl_trio.calls import blocking
from karl_trio.calls.controls import Control
from karl_trio.ng.requests import (
    BlockDtmfRequest,
    BlockMediaRequest,
    SilenceMediaRequest,
    StartForwardingRequest,
    StopForwardingRequest,
    UnblockDtmfRequest,
    UnblockMediaRequest,
    UnsilenceMediaRequest,
)
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("block media", BlockMediaRequest)
def block_media(request: BlockMediaRequest, daemon: Daemon) -> Reply:
    """Drop media of a call, all but DTMF events."""
    return blocking.impose(daemon.calls, request, Control.BLOCK_MEDIA)


@command("unblock media", UnblockMediaRequest)
def unblock_media(request: UnblockMediaRequest, daemon: Daemon) -> Reply:
    """Let media pass again."""
    return blocking.lift(daemon.calls, request, Control.BLOCK_MEDIA)


@command("silence media", SilenceMediaRequest)
def silence_media(request: SilenceMediaRequest, daemon: Daemon) -> Reply:
    """Replace audio of a call by silence."""
    return blocking.impose(daemon.calls, request, Control.SILENCE_MEDIA)


@command("unsilence media", UnsilenceMediaRequest)
def unsilence_media(request: UnsilenceMediaRequest, daemon: Daemon) -> Reply:
    """Let audio be heard again."""
    return blocking.lift(daemon.calls, request, Control.SILENCE_MEDIA)


@command("block DTMF", BlockDtmfRequest)
def block_dtmf(request: BlockDtmfRequest, daemon: Daemon) -> Reply:
    """Drop DTMF events of a call."""
    return blocking.block_dtmf(daemon.calls, request)


@command("unblock DTMF", UnblockDtmfRequest)
def unblock_dtmf(request: UnblockDtmfRequest, daemon: Daemon) -> Reply:
    """Let DTMF events pass again."""
    return blocking.lift(daemon.calls, request, Control.BLOCK_DTMF)


@command("start forwarding", StartForwardingRequest)
def start_forwarding(request: StartForwardingRequest, daemon: Daemon) -> Reply:
    """Say that media cannot be forwarded to a recording daemon."""
    return blocking.start_forwarding(daemon.calls, request)


@command("stop forwarding", StopForwardingRequest)
def stop_forwarding(request: StopForwardingRequest, daemon: Daemon) -> Reply:
    """Say that nothing is being forwarded."""
    return blocking.stop_forwarding(daemon.calls, request)
