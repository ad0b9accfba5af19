"""Which media of a leg share one port of ours (BUNDLE, RFC 9143): the key `bundle`.

Each leg is asked, and answered, by itself, and the key counts in offers only. Without it nothing is bundled,
as in rtpengine: a group that is offered to us is left out, and its media get ports of their own.

- `accept`: the offerer is answered with a bundle, whatever the other side does.
- `offer`: the other side is offered a bundle, with a port for each media as long as it has not accepted.
- `require`: it is offered one port for all, and nothing else: media that it does not bundle are rejected.
- `strict`: likewise, with port 0 for all media but the first (RFC 9143, 6); this is for one offer only.
- `reject`: neither, and what was bundled is so no longer.

A leg that has a bundle keeps it in later offers, from it and to it, without any key; to it as with `require`.
RTCP shares the port as well (RFC 9143, 9.3). What is encrypted with keys from DTLS is not bundled: as long as
DTLS only passes through us, there would have to be one handshake for all media on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import attrs
from attrs import evolve, frozen

from karl_trio.media.interfaces import Interface
from karl_trio.sdp.description import Description, MediaSection
from karl_trio.sdp.extensions import MID, Extension

from .leg import Bundling, Leg
from .media import Face, Media

if TYPE_CHECKING:
    from .plan import MediaPlan

OFFERING = frozenset({"offer", "require", "strict"})
SHARING = frozenset({"require", "strict"})

Places = tuple[int, ...]
"""Media by their place in the SDP, from 0."""

_MID_IDS = range(1, 15)
"""Identifiers that fit into the short form of header extensions (RFC 8285, 4.2)."""


@frozen(kw_only=True)
class BundlePlan:
    """What an offer or answer says of bundles, and settles.

    Attributes:
        speaker: in an offer, the media that the speaker bundles and that are going to be accepted so; in an
            answer, those that it has accepted so. The first one's endpoint holds for all.
        group: the media that the listener is told to bundle; in an answer they are bundled from now on.
        shares: they have one port from now on.
        carrier: the one of them that this port is of.
        is_offer: the listener has yet to accept it.
        is_strict: it is told port 0 for all but the first.
    """

    speaker: Places = ()
    group: Places = ()
    shares: bool = False
    carrier: int = 0
    is_offer: bool = False
    is_strict: bool = False

    def is_bundle_only(self, place: int) -> bool:
        """Whether a media is offered as a part of the bundle only."""
        return self.is_offer and self.shares and place in self.group[1:]


NOTHING_OFFERED = BundlePlan(is_offer=True)
NOTHING_ANSWERED = BundlePlan()


def is_bundled(leg: Leg | None, peer: Leg | None) -> bool:
    """Whether a leg has a bundle, in what it was last told of a peer."""
    return leg is not None and any(_bundled_face(media, peer) is not None for media in leg.media)


def is_bundle_wanted(wishes: Collection[str], *, has_bundle: bool) -> bool:
    """Whether the other side of an offer is offered a bundle."""
    return "reject" not in wishes and (has_bundle or not OFFERING.isdisjoint(wishes))


def _bundled_face(media: Media | None, peer: Leg | None) -> Face | None:
    face = None if media is None else media.latest_face(peer)
    return None if face is None or face.bundle is None else face


def offered_by(
    speaker: Leg | None, listener: Leg | None, wishes: Collection[str], description: Description
) -> Places:
    """Return the media that an offer bundles and that are going to be accepted so."""
    if not description.bundle or "reject" in wishes:
        return ()
    if not ("accept" in wishes or is_bundled(speaker, listener)):
        return ()
    named = _named(description)
    can_share = [
        place
        for place in named
        if _can_be_bundled(description.media[place])
        and (description.media[place].rtcp_mux or description.media[place].is_bundle_only)
    ]
    places = _tagged_first(description, can_share)
    return places if _can_be_told_apart([description.media[place] for place in places]) else ()


def accepted_by(informed: Leg | None, description: Description) -> Places:
    """Return the media that an answer bundles, of those that the leg was offered so."""
    offered = () if informed is None else informed.bundling.offered
    if not offered:
        return ()
    return _tagged_first(description, [place for place in _named(description) if place in offered])


def _named(description: Description) -> list[int]:
    """Return the media of the group, in its order."""
    places = {section.mid: place for place, section in enumerate(description.media) if section.mid}
    return [places[mid] for mid in dict.fromkeys(description.bundle) if mid in places]


def _can_be_bundled(section: MediaSection) -> bool:
    return section.is_rtp and bool(section.port or section.is_bundle_only) and not section.has_dtls


def _tagged_first(description: Description, places: Sequence[int]) -> Places:
    """Return places with the first one in front that has a port, whose endpoint is that of all."""
    live = [place for place in places if description.media[place].port]
    if not live:
        return ()
    rest = [p for p in places if p != live[0] and (p in live or description.media[p].is_bundle_only)]
    return (live[0], *rest)


def _can_be_told_apart(sections: Sequence[MediaSection]) -> bool:
    """Whether packets tell their media: by its name, or by payload types that no two media share."""
    if all(any(extension.uri == MID for extension in section.extensions) for section in sections):
        return True
    formats = [number for section in sections for number in section.formats]
    return len(set(formats)) == len(formats)


def fill_in(description: Description, places: Places) -> Description:
    """Give bundle-only media the endpoint of the bundle, so that they do not look rejected."""
    if not any(description.media[place].is_bundle_only for place in places):
        return description
    media = list(description.media)
    tagged = media[places[0]]
    for place in places:
        if media[place].is_bundle_only:
            media[place] = attrs.evolve(media[place], port=tagged.port, address=tagged.address)
    return attrs.evolve(description, media=tuple(media))


def plan_offer(
    media: Sequence[MediaPlan],
    speaker_group: Places,
    hidden: Collection[int],
    speaker: Leg | None,
    listener: Leg | None,
    interface: Interface,
    wishes: Collection[str],
) -> BundlePlan:
    """Plan the bundles of an offer; `speaker_group` is what `offered_by` returned.

    Args:
        interface: that the listener is faced from.
    """
    has_bundle = is_bundled(listener, speaker)
    if not (wishes or has_bundle or speaker_group):
        return NOTHING_OFFERED
    speaker_group = tuple([place for place in speaker_group if media[place].is_relayed])
    if not is_bundle_wanted(wishes, has_bundle=has_bundle):
        return BundlePlan(speaker=speaker_group, is_offer=True)
    group = tuple(
        [
            place
            for place, plan in enumerate(media)
            if plan.is_relayed and place not in hidden and _can_be_bundled(plan.section)
        ]
    )
    shares = bool(group) and (has_bundle or not SHARING.isdisjoint(wishes))
    return BundlePlan(
        speaker=speaker_group,
        group=group,
        shares=shares,
        carrier=_carrier(media, group, speaker, listener, interface),
        is_offer=True,
        is_strict=shares and "strict" in wishes,
    )


def plan_answer(
    media: Sequence[MediaPlan],
    speaker_group: Places,
    speaker: Leg | None,
    listener: Leg | None,
    interface: Interface,
) -> BundlePlan:
    """Plan the bundles of an answer; `speaker_group` is what `accepted_by` returned."""
    offers = () if listener is None else listener.bundling.offers
    if not (offers or speaker_group):
        return NOTHING_ANSWERED
    group = tuple([place for place in offers if place < len(media) and media[place].is_relayed])
    return BundlePlan(
        speaker=tuple([place for place in speaker_group if media[place].is_relayed]),
        group=group,
        shares=bool(group),
        carrier=_carrier(media, group, speaker, listener, interface),
    )


def _carrier(
    media: Sequence[MediaPlan],
    group: Places,
    speaker: Leg | None,
    listener: Leg | None,
    interface: Interface,
) -> int:
    for place in group:
        face = _bundled_face(media_of(listener, media[place].slot), speaker)
        if face is not None and face.interface == interface:
            return place
    return group[0] if group else 0


def media_of(leg: Leg | None, slot: int) -> Media | None:
    return leg.media[slot] if leg is not None and slot < len(leg.media) else None


def without_unbundled(
    media: Sequence[MediaPlan], accepted: Places, informed: Leg | None
) -> tuple[MediaPlan, ...]:
    """Return the plans for the media of an answer, rejecting what was offered as part of a bundle only."""
    lost = set[int]()
    if informed is not None and informed.bundling.is_only:
        lost = {*informed.bundling.offered[1:]}.difference(accepted)
    return tuple([plan.rejected if place in lost else plan for place, plan in enumerate(media)])


def bundled(
    media: Sequence[MediaPlan],
    plan: BundlePlan,
    speaker: Leg | None,
    listener: Leg | None,
    interface: Interface,
) -> tuple[MediaPlan, ...]:
    """Return the plans of the media with what their bundles mean for each."""
    if not (plan.speaker or plan.group or any(_may_change(each) for each in media)):
        return tuple(media)
    mid_id = _mid_id(media, plan)
    plans = []
    for place, each in enumerate(media):
        listener_media = media_of(listener, each.slot)
        each = _with_extensions(each, plan, place, listener_media, mid_id)
        each = _with_mux(each, plan, place)
        if each.is_relayed:
            latest = None if listener_media is None else listener_media.latest_face(speaker)
            # A leg that is faced from elsewhere now gets other ports, like one without a bundle.
            is_kept = latest is not None and latest.interface == interface
            each = _with_faces(each, plan, place, latest if is_kept else None)
        plans.append(each)
    return tuple(plans)


def _may_change(each: MediaPlan) -> bool:
    """Whether a media that is not bundled may have to do with bundles all the same."""
    face = each.listener_face
    return bool(each.extensions.told) or (face is not None and face.bundle is not None)


def _with_mux(each: MediaPlan, plan: BundlePlan, place: int) -> MediaPlan:
    mux = each.mux
    if place in plan.group:
        mux = evolve(mux, tells_mux=True, tells_rtcp=not plan.shares)
        if not plan.is_offer:
            mux = evolve(mux, listener_mux=True)
    if place in plan.speaker:
        mux = evolve(mux, accepts_mux=True) if plan.is_offer else evolve(mux, speaker_mux=True)
    return each if mux == each.mux else evolve(each, mux=mux)


def _with_faces(each: MediaPlan, plan: BundlePlan, place: int, latest: Face | None) -> MediaPlan:
    if not (plan.shares and place in plan.group):
        if each.listener_face is not None and each.listener_face.bundle is not None:
            return evolve(each, listener_face=None, opens_listener_face=True)
        return each
    if not plan.is_offer or (latest is not None and latest.bundle is not None):
        # Who is answered has not used the ports of the others yet.
        return evolve(each, listener_face=latest, opens_listener_face=latest is None)
    joins = place != plan.carrier
    return evolve(each, listener_face=None, opens_listener_face=not joins, joins_bundle=joins)


def _with_extensions(
    each: MediaPlan, plan: BundlePlan, place: int, listener_media: Media | None, mid_id: int | None
) -> MediaPlan:
    """The name of a media in its packets is for one side only: for the leg that it is bundled for."""
    told = each.extensions.told
    in_group = place in plan.group
    if plan.is_offer:
        if not in_group or mid_id is None or any(extension.uri == MID for extension in told):
            return each
        told = (*told, Extension(mid_id, MID))
    else:
        own = None if listener_media is None else listener_media.mid_extension
        others = tuple([extension for extension in told if extension.uri != MID])
        if own is not None and (in_group or len(others) < len(told)):
            told = (own.mirrored, *others)
        else:
            told = others
        if told == each.extensions.told:
            return each
    return evolve(each, extensions=evolve(each.extensions, told=told))


def _mid_id(media: Sequence[MediaPlan], plan: BundlePlan) -> int | None:
    """Return an identifier for the name of the media in packets: the one in use, or else one that is free."""
    extensions = [extension for place in plan.group for extension in media[place].extensions.told]
    for extension in extensions:
        if extension.uri == MID:
            return extension.id
    taken = {extension.id for extension in extensions}
    return next((number for number in _MID_IDS if number not in taken), None)


def settled(before: Bundling, plan: BundlePlan, *, is_speaker: bool) -> Bundling:
    """Return what there is to remember of a leg's bundles after an offer; an answer changes nothing of it."""
    if not plan.is_offer:
        return before
    if is_speaker:
        return before if before.offers == plan.speaker else evolve(before, offers=plan.speaker)
    if (before.offered, before.is_only) == (plan.group, plan.shares):
        return before
    return evolve(before, offered=plan.group, is_only=plan.shares)


def names_of(media: Sequence[MediaPlan], places: Iterable[int]) -> tuple[str, ...]:
    """Return what the listener is told that media are called."""
    return tuple([media[place].told_mid for place in places])
