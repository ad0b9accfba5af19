"""At which interfaces the program runs."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable
from typing import Protocol

from attrs import define, field

from .clsact import Clsact
from .tcx import TcxLink

log = logging.getLogger(__name__)


class Attachment(Protocol):
    """The program at one interface."""

    def close(self) -> None: ...


@define(eq=False)
class Attachments:
    """Keeps a program at those interfaces at which packets for us come in.

    Attributes:
        program: its file descriptor.
    """

    program: int
    _attached: dict[int, Attachment] = field(factory=dict, init=False)
    _clsact: Clsact | None = field(default=None, init=False)

    @property
    def interfaces(self) -> frozenset[int]:
        """The indices of the interfaces that the program is at."""
        return frozenset(self._attached)

    def settle(self, wanted: Iterable[int]) -> None:
        """Attach the program where it is missing, and detach it where it is not wanted any more.

        Raises:
            OSError: nothing of the sort is permitted here.
        """
        wanted = set(wanted)
        for interface in self.interfaces - wanted:
            self._attached.pop(interface).close()
        for interface in sorted(wanted - self.interfaces):
            try:
                self._attached[interface] = self._attach(interface)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                # It is gone again; whoever told us that it is there will tell us that, too.
                log.debug("interface %d is gone", interface)

    def close(self) -> None:
        """Detach it everywhere; harmless when repeated."""
        self.settle(())
        if self._clsact is not None:
            self._clsact.close()
            self._clsact = None

    def _attach(self, interface: int) -> Attachment:
        if self._clsact is None:
            try:
                return TcxLink.attach(self.program, interface)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
            self._clsact = Clsact()
        return self._clsact.attach(self.program, interface)
