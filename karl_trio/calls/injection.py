"""The commands `inject start` and `inject stop`: a leg hears another one beside those that it talks to.

Without a mixer, what is injected arrives from the same port as everything else, as RTP of another source.
"""

from __future__ import annotations

from karl_trio.errors import InvalidSessionState
from karl_trio.ng.leg_requests import InjectRequest, InjectStartRequest, InjectStopRequest

from .call import Call
from .connection import check_merger, check_subscriptions, is_heard_by, mixing_warnings, subscribe
from .leg import Heard, Leg
from .table import CallTable
from .wiring import wire


def inject_start(calls: CallTable, request: InjectStartRequest) -> tuple[str, ...]:
    """Let a leg hear another one, too, which may be in another call; return warnings.

    Raises:
        UnknownCall: one of the calls is not there.
        InvalidSessionState: the legs or their calls do not go together, or it hears the other already.
        NotSupported: it takes a transcoder.
    """
    call, other = _calls(calls, request)
    listener, source = _find(call, request.to_tag), _find(other, request.source_tag)
    check_merger(call, other)
    if is_heard_by(source, listener):
        raise InvalidSessionState(f"{listener!r} hears {source!r} already")
    pairs = ((source, listener),)
    check_subscriptions(pairs)
    # Nothing below can fail.
    if other is not call:
        calls.merge(call, other)
    call.keep()
    subscribe(pairs, Heard.INJECTED)
    wire(call)
    return mixing_warnings(call, (listener,))


def inject_stop(calls: CallTable, request: InjectStopRequest) -> None:
    """End that.

    Raises:
        UnknownCall: one of the calls is not there.
        InvalidSessionState: nothing of that leg is injected there.
    """
    call, other = _calls(calls, request)
    listener, source = _find(call, request.to_tag), _find(other, request.source_tag)
    injected = {
        each for each in source.subscribers if each.listener is listener and each.heard is Heard.INJECTED
    }
    if not injected:
        raise InvalidSessionState(f"{source!r} is not injected to {listener!r}")
    source.subscribers = [each for each in source.subscribers if each not in injected]
    wire(call)


def _calls(calls: CallTable, request: InjectRequest) -> tuple[Call, Call]:
    """Return the call of the listener and that of the source."""
    call = calls.find(request.call_id)
    return call, call if request.source_call_id is None else calls.find(request.source_call_id)


def _find(call: Call, tag: str) -> Leg:
    leg = call.find_leg(tag)
    if leg is None:
        raise InvalidSessionState(f"no leg has the tag {tag!r}")
    return leg
