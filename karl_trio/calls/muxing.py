"""Whether RTP and RTCP share a port with a leg (RFC 5761, 5.1.1): the key `rtcp-mux`.

Each leg is asked, and answered, by itself; packets are sorted on the way from one to the other. The key
counts in offers, and says two things there: what the other side is offered, and how the offer is going to be
answered. In answers it is ignored, as in rtpengine: scripts give the same words with both.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from .leg import Leg
from .media import Advertised, Media


@frozen(kw_only=True)
class MuxPlan:
    """What an offer or answer says of sharing a port, and settles.

    Attributes:
        tells_mux: the listener is told that RTCP may share the RTP port.
        tells_rtcp: the listener is given a separate port for RTCP.
        speaker_mux, listener_mux: RTCP with that leg shares the RTP port from now on; None: as it was.
        accepts_mux: in an offer, how it is going to be answered; None for "as the other side does".
    """

    tells_mux: bool = False
    tells_rtcp: bool = False
    speaker_mux: bool | None = None
    listener_mux: bool | None = None
    accepts_mux: bool | None = None


def plan_mux(
    wishes: Collection[str],
    advertised: Advertised,
    listener_media: Media | None,
    speaker: Leg | None,
    *,
    is_answer: bool,
) -> MuxPlan:
    """Plan an offer or answer.

    Args:
        wishes: the words of `rtcp-mux`.
        advertised: what the speaker says of the media.
        speaker: None if it is only being made.
    """
    if not advertised.is_rtp:
        return MuxPlan()
    is_in_use = listener_media is not None and listener_media.shares_port_with(speaker)
    if not is_answer:
        return offer_mux(wishes, is_offered=advertised.offers_mux, is_in_use=is_in_use)
    offer = None if listener_media is None else listener_media.advertised
    return answer_mux(
        is_accepted=advertised.offers_mux,
        was_offered=offer is not None and offer.offers_mux,
        reply=None if listener_media is None else listener_media.accepts_mux,
    )


def offer_mux(wishes: Collection[str], *, is_offered: bool, is_in_use: bool) -> MuxPlan:
    """Plan an offer.

    Args:
        wishes: the words of `rtcp-mux`.
        is_offered: the speaker offers to share.
        is_in_use: the listener shares its port already. It is offered nothing else then, since the RTCP
            port is long closed.
    """
    if "offer" in wishes or "require" in wishes:
        tells_mux = True
    elif "demux" in wishes:
        tells_mux = False
    else:
        tells_mux = is_offered or is_in_use
    keeps_mux = is_in_use and "demux" not in wishes
    return MuxPlan(
        tells_mux=tells_mux,
        tells_rtcp=not (tells_mux and ("require" in wishes or keeps_mux)),
        accepts_mux=_reply(wishes, passed_on=tells_mux) if is_offered else None,
    )


def _reply(wishes: Collection[str], *, passed_on: bool) -> bool | None:
    """Return how an offer to share is going to be answered."""
    if not passed_on:
        # Nobody else can be asked.
        return "reject" not in wishes
    if "accept" in wishes:
        return True
    return False if "reject" in wishes else None


def answer_mux(*, is_accepted: bool, was_offered: bool, reply: bool | None) -> MuxPlan:
    """Plan an answer.

    Args:
        is_accepted: the speaker shares its port.
        was_offered: the listener offered to share.
        reply: how it is to be answered, whatever the speaker says.
    """
    listener_mux = was_offered and (is_accepted if reply is None else reply)
    return MuxPlan(
        tells_mux=listener_mux,
        tells_rtcp=not listener_mux,
        speaker_mux=is_accepted,
        listener_mux=listener_mux,
    )
