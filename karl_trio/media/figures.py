"""What is counted of a stream: what came from the leg, what was sent to it, and what went no further."""

from __future__ import annotations

from attrs import define, field

from karl_trio.rtp.reception import Receptions
from karl_trio.rtp.tally import octets_of, packets_of


@define(eq=False)
class Figures:
    """The figures of one stream. Either road of its packets adds to them.

    Attributes:
        last_user_packet: when a packet was last accepted in userspace, in seconds on Trio's clock; at first,
            when the stream was opened.
        last_kernel_packet: when the kernel last relayed one, if it ever did.
        receptions: what the RTP sources of the leg look like.
        tally_out: sent to the leg; `errors_out` could not be.
        errors: dropped or not sent against all wishes; `drops` says why, and counts what was withheld too.
        tally_kernel, tally_kernel_out: which part of the tallies the kernel's road has.
        queue_drops: datagrams that the kernel dropped because a queue of ours was full, as of the last
            look.
    """

    last_user_packet: float = field(kw_only=True)
    last_kernel_packet: float | None = field(default=None, init=False)
    receptions: Receptions = field(factory=Receptions, init=False)
    tally_out: int = field(default=0, init=False)
    tally_kernel: int = field(default=0, init=False)
    tally_kernel_out: int = field(default=0, init=False)
    errors: int = field(default=0, init=False)
    errors_out: int = field(default=0, init=False)
    queue_drops: int = field(default=0, init=False)
    drops: dict[str, int] = field(factory=dict, init=False)
    # Accepted packets that are no RTP; what is, the receptions count.
    _tally_other: int = field(default=0, init=False)

    @property
    def last_packet(self) -> float:
        """When a packet was last accepted, on whichever road."""
        by_kernel = self.last_kernel_packet
        return self.last_user_packet if by_kernel is None else max(by_kernel, self.last_user_packet)

    @property
    def tally(self) -> int:
        """Packets accepted from the leg, with their size as UDP payload."""
        return self._tally_other + self.receptions.tally

    @property
    def packets(self) -> int:
        return packets_of(self.tally)

    @property
    def octets(self) -> int:
        return octets_of(self.tally)

    @property
    def packets_out(self) -> int:
        return packets_of(self.tally_out)

    @property
    def octets_out(self) -> int:
        return octets_of(self.tally_out)

    def drop(self, reason: str) -> None:
        """Count a datagram that goes no further."""
        self.errors += 1
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def drop_unsent(self, reason: str, count: int = 1) -> None:
        """Count datagrams for the leg that could not be sent."""
        self.errors_out += count
        self.drops[reason] = self.drops.get(reason, 0) + count

    def withhold(self, reason: str) -> None:
        """Count a datagram that is not sent to the leg because somebody asked for that: no error."""
        self.drops[reason] = self.drops.get(reason, 0) + 1
