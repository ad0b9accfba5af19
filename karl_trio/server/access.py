"""Who may give commands: the networks of the SIP proxies, the same for every transport."""

from __future__ import annotations

import ipaddress
import logging
import math

import trio
from attrs import define, field

from karl_trio.config import Network, Settings, parse_network

from .counters import ControlCounters

log = logging.getLogger(__name__)

MOST_KNOWN = 256
"""Clients whose addresses were found to be admitted: far more than any site has SIP proxies. Beyond that the
same few microseconds are spent on each request again."""

LOG_EVERY = 60.0
"""Seconds between two lines about those who were refused. The first comes at once, for most often it is a
proxy that somebody forgot to admit; a flood of datagrams must not become a flood of lines."""


@define(eq=False)
class Access:
    """The list of those who are obeyed.

    Attributes:
        counters: where those are counted who are not.
    """

    counters: ControlCounters
    _networks: tuple[Network, ...]
    _admitted: set[str] = field(factory=set, init=False)
    _not_logged: int = field(default=0, init=False)
    _next_line: float = field(default=-math.inf, init=False)

    @classmethod
    def of(cls, settings: Settings, counters: ControlCounters) -> Access:
        return cls(counters, _networks(settings))

    @property
    def is_local(self) -> bool:
        """Whether programs on this host alone are obeyed."""
        return all(network.is_loopback for network in self._networks)

    def follow(self, settings: Settings) -> None:
        """Let the list of other settings hold from now on."""
        self._networks = _networks(settings)
        self._admitted.clear()

    def admits(self, address: str) -> bool:
        """Say whether a client is obeyed."""
        if address in self._admitted:
            return True
        client = ipaddress.ip_address(address)
        is_admitted = any(client in network for network in self._networks)
        if is_admitted and len(self._admitted) < MOST_KNOWN:
            self._admitted.add(address)
        return is_admitted

    def refuse(self, address: str) -> None:
        """Count a datagram or a connection of somebody who is not obeyed; no answer may go to him."""
        self.counters.not_allowed += 1
        self._not_logged += 1
        now = trio.current_time()
        if now >= self._next_line:
            log.warning(
                "%d requests or connections not answered, the last from %s, which is not in control-allow",
                self._not_logged,
                address,
            )
            self._not_logged = 0
            self._next_line = now + LOG_EVERY


def _networks(settings: Settings) -> tuple[Network, ...]:
    return tuple(map(parse_network, settings.control_allow))
