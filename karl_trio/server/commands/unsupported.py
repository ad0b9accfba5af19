"""The commands that are documented, but that this version cannot carry out: each says what is missing.

An empty ok would be worse than an error: nobody would know why there is no recording.
"""

from __future__ import annotations

from typing import NoReturn

from karl_trio.errors import NotSupported
from karl_trio.ng.requests import (
    PauseRecordingRequest,
    PlayDtmfRequest,
    PlayMediaRequest,
    Request,
    StartRecordingRequest,
    StopMediaRequest,
    StopRecordingRequest,
)
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import command

MISSING: dict[type[Request], str] = {
    StartRecordingRequest: "recording is not there yet",
    PauseRecordingRequest: "recording is not there yet",
    StopRecordingRequest: "recording is not there yet",
    PlayMediaRequest: "playing media is not there yet",
    StopMediaRequest: "playing media is not there yet",
    PlayDtmfRequest: "DTMF injection is not there yet",
}
"""What is missing for each request, for the `warning` of its reply."""


def refuse(request: Request, _daemon: Daemon) -> NoReturn:
    """Say that a request cannot be carried out."""
    raise NotSupported(MISSING[type(request)])


for request_type in MISSING:
    command(request_type.command, request_type)(refuse)
