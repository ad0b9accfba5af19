"""What makes settings of the right types still unusable."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from karl_trio.ng.templates import parse_template

from .addresses import parse_listen, parse_network
from .interfaces import InterfaceAlias, InterfaceSettings, PortRange, base_of, parse_interface
from .settings import Settings

LOWEST_PORT = 1
HIGHEST_PORT = 65535

HIGHEST_TOS = 255
"""One octet, in IPv4's TOS and in IPv6's traffic class alike."""

_LISTENERS = ("listen_ng", "listen_tcp_ng", "listen_http", "listen_https")

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
    for name in _LISTENERS:
        yield from _check_listen(name, getattr(settings, name))
    if not any(getattr(settings, name) for name in _LISTENERS):
        yield Fault(("listen_ng",), "expected at least one address, or nothing could control the calls")
    if settings.listen_https and not (settings.https_cert or settings.https_key):
        yield Fault(("listen_https", "https_cert"), "expected https-cert to be set as well")
    yield from _check_networks("control_allow", settings.control_allow)
    yield from _check_interfaces(settings)
    yield from _check_ports(settings)
    yield from _check_templates(settings.templates)
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


def _check_templates(lines: tuple[str, ...]) -> Iterator[Fault]:
    names = set()
    for line in lines:
        try:
            name, _ = parse_template(line)
        except ValueError as error:
            yield Fault(("templates",), f"'{line.partition('=')[0]}': {error}")
            continue
        if name in names:
            yield Fault(("templates",), f"{name} is there twice")
        names.add(name)


def _check_interfaces(settings: Settings) -> Iterator[Fault]:
    interfaces: list[InterfaceSettings] = []
    aliases: list[InterfaceAlias] = []
    for text in settings.interface:
        try:
            parsed = parse_interface(text)
        except ValueError as error:
            yield Fault(("interface",), f"'{text}': {error}")
            continue
        if isinstance(parsed, InterfaceAlias):
            aliases.append(parsed)
            continue
        # Several addresses to a name are meant, and one address may be advertised differently
        # under two names; only the same of both says nothing.
        if any((parsed.name, parsed.address) == (other.name, other.address) for other in interfaces):
            yield Fault(("interface",), f"{parsed.name}/{parsed.address} is there twice")
        interfaces.append(parsed)
        if parsed.ports is not None:
            yield from _check_range("interface", f"'{text}': ", parsed.ports)
    yield from _check_shared_ranges(interfaces, PortRange(settings.port_min, settings.port_max))
    names = {interface.name for interface in interfaces}
    known = names | {base for name in names if (base := base_of(name)) is not None}
    for alias in aliases:
        if alias.of not in known:
            yield Fault(("interface",), f"{alias.name}={alias.of}: there is no interface {alias.of}")
        if alias.name in known:
            yield Fault(("interface",), f"{alias.name}={alias.of}: {alias.name} is an interface")


def _check_shared_ranges(interfaces: list[InterfaceSettings], for_all: PortRange) -> Iterator[Fault]:
    """Refuse two ranges of one address that overlap: each would find ports of the other taken."""
    ranges: dict[str, list[PortRange]] = {}
    for interface in interfaces:
        own = interface.ports or for_all
        others = ranges.setdefault(interface.address, [])
        if own in others:
            continue
        for other in others:
            if own.low <= other.high and other.low <= own.high:
                yield Fault(("interface",), f"{interface.address} has ports {other} and {own}, which overlap")
        others.append(own)


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
    elif not _has_pair(low, high):
        yield Fault(("port_min", "port_max"), f"no even port with an odd one above it from {low} to {high}")


def _check_range(name: str, prefix: str, ports: PortRange) -> Iterator[Fault]:
    if not LOWEST_PORT <= ports.low < ports.high <= HIGHEST_PORT:
        what = f"expected a range of ports from {LOWEST_PORT} to {HIGHEST_PORT}, got {ports}"
        yield Fault((name,), prefix + what)
    elif not _has_pair(ports.low, ports.high):
        yield Fault((name,), f"{prefix}no even port with an odd one above it in {ports}")


def _has_pair(low: int, high: int) -> bool:
    return low + low % 2 + 1 <= high
