"""Media that a leg is not told of: the key `sdp-media-remove`.

Both legs of an exchange number their media alike, by the place in the SDP. A media that is hidden from a
leg is missing in what the leg is sent, so it is missing in what the leg sends as well, and has to be put
back there, as rejected: neither leg ever sees the number of its m= lines change (RFC 3264, 5.1 and 8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

import attrs
from attrs import frozen

from karl_trio.sdp.attributes import Attributes
from karl_trio.sdp.description import Description, MediaSection
from karl_trio.sdp.manipulation import media_kind

T = TypeVar("T")


@frozen
class HiddenMedia:
    """What is left of a media that a leg is not told of."""

    kind: str
    protocol: str
    formats: tuple[str, ...]

    def rejected(self) -> MediaSection:
        """Return the m= section in which the leg would have rejected it."""
        nothing = Attributes((), {})
        return MediaSection(self.kind, 0, 1, self.protocol, self.formats, None, {}, nothing, nothing)


NOTHING_HIDDEN: Mapping[int, HiddenMedia] = {}


def reveal(description: Description, hidden: Mapping[int, HiddenMedia]) -> Description:
    """Put the media that the sender was not told of back into its SDP, as rejected."""
    if not hidden:
        return description
    media = list(description.media)
    for place in sorted(hidden):
        if place <= len(media):
            media.insert(place, hidden[place].rejected())
    return attrs.evolve(description, media=tuple(media))


def hide(
    description: Description,
    kinds: Collection[str],
    known: int,
    hidden: Mapping[int, HiddenMedia],
) -> Mapping[int, HiddenMedia]:
    """Return the media of an offer that its receiver is not to be told of.

    A media that the receiver knows is none of them: it can be rejected only.

    Args:
        kinds: of the media that are to be removed.
        known: how many media there were in the last exchange with the receiver.
        hidden: those of them that it was not told of.
    """
    told = [place for place in range(known) if place not in hidden]
    found = {}
    for place, section in enumerate(description.media):
        if place < known and place not in hidden:
            continue
        # Only behind all others can a new one be shown without moving what the receiver knows.
        is_stuck = place in hidden and bool(told) and place < told[-1]
        if is_stuck or is_removed(section, kinds):
            found[place] = HiddenMedia(section.kind, section.protocol, section.formats)
    return found


def is_removed(section: MediaSection, kinds: Collection[str]) -> bool:
    """Whether a section is of a kind that is to be removed."""
    return media_kind(section.kind) in kinds


def without(items: Collection[T], hidden: Collection[int]) -> tuple[T, ...]:
    """Leave out what belongs to hidden media, in a collection with an item for each media."""
    return tuple(item for place, item in enumerate(items) if place not in hidden)
