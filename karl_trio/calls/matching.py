"""Which legs a request is about (NG_REFERENCE's dialogue matching, pure).

The `speaker` is the leg whose SDP a request carries, the `listener` the one that the rewritten SDP is
for. In an offer the from-tag is the speaker's, in an answer it is the listener's: SIP's From does not
change with the direction of a response.
"""

from __future__ import annotations

from attrs import frozen

from karl_trio.errors import InvalidSessionState
from karl_trio.ng.requests import AnswerRequest, OfferRequest, SdpRequest
from karl_trio.sdp.description import Description

from .call import Call
from .leg import Leg

FINAL = 200
"""The lowest status code of a final SIP reply (RFC 3261, 7.2)."""


@frozen(kw_only=True)
class Parties:
    """The two legs of an offer or answer; None stands for one to be made.

    Attributes:
        speaker_tag: the tag of a speaker to be made, or a further one for the speaker there is.
        listener_tag: likewise; None while nobody has answered.
    """

    speaker: Leg | None
    speaker_tag: str
    listener: Leg | None
    listener_tag: str | None


def match_offer(call: Call | None, request: OfferRequest, description: Description) -> Parties:
    """Find the legs of an offer.

    Raises:
        InvalidSessionState: both tags mean the same leg.
    """
    from_tag, to_tag, via_branch = request.from_tag, request.to_tag, request.via_branch
    speaker = call.find_leg(from_tag) if call is not None else None
    if speaker is None and call is not None and request.alias_key is not None:
        speaker = _alike(call, request, description)
    listener: Leg | None = None
    if call is not None and to_tag is not None:
        listener = call.find_leg(to_tag)
        if listener is None and speaker is not None and via_branch is None:
            # An answer may have been missed: the leg that has no tag yet is the one that is meant.
            listener = _untagged(speaker)
    elif speaker is not None:
        if via_branch is None:
            listener = speaker.peers[-1] if speaker.peers else None
        else:
            listener = _of_branch(speaker, via_branch)
    if from_tag == to_tag or (speaker is not None and speaker is listener):
        raise InvalidSessionState(f"leg {from_tag!r} talks to itself")
    return Parties(speaker=speaker, speaker_tag=from_tag, listener=listener, listener_tag=to_tag)


def match_answer(call: Call, request: AnswerRequest) -> Parties:
    """Find the legs of an answer.

    A to-tag never seen before belongs to the branch it names, else to the leg that has not answered
    yet, else it is a further tag of the leg that has, unless the flag `new-branch` says otherwise, or
    that leg has given its final answer.

    Raises:
        InvalidSessionState: nothing was offered by the from-tag, or both tags mean the same leg.
    """
    from_tag, to_tag, via_branch = request.from_tag, request.to_tag, request.via_branch
    listener = call.find_leg(from_tag)
    if listener is None or not listener.has_answered or not listener.peers:
        raise InvalidSessionState(f"an answer to {from_tag!r}, which offered nothing")
    speaker = call.find_leg(to_tag)
    if speaker is None and via_branch is not None:
        speaker = _of_branch(listener, via_branch)
    if speaker is None:
        speaker = _untagged(listener)
    if speaker is None and "new-branch" not in request.flags and not listener.peers[-1].is_final:
        speaker = listener.peers[-1]
    if speaker is listener or from_tag == to_tag:
        raise InvalidSessionState(f"leg {from_tag!r} talks to itself")
    return Parties(speaker=speaker, speaker_tag=to_tag, listener=listener, listener_tag=from_tag)


def is_final_reply(request: SdpRequest) -> bool:
    """Whether an answer came in a final SIP reply, so that no other tag can take over its dialogue."""
    if request.sip_message_type != "reply" or request.sip_code is None:
        return False
    return request.sip_code >= FINAL and "provisional" not in request.flags


def _alike(call: Call, request: OfferRequest, description: Description) -> Leg | None:
    """Return the leg that an unknown from-tag is another name of, by what `alias-key` says."""
    endpoint = description.media[0].endpoint
    for leg in call.legs:
        if request.alias_key == "sdp":
            is_alike = leg.said == request.sdp
        else:
            first = leg.media[0].advertised if leg.media else None
            is_alike = endpoint is not None and first is not None and first.endpoint == endpoint
        if is_alike:
            return leg
    return None


def _untagged(leg: Leg) -> Leg | None:
    for peer in reversed(leg.peers):
        if peer.tag is None:
            return peer
    return None


def _of_branch(leg: Leg, via_branch: str) -> Leg | None:
    for peer in leg.peers:
        if peer.via_branch == via_branch:
            return peer
    return None
