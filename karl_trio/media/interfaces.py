"""The named local addresses that media is sent from and received at."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from random import Random
from typing import Protocol

from attrs import evolve, frozen

from karl_trio.endpoint import Endpoint, Family, family_of
from karl_trio.errors import InvalidParameters

from .ports import OpenSocket, PortPool, open_udp_socket


class InterfaceSpec(Protocol):
    """What the configuration says of one interface."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def advertised(self) -> str: ...


@frozen(eq=False)
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
    pool: PortPool

    @property
    def family(self) -> Family:
        return family_of(self.address)

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this host can reach it."""
        return ipaddress.ip_address(self.address).is_loopback


class Interfaces:
    """All interfaces in the order of the configuration; the first is the default one."""

    def __init__(self, interfaces: Iterable[Interface]) -> None:
        self._interfaces = tuple(interfaces)
        if not self._interfaces:
            raise ValueError("no interface")
        self._names = frozenset(interface.name for interface in self._interfaces)

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
    ) -> Interfaces:
        """Make interfaces and their port pools; those with the same local address share one pool.

        Args:
            specs: what is configured, the default interface first.
            low, high, rest, random, open_socket: as for `PortPool`.

        Raises:
            ValueError: there are no interfaces, or no pair of ports between `low` and `high`.
        """
        pools: dict[str, PortPool] = {}
        interfaces = []
        for spec in specs:
            pool = pools.get(spec.address)
            if pool is None:
                pool = PortPool(spec.address, low, high, rest=rest, random=random, open_socket=open_socket)
                pools[spec.address] = pool
            interfaces.append(Interface(spec.name, spec.address, spec.advertised, pool))
        return cls(interfaces)

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
        a network we do not have should still get its call through. `is_known` tells the difference.

        Args:
            name: the name asked for; None when none was.
            family: the address family needed; None when either will do.

        Raises:
            InvalidParameters: there is no interface of that family at all.
        """
        fallback = None
        for interface in self._interfaces:
            if family is None or interface.family == family:
                if name is None or interface.name == name:
                    return interface
                fallback = fallback or interface
        if fallback is None:
            raise InvalidParameters(f"no interface has an address of family {family}")
        return fallback

    def rehearsal(self) -> Interfaces:
        """Return the same interfaces with pools that hand out what these would, and leave these alone."""
        pools = {id(pool): pool.rehearsal() for pool in self.pools}
        return Interfaces(evolve(interface, pool=pools[id(interface.pool)]) for interface in self)

    def is_known(self, name: str) -> bool:
        """Whether an interface of this name is configured."""
        return name in self._names

    def has_open_port(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint, in the spelling of the kernel, is a media port of ours that is in use.

        What comes from there was sent by whoever is in the call.
        """
        return any(
            endpoint.address == interface.address and interface.pool.has_open(endpoint.port)
            for interface in self._interfaces
        )
