"""SIGTERM, SIGINT and SIGHUP, and what the last of them reads again."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

import trio

from karl_trio.config import Settings, differences, in_force
from karl_trio.errors import ConfigError

from .daemon import Daemon
from .notify import Notifier

log = logging.getLogger(__name__)

Reload = Callable[[], Settings]
"""Reads the settings again.

Raises:
    ConfigError: they cannot be used.
"""


async def obey_signals(
    daemon: Daemon,
    notifier: Notifier,
    reload: Reload | None,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Reload at each SIGHUP; at SIGTERM or SIGINT end all calls, then cancel `everything`."""
    one_at_a_time = trio.Lock()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
        async with trio.open_nursery() as reloads:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    # In a task of its own: a disk that hangs shall not keep us from stopping.
                    reloads.start_soon(_obey_hangup, daemon, notifier, reload, one_at_a_time)
                    continue
                log.info("%s: stopping, %d calls end", signal.Signals(number).name, len(daemon.calls))
                notifier.stopping()
                daemon.calls.end_all(trio.current_time())
                everything.cancel()
                return


async def _obey_hangup(
    daemon: Daemon, notifier: Notifier, reload: Reload | None, one_at_a_time: trio.Lock
) -> None:
    async with one_at_a_time:
        notifier.reloading()
        if reload is None:
            log.warning("SIGHUP: there is no configuration to read again")
        else:
            await reload_settings(daemon, reload)
        notifier.ready()


async def reload_settings(daemon: Daemon, reload: Reload) -> None:
    """Read the settings again and apply what can change; settings that cannot be used change nothing."""
    try:
        # In a thread: media shall not wait for the disk.
        new = await trio.to_thread.run_sync(reload, abandon_on_cancel=True)
    except ConfigError as error:
        for problem in error.problems:
            log.error("configuration not reloaded: %s", problem)  # noqa: TRY400 - the file is at fault
        return
    except Exception:
        log.exception("configuration not reloaded")
        return
    apply_settings(daemon, new)


def apply_settings(daemon: Daemon, new: Settings) -> None:
    """Let new settings hold for what starts from now on, and log each difference."""
    old = daemon.settings
    changes = differences(old, new)
    for change in changes:
        log.info("configuration: %s", change)
    if not changes:
        log.info("configuration read again: nothing changed")
    daemon.follow(in_force(old, new))
