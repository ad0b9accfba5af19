"""What a stream knows of the kernel's road, which may not be there at all."""

from __future__ import annotations

import typing


class Promotion(typing.Protocol):
    """A stream's packets on the kernel's road, or the chance of it."""

    @property
    def is_active(self) -> bool:
        """Whether the kernel has them now."""

    def reconsider(self) -> None:
        """Take them back if the stream would now do something else with them."""

    def came_up(self) -> None:
        """Take them back because one of their source has come to the socket."""

    def failed(self) -> None:
        """Take them back because the network says that they do not get there."""

    def catch_up(self) -> None:
        """Add to the stream's own figures what the kernel has counted."""

    def close(self) -> None:
        """Take them back for good."""
