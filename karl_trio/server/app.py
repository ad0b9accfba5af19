"""The daemon: the root nursery and what runs in it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from random import Random

import trio
from attrs import frozen

from karl_trio import logs
from karl_trio.calls.rates import measure
from karl_trio.calls.table import CallTable
from karl_trio.calls.timeouts import reap
from karl_trio.config import (
    InterfaceSettings,
    Settings,
    parse_interfaces,
    primary_address,
    without_effect,
)
from karl_trio.endpoint import Endpoint
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.poller import Poller
from karl_trio.media.ports import open_udp_socket
from karl_trio.ng.templates import parse_templates

from . import commands  # noqa: F401 - registers the handlers
from .access import Access
from .counters import ControlCounters
from .daemon import Daemon
from .dispatch import Dispatcher
from .kernel import kernel_road
from .listeners import Listeners, listening, warn_of_unreachable
from .notify import Notifier
from .process import collect_when_quiet, log_capacity, raise_open_file_limit, settle_memory
from .signals import Reload, obey_signals

log = logging.getLogger(__name__)

RESTART_AFTER = 1.0
"""Seconds before a task that failed is started again: the reaper and the statistics go by the second too."""


@frozen
class Served:
    """A server that is up.

    Attributes:
        listeners: where it takes requests, with the ports that the kernel chose.
        daemon: what its handlers work on.
    """

    listeners: Listeners
    daemon: Daemon

    @property
    def ng_addresses(self) -> tuple[Endpoint, ...]:
        """Where it takes NG requests over UDP."""
        return tuple(listener.endpoint for listener in self.listeners.ng)

    @property
    def calls(self) -> CallTable:
        return self.daemon.calls


async def serve(
    settings: Settings,
    *,
    reload: Reload | None = None,
    handle_signals: bool = False,
    task_status: trio.TaskStatus[Served] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a media proxy until cancelled or told to stop; its calls end and its ports close with it.

    Args:
        reload: reads the settings again at SIGHUP; without it there is nothing to read.
        handle_signals: the process is ours: obey SIGTERM, SIGINT and SIGHUP, and talk to a service manager.

    Raises:
        ListenError: an address to listen on is taken, or not ours.
        Unavailable: the kernel is required to forward, and cannot.
    """
    open_files = raise_open_file_limit()
    notifier = Notifier.from_environ() if handle_signals else Notifier()
    counters = ControlCounters()
    # Outside the nursery, which would wrap a failure of this in a group.
    access = Access.of(settings, counters)
    interfaces = _interfaces(settings)
    with listening(settings, access, open_files) as listeners, kernel_road(settings, interfaces) as kernel:
        calls = CallTable(settings=settings, interfaces=interfaces, poller=Poller())
        daemon = Daemon(calls, counters, started=trio.current_time())
        daemon.followers += [_follow_log_level, access.follow, *(listener.follow for listener in listeners)]
        dispatcher = Dispatcher(daemon, templates=parse_templates(settings.templates))
        daemon.followers.append(dispatcher.follow)
        async with trio.open_nursery() as nursery:
            await nursery.start(calls.serve)
            await nursery.start(dispatcher.run)
            nursery.start_soon(calls.poller.run)
            nursery.start_soon(_restarted, reap, calls)
            nursery.start_soon(_restarted, measure, calls, calls.totals, calls.rates, kernel)
            if kernel is not None:
                nursery.start_soon(_restarted, kernel.watch)
            nursery.start_soon(notifier.watchdog)
            for listener in listeners:
                nursery.start_soon(listener.serve, dispatcher)
            if listeners.tls is not None:
                daemon.followers.append(listeners.tls.follow)
                nursery.start_soon(listeners.tls.run)
            log.info("NG requests are taken %s", listeners)
            warn_of_unreachable(listeners, access)
            log_capacity(open_files, calls.interfaces)
            for option in without_effect(settings):
                log.warning("%s is set, but has no effect in this version", option)
            if handle_signals:
                settle_memory()
                nursery.start_soon(collect_when_quiet, calls)
                await nursery.start(obey_signals, daemon, notifier, reload, nursery.cancel_scope)
            notifier.ready(f"NG {listeners}")
            task_status.started(Served(listeners, daemon))
    log.info("stopped")


def _interfaces(settings: Settings) -> Interfaces:
    specs, aliases = parse_interfaces(settings.interface)
    if not specs:
        address = primary_address()
        specs = (InterfaceSettings("default", address, address),)
    for spec in specs:
        try:
            open_udp_socket(Endpoint(spec.address, 0)).close()
        except OSError as error:
            # No reason to give up: a floating address comes when this node takes over.
            log.warning("no media can be relayed at %s yet: %s", spec.address, error.strerror)
    return Interfaces.build(
        specs,
        aliases=aliases,
        low=settings.port_min,
        high=settings.port_max,
        rest=settings.port_rest,
        # Ports must be hard to guess, and a system call for each of 5000 would be felt at the start.
        random=Random(secrets.randbits(256)),  # noqa: S311 - seeded well enough for that
    )


def _follow_log_level(settings: Settings) -> None:
    logs.set_level(settings.log_level)


async def _restarted(task: Callable[..., Awaitable[object]], *args: object) -> None:
    """Run a task that looks after all calls; a fault in it is logged and must not end them."""
    while True:
        try:
            await task(*args)
        except Exception:
            log.exception("%s failed and is started again", task.__name__)
        await trio.sleep(RESTART_AFTER)
