"""`offer` and `answer`."""

from __future__ import annotations

import trio

from karl_trio.calls.offer_answer import SdpReply
from karl_trio.calls.offer_answer import answer as take_answer
from karl_trio.calls.offer_answer import offer as take_offer
from karl_trio.ng.requests import AnswerRequest, OfferRequest
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("offer", OfferRequest)
def offer(request: OfferRequest, daemon: Daemon) -> Reply:
    """Take an offer into its call and return the SDP for the other side."""
    return _reply(take_offer(daemon.calls, request, trio.current_time()))


@command("answer", AnswerRequest)
def answer(request: AnswerRequest, daemon: Daemon) -> Reply:
    """Take an answer into its call and return the SDP for the offerer."""
    return _reply(take_answer(daemon.calls, request, trio.current_time()))


def _reply(outcome: SdpReply) -> Reply:
    if outcome.warnings:
        return {"sdp": outcome.sdp, "warning": "; ".join(outcome.warnings)}
    return {"sdp": outcome.sdp}
