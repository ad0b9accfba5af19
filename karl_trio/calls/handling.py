"""What an offer or answer asks to be done with media, beyond the exchange of SDP."""

from __future__ import annotations

from karl_trio.ng.requests import SdpRequest
from karl_trio.sdp.attributes import Direction

from .call import Call
from .controls import Control, Reach
from .leg import Course, Leg
from .media import Handling
from .piercing import PIERCE_TIME, pierce

LARGEST_TOS = 255
"""It is one octet."""


def handling_of(request: SdpRequest) -> Handling:
    """Return what is to be done with the media of the leg whose SDP a request carries."""
    flags = request.flags
    return Handling(
        direction=Direction.of(sends="send-only" not in flags, receives="receive-only" not in flags),
        nat_wait="nat-wait" in flags,
        pierce_nat="pierce-nat" in flags,
        block_short="block-short" in flags,
    )


def mark(call: Call, request: SdpRequest, default: int, now: float, *, is_offer: bool) -> None:
    """Set the type of service of everything that a call sends, in all directions, as in rtpengine.

    An offer that names none, or one that is too large, means the default; a negative one changes nothing.

    Args:
        default: what is configured.
    """
    wish = request.tos
    if wish is None and not is_offer:
        return
    tos = default if wish is None or wish > LARGEST_TOS else wish
    if tos < 0 or tos == call.tos:
        return
    call.tos = tos
    for stream in call.streams:
        stream.mark(tos, now)


def settle(call: Call, request: SdpRequest, speaker: Leg, listener: Leg, now: float) -> None:
    """Take over what a request asks to be done with the media of a call, and of its two legs."""
    if request.drop_traffic:
        call.drops_traffic = "stop" not in request.drop_traffic
    if request.media_echo is not None:
        speaker.course, listener.course = _COURSES[request.media_echo]
    if "block-dtmf" in request.flags:
        call.controls.impose(Control.BLOCK_DTMF, [Reach(speaker)])
    begin_piercing(call, request, now)


def begin_piercing(call: Call, request: SdpRequest, now: float) -> None:
    """Send empty packets for a while, if the request asks for it."""
    if "pierce-nat" in request.flags:
        pierce(call, now + PIERCE_TIME, now)


_COURSES = {
    "blackhole": (Course.NOWHERE, Course.NOWHERE),
    "forward": (Course.NOWHERE, Course.BACK),
    "backward": (Course.BACK, Course.NOWHERE),
    "both": (Course.BACK, Course.BACK),
}
# For the leg whose SDP a request carries, and for the one that is sent it.
