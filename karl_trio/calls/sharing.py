"""What an offer or answer settles of bundles: faces move to one port, and their bundle is told."""

from __future__ import annotations

from .bundling import Places, settled
from .call import Call
from .faces import begin_bundle, join_bundle, tell_face, tell_transport
from .leg import Leg
from .plan import Plan


def settle_bundles(call: Call, plan: Plan, speaker: Leg, listener: Leg, now: float) -> None:
    """Let the media that are bundled from now on share a port, and be where the first of them is."""
    bundle = plan.bundle
    offered = speaker.bundling.offered
    speaker.bundling = settled(speaker.bundling, bundle, is_speaker=True)
    listener.bundling = settled(listener.bundling, bundle, is_speaker=False)
    if bundle.is_offer:
        _tell_transports(plan, speaker, bundle.speaker, now)
        return
    _share_port(call, plan, speaker, listener, bundle.speaker, now)
    _share_port(call, plan, listener, speaker, bundle.group, now)
    # A leg that wants no bundle after all may be left with the first media of the one that it was offered.
    _tell_transports(plan, speaker, bundle.speaker or offered, now)
    _tell_transports(plan, listener, bundle.group, now)


def _share_port(call: Call, plan: Plan, leg: Leg, peer: Leg, places: Places, now: float) -> None:
    """Move the faces of media to one port: that of their bundle, or else of the first."""
    media = [leg.media[plan.media[place].slot] for place in places]
    faces = [face for each in media if (face := each.current_face(peer)) is not None]
    carrier = next((face for face in faces if face.bundle is not None), faces[0] if faces else None)
    if carrier is None:
        return
    if carrier.bundle is None:
        begin_bundle(call, carrier)
    for face in faces:
        if face.bundle is not carrier.bundle:
            join_bundle(call, face, carrier)
    for each in media:
        for face in each.faces:
            tell_face(face, each, now)


def _tell_transports(plan: Plan, leg: Leg, places: Places, now: float) -> None:
    """Let the bundles that the first of some media is in know where the leg has it."""
    first = next((plan.media[place] for place in places if place < len(plan.media)), None)
    media = None if first is None else leg.media[first.slot]
    if media is None or media.advertised is None:
        return
    for face in media.faces:
        if face.bundle is not None:
            tell_transport(face.bundle, media, now)
