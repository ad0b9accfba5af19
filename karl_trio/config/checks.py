"""What makes settings of the right types still unusable."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from .addresses import InterfaceSettings, parse_interface, parse_listen, parse_network
from .settings import Settings

LOWEST_PORT = 1
HIGHEST_PORT = 65535

HIGHEST_TOS = 255
"""One octet, in IPv4's TOS and in IPv6's traffic class alike."""

_DURATIONS = ("port_rest", "timeout", "silent_timeout", "offer_timeout", "final_timeout", "delete_delay")


@frozen
class Fault:
    """Something wrong with a setting.

    Attributes:
        names: the settings that it comes from, the one to be blamed first.
        what: what is wrong, for a person.
    """

    names: tuple[str, ...]
    what: str


def check(settings: Settings) -> Iterator[Fault]:
    """Tell everything that is out of range or contradicts itself."""
    yield from _check_listen("listen_ng", settings.listen_ng)
    if not settings.listen_ng:
        yield Fault(("listen_ng",), "expected at least one address, or nothing could control the calls")
    yield from _check_listen("listen_http", settings.listen_http)
    yield from _check_networks("control_allow", settings.control_allow)
    yield from _check_interfaces(settings.interface)
    yield from _check_ports(settings)
    for name in _DURATIONS:
        if getattr(settings, name) < 0:
            yield Fault((name,), f"expected 0 or more seconds, got {getattr(settings, name):g}")
    if settings.max_sessions < -1:
        yield Fault(("max_sessions",), f"expected -1 or more, got {settings.max_sessions}")
    for name in ("tos", "control_tos"):
        if not 0 <= getattr(settings, name) <= HIGHEST_TOS:
            yield Fault((name,), f"expected 0 to {HIGHEST_TOS}, got {getattr(settings, name)}")


def _check_listen(name: str, addresses: tuple[str, ...]) -> Iterator[Fault]:
    seen = set()
    for text in addresses:
        try:
            endpoint = parse_listen(text)
        except ValueError as error:
            yield Fault((name,), f"'{text}': {error}")
            continue
        if endpoint in seen:
            yield Fault((name,), f"{endpoint} is there twice")
        seen.add(endpoint)


def _check_networks(name: str, networks: tuple[str, ...]) -> Iterator[Fault]:
    if not networks:
        yield Fault((name,), "expected at least one, or nobody could control the calls")
    for text in networks:
        try:
            parse_network(text)
        except ValueError as error:
            yield Fault((name,), f"'{text}': {error}")


def _check_interfaces(interfaces: tuple[str, ...]) -> Iterator[Fault]:
    seen: set[tuple[str, str]] = set()
    for text in interfaces:
        try:
            interface: InterfaceSettings = parse_interface(text)
        except ValueError as error:
            yield Fault(("interface",), f"'{text}': {error}")
            continue
        # Several addresses to a name are meant, and one address may be advertised differently
        # under two names; only the same of both says nothing.
        if (interface.name, interface.address) in seen:
            yield Fault(("interface",), f"{interface.name}/{interface.address} is there twice")
        seen.add((interface.name, interface.address))


def _check_ports(settings: Settings) -> Iterator[Fault]:
    low, high = settings.port_min, settings.port_max
    in_range = True
    for name, port in (("port_min", low), ("port_max", high)):
        if not LOWEST_PORT <= port <= HIGHEST_PORT:
            in_range = False
            yield Fault((name,), f"expected a port from {LOWEST_PORT} to {HIGHEST_PORT}, got {port}")
    if not in_range:
        return
    if low >= high:
        yield Fault(("port_min", "port_max"), f"expected less than port-max, got {low} and {high}")
    elif low + low % 2 + 1 > high:
        yield Fault(("port_min", "port_max"), f"no even port with an odd one above it from {low} to {high}")
