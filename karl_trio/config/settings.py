"""Every setting, with its default and its meaning.

A setting's name is an NG or rtpengine option with underscores for hyphens. The line beside it is
the only description there is: the sample configuration, docs/configuration.md and the options of
`karl-trio serve` all say the same.
"""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import field, frozen

Learning = Literal["off", "immediate", "delayed", "heuristic"]
KernelForwarding = Literal["auto", "off", "require"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LogFormat = Literal["text", "json"]


def _about(line: str, *, restart: bool = False, effective: bool = True) -> dict[str, object]:
    """Describe a setting.

    Args:
        line: for the person who sets it, with the unit.
        restart: a reload cannot change it, since sockets are bound or logs made with it.
        effective: False while nothing acts on it yet.
    """
    return {"about": line, "restart": restart, "effective": effective}


@frozen(kw_only=True)
class Settings:
    """What the daemon runs with. Durations are in seconds."""

    listen_ng: tuple[str, ...] = field(
        default=("127.0.0.1:22222",),
        metadata=_about(
            "Where NG requests are taken over UDP: ADDRESS:PORT, [IPV6]:PORT, or PORT alone on 127.0.0.1.",
            restart=True,
        ),
    )
    listen_tcp_ng: tuple[str, ...] = field(
        default=(),
        metadata=_about("Where NG requests are taken over TCP, written as for listen-ng.", restart=True),
    )
    listen_http: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Where HTTP and WebSocket requests are taken, written as for listen-ng.", restart=True
        ),
    )
    listen_https: tuple[str, ...] = field(
        default=(),
        metadata=_about("Where they are taken over TLS; https-cert has to be there.", restart=True),
    )
    https_cert: str = field(
        default="",
        metadata=_about(
            "The PEM file with the certificate for HTTPS and those above it; read again at SIGHUP."
        ),
    )
    https_key: str = field(
        default="", metadata=_about("The PEM file with its key; if left out, https-cert has both.")
    )
    control_allow: tuple[str, ...] = field(
        default=("127.0.0.0/8", "::1"),
        metadata=_about(
            "Networks and addresses whose requests are obeyed; everybody else gets no answer at all."
        ),
    )
    interface: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Addresses for media, [NAME/]ADDRESS[!ADVERTISED][:LOW-HIGH] or ALIAS=NAME; "
            "none is the primary IPv4 address.",
            restart=True,
        ),
    )
    port_min: int = field(default=30000, metadata=_about("The lowest UDP port for media.", restart=True))
    port_max: int = field(default=40000, metadata=_about("The highest UDP port for media.", restart=True))
    port_rest: float = field(
        default=5.0,
        metadata=_about(
            "Seconds that a released media port is left alone, so that late packets reach no other call.",
            restart=True,
        ),
    )
    timeout: float = field(
        default=60.0, metadata=_about("Seconds without media after which a call ends; 0 is never.")
    )
    silent_timeout: float = field(
        default=3600.0,
        metadata=_about("Seconds without media after which a call on hold or muted ends; 0 is never."),
    )
    offer_timeout: float = field(
        default=3600.0,
        metadata=_about("Seconds after which a call ends whose offer was not answered; 0 is never."),
    )
    final_timeout: float = field(
        default=0.0, metadata=_about("Seconds after which every call ends, talking or not; 0 is never.")
    )
    delete_delay: float = field(
        default=0.0, metadata=_about("Seconds that media flows on after a delete that says nothing about it.")
    )
    max_sessions: int = field(
        default=-1, metadata=_about("The most calls at a time; -1 is as many as there are ports for.")
    )
    templates: tuple[str, ...] = field(
        default=(),
        metadata=_about("Sets of flags that requests name by `template`, NAME=FLAGS; best as a table."),
    )
    endpoint_learning: Learning = field(
        default="heuristic",
        metadata=_about(
            "How the address that media really comes from is learned: off, immediate, delayed or heuristic."
        ),
    )
    strict_source: bool = field(
        default=True,
        metadata=_about(
            "Whether media from other sources than the learned one is dropped, against injection."
        ),
    )
    kernel_forwarding: KernelForwarding = field(
        default="auto",
        metadata=_about(
            "Whether the kernel forwards media of settled calls: auto (where it can), off, or require.",
            restart=True,
        ),
    )
    tos: int = field(
        default=0,
        metadata=_about("The TOS or traffic class byte of media packets, 0 to 255; 184 is DSCP EF."),
    )
    control_tos: int = field(
        default=0, metadata=_about("The TOS or traffic class byte of NG replies, 0 to 255.")
    )
    log_level: LogLevel = field(
        default="info",
        metadata=_about("The least severe lines that are logged: debug, info, warning, error or critical."),
    )
    log_format: LogFormat = field(
        default="text", metadata=_about("How lines are logged: text or json.", restart=True)
    )
    recording_dir: str = field(
        default="", metadata=_about("The directory for recordings; has no effect yet.", effective=False)
    )


def option_name(name: str) -> str:
    """Return how files, options and messages spell the setting `name`."""
    return name.replace("_", "-")


def descriptions() -> dict[str, str]:
    """Return the line that describes each setting, by attribute name and in order."""
    return {attribute.name: attribute.metadata["about"] for attribute in attrs.fields(Settings)}


def needs_restart(name: str) -> bool:
    """Say whether a new value of the setting `name` waits for the next start."""
    return bool(attrs.fields_dict(Settings)[name].metadata["restart"])


def without_effect(settings: Settings) -> tuple[str, ...]:
    """Return the options that were set though nothing acts on them yet."""
    return tuple(
        option_name(attribute.name)
        for attribute in attrs.fields(Settings)
        if not attribute.metadata["effective"] and getattr(settings, attribute.name) != attribute.default
    )
