"""Which of our interfaces faces a leg.

A request may name it (`direction`, `from-interface`, `to-interface`), or name a peer that the kernel's
routing table finds it by (`inbound-peer`, `outbound-peer`). What was chosen once holds for the rest of
the dialogue, until a request names another one.
"""

from __future__ import annotations

from attrs import frozen

from karl_trio.endpoint import Family, family_of
from karl_trio.media.interfaces import Interface, Interfaces
from karl_trio.ng.nearest import quoted
from karl_trio.ng.requests import SdpRequest

from .leg import Leg

LEGACY_FAMILIES: dict[str, Family] = {"internal": "IP4", "external": "IP6"}
"""What the names of rtpproxy's flags `i` and `e` mean where no interface has them, as in rtpengine."""


@frozen
class Wish:
    """The interface that a request wants for one leg.

    Attributes:
        name: a name, base or alias; None for the one that the leg has, or the default one.
        warning: why the name is not the one that was asked for.
    """

    name: str | None = None
    warning: str | None = None


@frozen
class Facing:
    """The interfaces that face the two legs of an offer or answer."""

    speaker: Interface
    listener: Interface
    warnings: tuple[str, ...]


def choose_facing(
    interfaces: Interfaces,
    request: SdpRequest,
    speaker: Leg | None,
    listener: Leg | None,
    speaker_family: Family | None,
) -> Facing:
    """Choose the interfaces for the legs of an offer or answer.

    Names stand in the order of the message: first where it comes from, then where it goes to.

    Args:
        speaker_family: of the addresses in the SDP; None if it has none.

    Raises:
        InvalidParameters: no interface has an address of the family that is needed.
    """
    names = (*request.direction, None, None)
    speaker_name = request.from_interface or names[0]
    listener_name = request.to_interface or names[1]
    wish = wished(interfaces, speaker_name, request.inbound_peer, speaker, speaker_family)
    facing_speaker = interfaces.find(wish.name, speaker_family)
    family = request.address_family or (None if listener is None else listener.family)
    if family is None and request.media_address is not None:
        family = family_of(request.media_address)
    if family is None and listener_name is not None and not interfaces.serves(listener_name):
        family = _legacy_family(interfaces, listener_name)
    other_wish = wished(interfaces, listener_name, request.outbound_peer, listener, family)
    if family is None:
        # Nobody said which: the speaker's, unless the network that was named has only the other one.
        name = other_wish.name
        family = speaker_family if name is None or interfaces.serves(name, speaker_family) else None
    facing_listener = interfaces.find(other_wish.name, family)
    warnings = (each.warning for each in (wish, other_wish) if each.warning is not None)
    return Facing(facing_speaker, facing_listener, tuple(warnings))


def wished(
    interfaces: Interfaces, name: str | None, peer: str | None, leg: Leg | None, family: Family | None
) -> Wish:
    """Say which interface a request wants for a leg.

    Args:
        name: as the request has it, if it has one; it counts more than a peer.
        peer: the address whose route decides, if the request has one.
        leg: the leg, if there is one already.
        family: the address family that is needed, if that is known.
    """
    current = None if leg is None else leg.interface
    warning = None
    if name is None and peer is not None:
        name = interfaces.name_towards(peer)
        if name is None:
            warning = f"no interface faces the peer {peer}"
    elif name is not None and not interfaces.serves(name, family):
        if name not in LEGACY_FAMILIES:
            missing = f"has no address of family {family}" if interfaces.serves(name) else "is unknown"
            warning = f"interface {quoted(name)} {missing}"
        name = None
    if name is None or (current is not None and interfaces.goes_by(current, name)):
        name = current
    if warning is not None:
        warning += ": the default one is used" if name is None else f": {quoted(name)} is used"
    return Wish(name, warning)


def _legacy_family(interfaces: Interfaces, name: str) -> Family | None:
    family = LEGACY_FAMILIES.get(name)
    return family if any(each.family == family for each in interfaces) else None
