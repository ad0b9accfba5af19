"""Media that would come back to us for ever (SECURITY A17).

Theory of operation. An SDP may name a port of ours: calls that pass through us twice do, and must work. But
where a stream sends to such a port, what arrives there goes on to other streams, and if that comes back to
the first one, a single packet goes round until the call ends, as fast as the processor lets it. A stream for
which that is so is muted: what it would send is counted and forgotten. Nobody misses it, for everybody in a
circle is one of us.

It is worked out again for the streams of a call when their sinks change, and for one whose destination is
learned, so no circle is ever closed unseen. One may be opened by a call that no muted stream belongs to; that
is looked for once a second, or whoever sets up many circles would be felt at each request.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from karl_trio.endpoint import Endpoint

from .relay import Stream


@define(eq=False)
class Circles:
    """All streams with the endpoints that they are reached under, and where what arrives at them goes on."""

    _streams: dict[Endpoint, Stream] = field(factory=dict, init=False)
    _endpoints: dict[Stream, tuple[Endpoint, ...]] = field(factory=dict, init=False)
    _leads_to: dict[Stream, frozenset[Stream]] = field(factory=dict, init=False)
    _muted: set[Stream] = field(factory=set, init=False)
    # Every address of ours that was ever seen: there are few, and most destinations are at none of them.
    _addresses: set[str] = field(factory=set, init=False)

    def add(self, stream: Stream, advertised: Endpoint) -> None:
        """Take in a stream.

        Args:
            advertised: what SDP calls its port, which may differ from what we do.
        """
        stream.aimed = self._settle_one
        # What shares a port is reached through the stream that has it.
        endpoints = () if stream.shares_port else (stream.port.endpoint, advertised)
        self._endpoints[stream] = endpoints
        for endpoint in endpoints:
            self._streams[endpoint] = stream
            self._addresses.add(endpoint.address)

    def remove(self, stream: Stream) -> None:
        """Take note that a stream has ended."""
        for endpoint in self._endpoints.pop(stream):
            # The port may belong to another stream by now.
            if self._streams.get(endpoint) is stream:
                del self._streams[endpoint]
        self._leads_to.pop(stream, None)
        self._muted.discard(stream)

    def lead(self, stream: Stream, onward: frozenset[Stream]) -> None:
        """Take note of where what arrives at a stream goes on; to be followed by `settle`."""
        self._leads_to[stream] = onward

    def settle(self, streams: Iterable[Stream]) -> None:
        """Mute those of some streams that are in a circle, and no longer those that are in none."""
        for stream in streams:
            is_muted = self._comes_back(stream)
            if is_muted == stream.is_muted:
                continue
            if is_muted:
                self._muted.add(stream)
            else:
                self._muted.remove(stream)
            stream.mute(is_muted=is_muted)

    def look_again(self) -> None:
        """Let those send again whose circle was opened elsewhere, by another call or by its end."""
        self.settle(tuple(self._muted))

    def _settle_one(self, stream: Stream) -> None:
        self.settle((stream,))

    def _comes_back(self, stream: Stream) -> bool:
        """Whether what a stream sends would be sent by it again."""
        if self._reached_by(stream) is None:
            return False
        seen: set[Stream] = set()
        pending = [stream]
        while pending:
            reached = self._reached_by(pending.pop())
            if reached is None or reached in seen:
                continue
            seen.add(reached)
            onward = self._leads_to.get(reached, frozenset())
            if stream in onward:
                return True
            pending.extend(onward)
        return False

    def _reached_by(self, stream: Stream) -> Stream | None:
        destination = stream.latch.destination
        if destination is None or destination.address not in self._addresses:
            return None
        return self._streams.get(destination)
