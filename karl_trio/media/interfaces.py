"""The named local addresses that media is sent from and received at."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Protocol

from attrs import evolve, field, frozen

from karl_trio.config import PortRange, base_of
from karl_trio.endpoint import Endpoint, Family, family_of
from karl_trio.errors import InvalidParameters

from .ports import OpenSocket, PortPool, open_udp_socket
from .routes import Routes


class InterfaceSpec(Protocol):
    """What the configuration says of one interface."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def advertised(self) -> str: ...

    @property
    def ports(self) -> PortRange | None: ...


@frozen
class Interface:
    """A local address for media, under the name that NG requests know it by.

    Attributes:
        name: several interfaces may share one, usually an IPv4 and an IPv6 address of the same network.
        address: the literal address that sockets are bound to.
        advertised: the literal address that is written into SDP; another one than `address` behind a NAT.
        pool: the ports of `address`.
    """

    name: str
    address: str
    advertised: str
    pool: PortPool = field(eq=False, repr=False)

    @property
    def family(self) -> Family:
        return family_of(self.address)

    @cached_property
    def is_loopback(self) -> bool:
        """Whether only programs on this host can reach it."""
        return ipaddress.ip_address(self.address).is_loopback


class Interfaces:
    """All interfaces in the order of the configuration; the first is the default one.

    Interfaces that are named BASE:SUFFIX take turns under the name of their base. Whose turn it is changes
    with `took_turn`, not with `find`, which a request that fails has called as well.

    Args:
        aliases: other names, and the name or base that each stands for.
        routes: tells which of our addresses faces a peer.
    """

    def __init__(
        self,
        interfaces: Iterable[Interface],
        *,
        aliases: Mapping[str, str] | None = None,
        routes: Routes | None = None,
    ) -> None:
        self._interfaces = tuple(interfaces)
        if not self._interfaces:
            raise ValueError("no interface")
        self._aliases = dict(aliases or {})
        self._routes = routes or Routes()
        self._by_name: dict[str, list[Interface]] = {}
        for interface in self._interfaces:
            self._by_name.setdefault(interface.name, []).append(interface)
        self._defaults: dict[Family | None, Interface] = {None: self._interfaces[0]}
        for interface in self._interfaces:
            self._defaults.setdefault(interface.family, interface)
        self._bases = {name: base for name in self._by_name if (base := base_of(name)) is not None}
        self._turns: dict[str, list[str]] = {}
        for name, base in self._bases.items():
            self._turns.setdefault(base, []).append(name)

    @classmethod
    def build(
        cls,
        specs: Iterable[InterfaceSpec],
        *,
        low: int,
        high: int,
        rest: float,
        random: Random,
        open_socket: OpenSocket = open_udp_socket,
        aliases: Mapping[str, str] | None = None,
        routes: Routes | None = None,
    ) -> Interfaces:
        """Make interfaces and their port pools; those with the same address and range share one pool.

        Args:
            specs: what is configured, the default interface first.
            low, high: the ports of those that have no range of their own.
            rest, random, open_socket: as for `PortPool`.
            aliases, routes: as for the class.

        Raises:
            ValueError: there are no interfaces, or no pair of ports in a range.
        """
        pools: dict[tuple[str, PortRange], PortPool] = {}
        interfaces = []
        for spec in specs:
            ports = spec.ports or PortRange(low, high)
            pool = pools.get((spec.address, ports))
            if pool is None:
                pool = PortPool(
                    spec.address, ports.low, ports.high, rest=rest, random=random, open_socket=open_socket
                )
                pools[spec.address, ports] = pool
            interfaces.append(Interface(spec.name, spec.address, spec.advertised, pool))
        return cls(interfaces, aliases=aliases, routes=routes)

    def __iter__(self) -> Iterator[Interface]:
        return iter(self._interfaces)

    def __len__(self) -> int:
        return len(self._interfaces)

    @property
    def pools(self) -> tuple[PortPool, ...]:
        """Each port pool once."""
        return tuple({id(interface.pool): interface.pool for interface in self._interfaces}.values())

    def find(self, name: str | None, family: Family | None) -> Interface:
        """Return the interface for a leg.

        A name that is not known, or not in that family, means the default: a proxy's script that names
        a network we do not have should still get its call through. `serves` tells the difference.

        Args:
            name: the name, base of names or alias asked for; None when none was.
            family: the address family needed; None when either will do.

        Raises:
            InvalidParameters: there is no interface of that family at all.
        """
        if name is not None:
            found = self._next(self._names(name), family)
            if found is not None:
                return found
        default = self._defaults.get(family)
        if default is None:
            raise InvalidParameters(f"no interface has an address of family {family}")
        base = self._bases.get(default.name)
        return default if base is None else self._next(self._turns[base], family) or default

    def serves(self, name: str, family: Family | None = None) -> bool:
        """Whether there is an interface of this name, base or alias, and in this family."""
        return self._next(self._names(name), family) is not None

    def goes_by(self, interface_name: str, name: str) -> bool:
        """Whether a name, base or alias may mean the interfaces of this name."""
        return interface_name in self._names(name)

    def took_turn(self, interface: Interface) -> None:
        """Take note that a leg was given this interface: the next leg gets the one after it."""
        base = self._bases.get(interface.name)
        if base is not None:
            names = self._turns[base]
            place = names.index(interface.name) + 1
            self._turns[base] = names[place:] + names[:place]

    def name_towards(self, peer: str) -> str | None:
        """Return the name of the interface that the kernel would use towards a peer, if it is one of ours.

        Args:
            peer: a literal address in its canonical spelling.
        """
        address = self._routes.local_address(peer)
        return next((each.name for each in self._interfaces if each.address == address), None)

    def rehearsal(self) -> Interfaces:
        """Return the same interfaces with pools that hand out what these would, and leave these alone."""
        pools = {id(pool): pool.rehearsal() for pool in self.pools}
        rehearsal = Interfaces(
            (evolve(interface, pool=pools[id(interface.pool)]) for interface in self),
            aliases=self._aliases,
            routes=self._routes,
        )
        rehearsal._turns = dict(self._turns)
        return rehearsal

    def has_open_port(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint, in the spelling of the kernel, is a media port of ours that is in use.

        What comes from there was sent by whoever is in the call.
        """
        return any(
            endpoint.address == interface.address and interface.pool.has_open(endpoint.port)
            for interface in self._interfaces
        )

    def _names(self, name: str) -> Sequence[str]:
        """Return the names of interfaces that a name stands for, the one whose turn it is first."""
        name = self._aliases.get(name, name)
        return (name,) if name in self._by_name else self._turns.get(name, ())

    def _next(self, names: Iterable[str], family: Family | None) -> Interface | None:
        """Return the first interface of these names and this family, if possible one with free ports."""
        full = None
        for name in names:
            # The first address of a family is the one to use; the others are for ICE.
            for interface in self._by_name[name]:
                if family in (None, interface.family):
                    if interface.pool.in_use < interface.pool.size:
                        return interface
                    full = full or interface
                    break
        return full
