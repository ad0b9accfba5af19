"""Settings: what can be set, where it is read from, and what a reload changes."""

from __future__ import annotations

from karl_trio.errors import ConfigError

from .addresses import Network, address_towards, parse_listen, parse_network, primary_address
from .changes import Change, differences, in_force
from .interfaces import (
    InterfaceAlias,
    InterfaceSettings,
    PortRange,
    base_of,
    parse_interface,
    parse_interfaces,
)
from .loading import load
from .settings import Learning, LogFormat, LogLevel, Settings, descriptions, without_effect

__all__ = [
    "Change",
    "ConfigError",
    "InterfaceAlias",
    "InterfaceSettings",
    "Learning",
    "LogFormat",
    "LogLevel",
    "Network",
    "PortRange",
    "Settings",
    "address_towards",
    "base_of",
    "descriptions",
    "differences",
    "in_force",
    "load",
    "parse_interface",
    "parse_interfaces",
    "parse_listen",
    "parse_network",
    "primary_address",
    "without_effect",
]
