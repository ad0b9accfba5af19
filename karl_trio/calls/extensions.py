"""Which RTP header extensions each leg is told of: the key `extmap` and the flag `strip-extmap`.

`strip` takes an extension out of the SDP that it is said with. So does `mask`, which counts in offers only;
but there the offerer is told in the answer that it is accepted all the same. An extension that a leg was not
told of is taken out of the packets on their way to it, and so is then everything else that the two legs have
not both agreed to, as in rtpengine. Where nothing was taken out of any SDP, packets pass as they are. SRTP
passes as it is in any case: its header is authenticated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from karl_trio.ng.requests import SdpRequest
from karl_trio.rtp.extension import MAX_ID, MAX_LENGTH, Element
from karl_trio.sdp.extensions import MID, Extension

from .media import Media

ALL = "all"
"""The word that stands for every extension."""


@frozen(kw_only=True)
class ExtensionPlan:
    """What an offer or answer says of the header extensions of one media.

    Attributes:
        told: the extensions that the listener is told of.
        hidden: the URIs of those that were taken out.
        masked: what the speaker offered and is to be accepted, though nobody else was offered it.
    """

    told: tuple[Extension, ...] = ()
    hidden: frozenset[str] = frozenset()
    masked: tuple[Extension, ...] = ()


NO_EXTENSIONS = ExtensionPlan()


def plan_extensions(
    request: SdpRequest, said: Sequence[Extension], listener_media: Media | None, *, is_answer: bool
) -> ExtensionPlan:
    """Plan the extensions of a media; `said` is what the speaker maps."""
    if not is_answer:
        return offer_extensions(request, said) if said else NO_EXTENSIONS
    masked = () if listener_media is None else listener_media.masked_extensions
    if not said and not masked:
        return NO_EXTENSIONS
    return answer_extensions(request, said, masked)


def offer_extensions(request: SdpRequest, offered: Sequence[Extension]) -> ExtensionPlan:
    """Plan the extensions of a media that is offered."""
    stripped = _named(request, "strip", offered)
    masked = tuple([extension for extension in _named(request, "mask", offered) if extension not in stripped])
    return _plan(offered, (*stripped, *masked), masked=masked)


def answer_extensions(
    request: SdpRequest, accepted: Sequence[Extension], masked: Sequence[Extension]
) -> ExtensionPlan:
    """Plan the extensions of a media that is answered.

    Args:
        masked: what the listener offered and nobody else was offered.
    """
    known = {extension.uri for extension in masked}
    ours = [extension.mirrored for extension in masked]
    everything = (*ours, *[extension for extension in accepted if extension.uri not in known])
    return _plan(everything, _named(request, "strip", everything))


def _named(request: SdpRequest, operation: str, extensions: Sequence[Extension]) -> Sequence[Extension]:
    """Return the extensions that an operation is for."""
    names = request.extmap.get(operation, ())
    if ALL in names or (operation == "strip" and "strip-extmap" in request.flags):
        return extensions
    return [extension for extension in extensions if extension.uri in names]


def _plan(
    extensions: Sequence[Extension], removed: Sequence[Extension], *, masked: tuple[Extension, ...] = ()
) -> ExtensionPlan:
    return ExtensionPlan(
        told=tuple([extension for extension in extensions if extension not in removed]),
        hidden=frozenset([extension.uri for extension in removed]),
        masked=masked,
    )


def changes_extensions(media: Media) -> bool:
    """Whether the extensions of packets to and from a leg are other ones than those of its peers."""
    return bool(media.hidden_extensions or [face for face in media.faces if face.bundle is not None])


def name_element(listener: Media) -> tuple[Element, ...]:
    """Return the element that tells a leg which of its media a packet belongs to, if it wants to be told."""
    extension, name = listener.mid_extension, listener.name
    if extension is None or name is None or extension.id > MAX_ID or len(name.encode()) > MAX_LENGTH:
        return ()
    return ((extension.id, name.encode()),)


def common_ids(media: Media, listener: Media) -> frozenset[int]:
    """Return the identifiers of the extensions that both legs of a flow have agreed to.

    The name of the media is not among them: it is between one leg and us.
    """
    ours, theirs = _agreed(media), _agreed(listener)
    return frozenset([identifier for identifier, uri in ours.items() if theirs.get(identifier) == uri])


def _agreed(media: Media) -> Mapping[int, str]:
    extensions = () if media.advertised is None else media.advertised.extensions
    hidden = media.hidden_extensions | {MID}
    return {each.id: each.uri for each in extensions if each.uri not in hidden}
