"""What commands ask to be done to the media of a call on its way."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from attrs import define, field, frozen

from .leg import Leg


class Control(Enum):
    """One thing that can be done to media, in the words of `query`."""

    BLOCK_MEDIA = "blocked media"
    """RTP is dropped, all but DTMF events."""

    SILENCE_MEDIA = "silenced media"
    """Audio is replaced by silence."""

    BLOCK_DTMF = "blocked DTMF"
    """DTMF events (RFC 4733) are dropped."""


@frozen
class Reach:
    """Which media is meant: what one leg sends to another. None stands for whoever there is, now or later."""

    source: Leg | None = None
    listener: Leg | None = None


WHOLE_CALL = Reach()


@define(eq=False)
class Controls:
    """What is being done to the media of a call, and to which of it.

    It belongs to legs and not to streams, so it outlives re-INVITEs, new ports and new branches.
    """

    _active: dict[Control, set[Reach]] = field(factory=dict, init=False)

    @property
    def are_idle(self) -> bool:
        """Whether nothing is being done; so it is with nearly every call."""
        return not any(self._active.values())

    def impose(self, control: Control, reaches: Iterable[Reach]) -> None:
        self._active.setdefault(control, set()).update(reaches)

    def lift(self, control: Control, reaches: Iterable[Reach]) -> None:
        """End what was imposed on exactly these."""
        self._active.get(control, set()).difference_update(reaches)

    def lift_everywhere(self, control: Control) -> None:
        self._active.pop(control, None)

    def reaches(self, control: Control) -> frozenset[Reach]:
        """Return everything that a control is imposed on."""
        return frozenset(self._active.get(control, ()))

    def on(self, source: Leg, listener: Leg) -> frozenset[Control]:
        """Return what is done to that which one leg sends to another."""
        if not self._active:
            return frozenset()
        meant = (Reach(source, listener), Reach(source), Reach(None, listener), WHOLE_CALL)
        return frozenset(
            control for control, reaches in self._active.items() if not reaches.isdisjoint(meant)
        )

    def forget(self, leg: Leg) -> None:
        """Take note that a leg is gone."""
        for reaches in self._active.values():
            reaches.difference_update([reach for reach in reaches if leg in (reach.source, reach.listener)])

    def absorb(self, other: Controls) -> None:
        """Take over what is done to the media of a call that becomes part of this one.

        What was meant for that whole call holds for this whole one: better too much than too little.
        """
        for control, reaches in other._active.items():
            self.impose(control, reaches)

    def clear(self) -> None:
        self._active.clear()
