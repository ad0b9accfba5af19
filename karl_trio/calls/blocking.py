"""The commands that block and silence media on its way, and those that let it pass again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from karl_trio.errors import NotSupported
from karl_trio.ng.requests import BlockDtmfRequest, MediaControlRequest

from .call import Call
from .controls import WHOLE_CALL, Control, Reach
from .filtering import unsilenceable
from .participants import select, select_by_direction
from .table import CallTable
from .wiring import flows_from, wire

log = logging.getLogger(__name__)

Reply = dict[str, object]


def impose(calls: CallTable, request: MediaControlRequest, control: Control) -> Reply:
    """Begin to do something to the media that a request selects.

    Raises:
        UnknownCall: there is no such call.
        InvalidParameters, InvalidSessionState: it has no such media.
    """
    call, reaches = _selected(calls, request)
    call.controls.impose(control, reaches)
    wire(call)
    log.info("%s: %s", control.value, _names(reaches))
    if control is not Control.SILENCE_MEDIA:
        return {}
    codecs = sorted(set(_without_silence(call)))
    return {"warning": f"no silence in {', '.join(codecs)}: dropped instead"} if codecs else {}


def lift(calls: CallTable, request: MediaControlRequest, control: Control) -> Reply:
    """Do something no longer to the media that a request selects.

    What was imposed on a single leg or flow goes on when it is lifted from the whole call, unless the
    request says ``all``; the reply has a warning then.

    Raises:
        UnknownCall, InvalidParameters, InvalidSessionState: as for `impose`.
    """
    call, reaches = _selected(calls, request)
    if request.all == "all":
        call.controls.lift_everywhere(control)
    else:
        call.controls.lift(control, reaches)
    wire(call)
    left = call.controls.reaches(control)
    log.info("no longer %s: %s%s", control.value, _names(reaches), f"; still {_names(left)}" if left else "")
    return {"warning": f"still {control.value}: {_names(left)}"} if left else {}


def block_dtmf(calls: CallTable, request: BlockDtmfRequest) -> Reply:
    """Begin to drop DTMF events, or to let them pass if that is the mode asked for.

    Raises:
        NotSupported: events are to be replaced, delayed or watched.
        UnknownCall, InvalidParameters, InvalidSessionState: as for `impose`.
    """
    missing = next(_missing(request), None)
    if missing is not None:
        _selected(calls, request)
        raise NotSupported(missing)
    if request.dtmf_security == "off":
        return lift(calls, request, Control.BLOCK_DTMF)
    return impose(calls, request, Control.BLOCK_DTMF)


def start_forwarding(calls: CallTable, request: MediaControlRequest) -> Reply:
    """Refuse to forward media to a recording daemon.

    Raises:
        NotSupported: always, if the request makes sense.
        UnknownCall, InvalidParameters, InvalidSessionState: as for `impose`.
    """
    _selected(calls, request)
    raise NotSupported("forwarding to a recording daemon is not there yet")


def stop_forwarding(calls: CallTable, request: MediaControlRequest) -> Reply:
    """Say that nothing is being forwarded.

    Raises:
        UnknownCall, InvalidParameters, InvalidSessionState: as for `impose`.
    """
    _selected(calls, request)
    return {"warning": "nothing was being forwarded"}


def _selected(calls: CallTable, request: MediaControlRequest) -> tuple[Call, tuple[Reach, ...]]:
    call = calls.find(request.call_id)
    if request.direction:
        return call, select_by_direction(call, request, request.direction)
    return call, select(call, request)


def _missing(request: BlockDtmfRequest) -> Iterator[str]:
    if request.dtmf_security not in (None, "drop", "off"):
        yield f"DTMF-security={request.dtmf_security}: replacing DTMF is not there yet"
    if request.dtmf_security_trigger or request.dtmf_security_trigger_end:
        yield "DTMF-security-trigger: watching DTMF is not there yet"
    if request.trigger or request.trigger_end:
        yield "trigger: watching DTMF is not there yet"
    if request.dtmf_delay or request.delay_buffer:
        yield "DTMF-delay: delaying media is not there yet"


def _without_silence(call: Call) -> Iterator[str]:
    for leg, media in call.media:
        for flow in flows_from(leg, media):
            if Control.SILENCE_MEDIA in call.controls.on(leg, flow.listener):
                yield from unsilenceable(media, flow.listener_media)


def _names(reaches: frozenset[Reach] | tuple[Reach, ...]) -> str:
    return ", ".join(sorted(_name(reach) for reach in reaches))


def _name(reach: Reach) -> str:
    if reach == WHOLE_CALL:
        return "the whole call"
    source = "" if reach.source is None else f"from {reach.source.tag or 'an untagged leg'}"
    listener = "" if reach.listener is None else f"to {reach.listener.tag or 'an untagged leg'}"
    return " ".join(filter(None, (source, listener)))
