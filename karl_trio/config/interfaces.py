"""The interfaces that settings name: which local addresses carry media, and under which names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from attrs import frozen

from karl_trio.endpoint import Family, family_of

from .addresses import literal

DEFAULT_INTERFACE = "default"
"""The name of an interface that was given none, as rtpengine has it."""

_ADDRESS_KEYS = frozenset({"name", "address", "advertised", "port-min", "port-max"})
_ALIAS_KEYS = frozenset({"name", "alias"})

_RANGE = re.compile(r"(?P<rest>.*):(?P<low>[0-9]{1,5})-(?P<high>[0-9]{1,5})", re.DOTALL)


@frozen
class PortRange:
    """The UDP ports from `low` to `high`, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


@frozen
class InterfaceSettings:
    """One local address that carries media.

    Attributes:
        name: what requests call it; several addresses may share a name.
        address: the local address, which sockets are bound to.
        advertised: the address that goes into SDP, other than `address` behind a one-to-one NAT.
        ports: its own range; None for the one that holds for all.
    """

    name: str
    address: str
    advertised: str
    ports: PortRange | None = None

    @property
    def family(self) -> Family:
        return family_of(self.address)


@frozen
class InterfaceAlias:
    """Another name for an interface.

    Attributes:
        name: the other name.
        of: the name, or the base of several names, that it stands for.
    """

    name: str
    of: str


def parse_interface(text: str) -> InterfaceSettings | InterfaceAlias:
    """Understand `[NAME/]ADDRESS[!ADVERTISED][:LOW-HIGH]` or `ALIAS=NAME`.

    Raises:
        ValueError: it is neither; the message names the part that is wrong.
    """
    text = text.strip()
    alias, equals, of = (part.strip() for part in text.partition("="))
    if equals:
        if not alias or not of or "/" in text:
            raise ValueError("an alias is written ALIAS=NAME")
        return InterfaceAlias(alias, of)
    ports = None
    match = _RANGE.fullmatch(text)
    if match is not None:
        text, ports = match["rest"], PortRange(int(match["low"]), int(match["high"]))
    name, slash, rest = text.rpartition("/")
    if slash and not name:
        raise ValueError("the name before the / is empty")
    local, mark, far = rest.partition("!")
    address = _media_address(local)
    advertised = _media_address(far) if mark else address
    if family_of(advertised) != family_of(address):
        raise ValueError(f"{address} cannot be advertised as {advertised}, one is IPv4 and one IPv6")
    return InterfaceSettings(name or DEFAULT_INTERFACE, address, advertised, ports)


def parse_interfaces(texts: Iterable[str]) -> tuple[tuple[InterfaceSettings, ...], dict[str, str]]:
    """Understand all of them; return those that have an address, and what each alias stands for.

    Raises:
        ValueError: as for `parse_interface`.
    """
    parsed = [parse_interface(text) for text in texts]
    return (
        tuple(each for each in parsed if isinstance(each, InterfaceSettings)),
        {each.name: each.of for each in parsed if isinstance(each, InterfaceAlias)},
    )


def base_of(name: str) -> str | None:
    """Return BASE of a name BASE:SUFFIX, under which interfaces take turns; None for any other name."""
    base, colon, suffix = name.partition(":")
    return base if colon and base and suffix else None


def spell_section(suffix: str, section: Mapping[str, object]) -> str:
    """Write a table `[interface-SUFFIX]` of a file, which rtpengine has too, as `parse_interface` reads it.

    Raises:
        ValueError: it has other keys than such a table may have, or lacks one; the message says which.
    """
    values = {key.replace("_", "-"): value for key, value in section.items()}
    keys = _ALIAS_KEYS if "alias" in values else _ADDRESS_KEYS
    for key, value in values.items():
        wanted = int if key.startswith("port-") else str
        if key not in keys:
            raise ValueError(f"{key} means nothing here")
        if type(value) is not wanted:
            raise ValueError(f"{key}: expected {'a whole number' if wanted is int else 'text'}")
    name = values.get("name", suffix)
    if "alias" in values:
        return f"{name}={values['alias']}"
    if "address" not in values:
        raise ValueError("address is missing")
    text = f"{name}/{values['address']}"
    if "advertised" in values:
        text += f"!{values['advertised']}"
    if ("port-min" in values) != ("port-max" in values):
        raise ValueError("port-min and port-max go together")
    return f"{text}:{values['port-min']}-{values['port-max']}" if "port-min" in values else text


def _media_address(text: str) -> str:
    address = literal(text)
    parsed = ipaddress.ip_address(address)
    # SDP tells the other side to send here, so one address of one host is meant.
    if parsed.is_unspecified or parsed.is_multicast or address == "255.255.255.255":
        raise ValueError(f"{address} is not the address of one host")
    if "%" in address:
        raise ValueError(f"{address} has a zone, which SDP cannot carry")
    return address
