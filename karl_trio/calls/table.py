"""The calls in progress."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator

import trio
from attrs import define, field

from karl_trio import logs
from karl_trio.config import Settings
from karl_trio.errors import SessionLimitReached, UnknownCall
from karl_trio.media.circles import Circles
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.poller import Poller

from .call import Call, EndReason
from .piercing import pierce
from .rates import Rates
from .totals import Totals

log = logging.getLogger(__name__)


@define(eq=False, kw_only=True)
class CallTable:
    """The calls in progress, by call-id; `serve` is the task that they live under.

    Attributes:
        settings: those for new calls; replaced as a whole when they are read again.
        totals: what was counted of calls that have ended.
        rates: what the stats task last measured.
        loop_mark: what `loop-protect` puts into SDP to recognise it by (12 hexadecimal digits).
        sweep_seconds: how long the reaper's last sweep kept the processor.
    """

    interfaces: Interfaces
    poller: Poller = field(repr=False)
    settings: Settings = field(factory=Settings)
    totals: Totals = field(factory=Totals, init=False)
    rates: Rates = field(factory=Rates, init=False)
    sweep_seconds: float = field(default=0.0, init=False)
    loop_mark: str = field(factory=lambda: secrets.token_hex(6))
    circles: Circles = field(factory=Circles, init=False, repr=False)
    _calls: dict[str, Call] = field(factory=dict, init=False, repr=False)
    # Calls that were made of two, by their further call-ids.
    _aliases: dict[str, Call] = field(factory=dict, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    def get(self, call_id: str) -> Call | None:
        """Return a call, or None when there is none of that call-id."""
        return self._calls.get(call_id) or self._aliases.get(call_id)

    def find(self, call_id: str) -> Call:
        """Return a call.

        Raises:
            UnknownCall: there is none of that call-id.
        """
        call = self.get(call_id)
        if call is None:
            raise UnknownCall(call_id)
        return call

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the calls until cancelled, which ends them all."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def admit(self, *, is_dry_run: bool = False) -> None:
        """Check that there is room for one more call.

        Args:
            is_dry_run: nobody is really turned away, and so it is not counted.

        Raises:
            SessionLimitReached: there is not.
        """
        if 0 <= self.settings.max_sessions <= len(self):
            self.totals.rejected += not is_dry_run
            raise SessionLimitReached(f"{len(self)} calls")

    def open(self, call_id: str, now: float) -> Call:
        """Return the call of a call-id; if there was none, there is one from now on."""
        call = self.get(call_id)
        if call is not None:
            return call
        assert self._nursery is not None, "the table is not being served"
        wall = time.time()
        call = self._calls[call_id] = Call(
            call_id=call_id,
            created=wall,
            created_at=now,
            last_signal=wall,
            last_signal_at=now,
            poller=self.poller,
            circles=self.circles,
            count_closed=self.totals.count_closed,
            tos=self.settings.tos,
        )
        self._nursery.start_soon(self._keep, call)
        return call

    def merge(self, call: Call, other: Call) -> None:
        """Make one call of two: the first, which all call-ids mean from now on."""
        now = trio.current_time()
        call.absorb(other, now)
        pierce(call, other.pierces_until, now)
        del self._calls[other.call_id]
        for call_id in other.call_ids:
            call.aliases.append(call_id)
            self._aliases[call_id] = call
            log.info("call %s has become part of this one", call_id)

    def forget_unused(self, call: Call) -> None:
        """Let those of several call-ids mean a call no longer that no leg of it came in under."""
        used = {leg.call_id for leg in call.legs}
        for call_id in [alias for alias in call.aliases if alias not in used]:
            call.aliases.remove(call_id)
            del self._aliases[call_id]
        if call.call_id not in used and call.aliases:
            del self._calls[call.call_id]
            call.call_id = call.aliases.pop(0)
            self._calls[call.call_id] = self._aliases.pop(call.call_id)

    def end(self, call: Call, reason: EndReason, *, now: float, after: float = 0.0) -> None:
        """End a call after some seconds; with none, it is gone from the table at once."""
        call.end(reason, at=now + after)
        if after <= 0:
            self._remove(call)
            call.cancel()

    def end_all(self, now: float) -> None:
        """End every call because the daemon stops."""
        for call in list(self._calls.values()):
            self.end(call, EndReason.FORCED, now=now)

    def _remove(self, call: Call) -> None:
        # The call-id may belong to a newer call by the time an ended one is done.
        if self._calls.get(call.call_id) is call:
            del self._calls[call.call_id]
            for alias in call.aliases:
                del self._aliases[alias]
            self.totals.count_ended(call, trio.current_time())

    async def _keep(self, call: Call) -> None:
        logs.current_call_id.set(call.call_id)
        # The barrier: whatever goes wrong inside one call ends that call only. Cancelled is no
        # Exception, so stopping the daemon still gets through.
        try:
            await call.run()
        except Exception:
            log.exception("the call ended by an error")
            call.end_reason = EndReason.FAILED
            if call.absorbed_by is not None:
                self.end(call.absorbed_by, EndReason.FAILED, now=trio.current_time())
        finally:
            if call.absorbed_by is None:
                self._remove(call)
                reason = call.end_reason or EndReason.FORCED
                log.info("call ended: %s", reason.value)
            call.fall_apart()
