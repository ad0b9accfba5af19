"""What the handlers of commands work on."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings

from .counters import ControlCounters


@define(eq=False)
class Daemon:
    """The running server, as a command handler sees it.

    Attributes:
        calls: the calls in progress, with all that is needed to make new ones.
        counters: what the control plane counts.
        started: when the server began, in seconds on Trio's clock.
        followers: called with the settings whenever other ones hold.
    """

    calls: CallTable
    counters: ControlCounters
    started: float
    followers: list[Callable[[Settings], None]] = field(factory=list)

    @property
    def settings(self) -> Settings:
        """The settings that hold for new calls."""
        return self.calls.settings

    def follow(self, settings: Settings) -> None:
        """Let other settings hold from now on."""
        self.calls.settings = settings
        for follower in self.followers:
            follower(settings)
