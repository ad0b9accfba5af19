"""Finding the highest load that is still carried."""

from __future__ import annotations

from collections.abc import Callable


def highest_held(
    is_held: Callable[[int], bool], first: int, limit: int, *, ramp: float, tolerance: float
) -> int | None:
    """Return the highest load for which `is_held` is true, or None if it is for none tried.

    The load grows by the factor `ramp` until one is not held (or shrinks until one is), then the
    gap between the two is halved, on a logarithmic scale, until its bounds differ by no more than
    the factor 1 + `tolerance`.

    Args:
        first: the load to begin with.
        limit: the highest load that can be made at all.
    """
    held, lost, load = None, None, min(first, limit)
    while held is None or lost is None:
        if is_held(load):
            held = load
            if load == limit:
                return held
        else:
            lost = load
            if load == 1:
                return held
        if held is None:
            load = max(1, int(load / ramp))
        elif lost is None:
            load = min(limit, max(held + 1, int(load * ramp)))
    while lost > held + 1 and lost / held > 1 + tolerance:
        load = max(held + 1, min(lost - 1, round((held * lost) ** 0.5)))
        if is_held(load):
            held = load
        else:
            lost = load
    return held
