"""Which media of the legs each m= section of an SDP is.

The legs of a call keep their media in slots, and a slot of one leg is joined to the same slot of the others.
Nearly always the slots are in the order of the SDP. But a re-offer that names its media (a=mid, RFC 5888) may
order them otherwise, and then a media keeps its slot, and with it its ports.
"""

from __future__ import annotations

from karl_trio.sdp.description import Description

from .leg import Leg

Slots = tuple[int, ...]
"""A slot, from 0, for each m= section."""


def slots_of_offer(description: Description, speaker: Leg | None) -> Slots:
    """Return the slots of an offer: by a=mid where the kind of media is the same, else by place.

    Args:
        speaker: the leg that makes it, if there is one already.
    """
    count = len(description.media)
    if speaker is None or not speaker.media:
        return tuple(range(count))
    named = {} if _hides_media(speaker) else _by_mid(description, speaker)
    usual = dict(enumerate(speaker.slots))
    free = set(range(count + len(speaker.media))) - set(named.values())
    slots = []
    for place in range(count):
        slot = named.get(place)
        if slot is None:
            slot = usual.get(place, place)
            if slot not in free:
                slot = min(free)
            free.remove(slot)
        slots.append(slot)
    return tuple(slots)


def slots_of_answer(description: Description, informed: Leg | None) -> Slots:
    """Return the slots of an answer, which has the order of its offer (RFC 3264, 6).

    Args:
        informed: the leg that was sent the offer.
    """
    told = () if informed is None else informed.slots
    return tuple(told[place] if place < len(told) else place for place in range(len(description.media)))


def _by_mid(description: Description, speaker: Leg) -> dict[int, int]:
    """Return the slots of those sections that the speaker has named before, by place."""
    known = {
        (media.advertised.mid, media.advertised.kind): media.index - 1
        for media in reversed(speaker.media)
        if media.advertised is not None and media.advertised.mid is not None
    }
    found: dict[int, int] = {}
    for place, section in enumerate(description.media):
        slot = None if section.mid is None else known.pop((section.mid, section.kind), None)
        if slot is not None:
            found[place] = slot
    return found


def _hides_media(leg: Leg) -> bool:
    """Whether media are kept from the leg, which are found by their place alone."""
    return leg.sent is not None and bool(leg.sent.hidden)
