"""What changes when the configuration is read again."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import frozen

from .settings import Settings, needs_restart, option_name


@frozen
class Change:
    """One setting that is not what it was.

    Attributes:
        name: the attribute of Settings.
        needs_restart: whether it waits for the next start; otherwise it holds for new calls at once.
    """

    name: str
    old: object
    new: object
    needs_restart: bool

    def __str__(self) -> str:
        when = "after a restart" if self.needs_restart else "for new calls"
        return f"{option_name(self.name)}: {_shown(self.old)} -> {_shown(self.new)} {when}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ";".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def differences(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return what differs, in the order of the settings."""
    return tuple(
        Change(name, getattr(old, name), getattr(new, name), needs_restart(name))
        for name in attrs.fields_dict(Settings)
        if getattr(old, name) != getattr(new, name)
    )


def in_force(old: Settings, new: Settings) -> Settings:
    """Return what holds after a reload: `new`, but `old` wherever a restart is needed."""
    applied: dict[str, Any] = {it.name: it.new for it in differences(old, new) if not it.needs_restart}
    return attrs.evolve(old, **applied)
