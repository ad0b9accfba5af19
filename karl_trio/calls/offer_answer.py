"""The commands `offer` and `answer`: plan, then act."""

from __future__ import annotations

import logging

from attrs import frozen

from karl_trio.media.interfaces import Interfaces
from karl_trio.ng.requests import AnswerRequest, OfferRequest, SdpRequest
from karl_trio.sdp import description as sdp

from .capabilities import check_capabilities
from .exchange import Exchange, close_ports, open_ports
from .matching import match_answer, match_offer
from .outgoing import write_sdp
from .plan import Plan, Role, make_plan
from .table import CallTable

log = logging.getLogger(__name__)

DRY_RUN = "dry run: nothing was changed"
"""Said in the reply to one, for a script in which the flag was left by mistake loses every call."""


@frozen
class SdpReply:
    """The rewritten SDP, and what the client should know of it."""

    sdp: str
    warnings: tuple[str, ...] = ()


def offer(calls: CallTable, request: OfferRequest, now: float) -> SdpReply:
    """Take an offer into its call, which is made if it is the first.

    Args:
        now: seconds on Trio's clock.

    Raises:
        NgError: it could not be done; the call is as it was before.
    """
    description = sdp.parse(request.sdp)
    if _has_passed_us(calls, request, description):
        return SdpReply(request.sdp)
    warnings = check_capabilities(request, description)
    call = calls.get(request.call_id)
    if call is None:
        calls.admit(is_dry_run=request.dry_run)
    parties = match_offer(call, request, description)
    plan = make_plan(
        Role.OFFER, parties, request, description, interfaces_for(calls, request), calls.settings
    )
    return _act(calls, plan, warnings, now)


def answer(calls: CallTable, request: AnswerRequest, now: float) -> SdpReply:
    """Take an answer into its call.

    Args:
        now: seconds on Trio's clock.

    Raises:
        UnknownCall: there was no offer.
        NgError: it could not be done; the call is as it was before.
    """
    call = calls.find(request.call_id)
    description = sdp.parse(request.sdp)
    if _has_passed_us(calls, request, description):
        return SdpReply(request.sdp)
    warnings = check_capabilities(request, description)
    parties = match_answer(call, request)
    plan = make_plan(
        Role.ANSWER, parties, request, description, interfaces_for(calls, request), calls.settings
    )
    return _act(calls, plan, warnings, now)


def interfaces_for(calls: CallTable, request: SdpRequest) -> Interfaces:
    """Return the interfaces to take ports of: for a dry run, ones whose ports are free again at once."""
    return calls.interfaces.rehearsal() if request.dry_run else calls.interfaces


def _has_passed_us(calls: CallTable, request: SdpRequest, description: sdp.Description) -> bool:
    """Whether `loop-protect` is asked for and the SDP bears our own mark."""
    return "loop-protect" in request.flags and calls.loop_mark in description.loop_marks


def _act(calls: CallTable, plan: Plan, warnings: tuple[str, ...], now: float) -> SdpReply:
    call = calls.get(plan.request.call_id)
    if call is not None and None in (plan.parties.speaker, plan.parties.listener):
        call.admit_leg()
    opened = open_ports(plan, now)
    try:
        outgoing = write_sdp(plan, opened, calls.loop_mark)
    except BaseException:
        close_ports(opened, now)
        raise
    request = plan.request
    warnings = (*warnings, *plan.facing.warnings, *plan.codecs.warnings)
    if request.dry_run:
        return SdpReply(outgoing.text, (*warnings, DRY_RUN))
    # Nothing below can fail: the call changes as a whole, or above, not at all.
    is_new = call is None
    # A turn is over when a leg was given the interface, so that a plan that fails takes none.
    for leg, interface in (
        (plan.parties.speaker, plan.facing.speaker),
        (plan.parties.listener, plan.facing.listener),
    ):
        if leg is None or leg.interface != interface.name:
            calls.interfaces.took_turn(interface)
    call = calls.open(request.call_id, now)
    call.take_signal(request, now)
    listener = Exchange(plan, opened, call, calls.settings, now).carry_out()
    listener.sent = outgoing.sent
    if is_new:
        log.info("call begun: %d media", len(plan.media))
    for line in plan.facing.warnings:
        log.warning("%s", line)
    return SdpReply(outgoing.text, warnings)
