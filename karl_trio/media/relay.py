"""The userspace road of a packet: from one stream's socket to its sinks.

Theory of operation. A stream is one RTP or RTCP flow (or, for media that is neither, one flow of
datagrams) between us and a leg, on a socket of its own. Every datagram passes, in this order:
demultiplex (RFC 7983), source check, count, learn, send to each sink. What the datagram is and where it
comes from is settled before anything is remembered of it, so that a stranger can change nothing
(SECURITY: A1 to A5). A sink is another stream, or something that stands before one: whatever is to happen
to packets on their way to one leg only, and costs the others nothing.

There are two receivers. `receive` is complete and always right. Once a source is believed, a stream opens
a twin: a second socket on the same port, connected to that source. The kernel then checks the source
itself, and knows the route; strangers still arrive at the port's own socket, where they are counted, and
where a phone that has moved can be learned. `receive_connected` reads the twin, and does no more than it
must for the packet that almost every packet is: RTP like the one before it.

Where it is permitted, the kernel takes such packets off the socket altogether (media/kernel); the socket goes
on receiving all others. A stream that is promoted to that road asks to be taken back as soon as it would do
anything else with a packet.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from enum import IntEnum

import trio
from attrs import define, field

from karl_trio.endpoint import Endpoint, SockAddr
from karl_trio.errors import Malformed
from karl_trio.rtp.demux import Protocol, classify
from karl_trio.rtp.reception import Reception
from karl_trio.rtp.rtcp import check_compound
from karl_trio.rtp.tally import PACKET

from .figures import Figures
from .latch import Latch
from .poller import Poller
from .ports import Port
from .promotion import Promotion
from .sinks import Datagram, Sink

MAX_DATAGRAM = 65_536
"""No UDP datagram is longer, so none is cut short on the way in."""

USUAL_SIZE = 1_600
"""A view of each size up to this is kept ready; larger than any datagram on an Ethernet."""

MOST_WAITING = 256
"""Datagrams taken from a twin that is opened or closed: about what a socket's queue holds of RTP."""

RTP_HEADER = 12
"""Octets of the fixed RTP header (RFC 3550, 5.1)."""

COMFORT_NOISE = 13
"""The static payload type of comfort noise (RFC 3551, table 4)."""

NO_MARKER = 0xFF7F
"""Of the first 16 bits of an RTP header, all but the marker: they seldom change within a stream."""

# One buffer for all streams: a datagram is done with before the next one is read.
_buffer = bytearray(MAX_DATAGRAM)
_whole = memoryview(_buffer)
_views = [_whole[:size] for size in range(USUAL_SIZE + 1)]
unpack_header = struct.Struct("!HHII").unpack_from


def _no_twin(_: bytearray) -> int:
    raise AssertionError("there is no twin")


class Component(IntEnum):
    """Which flow of a media a stream carries (RFC 8445, 4)."""

    RTP = 1
    RTCP = 2


@define(eq=False)
class Stream(Figures):
    """One flow between us and a leg: where its packets come from, where they go, and what was counted.

    Attributes:
        port: our socket; the stream owns it and closes it when its relay ends.
        shares_port: it is an RTCP stream on the port of its RTP stream, which owns it: the leg has two ports,
            but was told one of ours.
        component: RTP or RTCP.
        latch: which source is believed, and where packets for this leg are sent.
        payload_types: those that were ever named between the leg and its peers; empty while any will do.
        clock_rates: RTP clock rates in Hz by payload type, from the leg's SDP.
        is_opaque: the media is not RTP (T.38, application): datagrams are passed on unread.
        is_secure: the packets are encrypted end to end: RTCP can be checked up to its first header
            only, and DTLS is passed between the confirmed ends.
        is_muxed: RTCP arrives here too (RFC 5761).
        sinks: what gets the packets that arrive here.
        rtcp_sinks: what gets the RTCP that arrives here.
        aimed: told when packets for the leg go to another address.
        is_muted: none is sent to the leg, for they would come back (`circles`).
        companion: the RTCP stream of an RTP stream: it believes the host that RTP was learned from.
        poller: what reads the stream's sockets, while its relay runs.
        promotion: of the packets that arrive here, once there was a chance of it; `feeds` are those of
            other streams whose packets the kernel sends from here.
        payload_type: of the newest RTP packet from the leg, -1 before one.
    """

    port: Port
    component: Component
    latch: Latch
    payload_types: frozenset[int] = frozenset()
    clock_rates: dict[int, int] = field(factory=dict)
    is_opaque: bool = False
    is_secure: bool = False
    is_muxed: bool = False
    shares_port: bool = False
    _sinks: tuple[Sink, ...] = field(default=(), repr=False)
    rtcp_sinks: tuple[Sink, ...] = field(default=(), repr=False)
    aimed: Callable[[Stream], None] | None = field(default=None, repr=False)
    is_muted: bool = field(default=False, init=False)
    companion: Stream | None = field(default=None, repr=False)
    poller: Poller | None = None
    promotion: Promotion | None = None
    feeds: list[Promotion] = field(factory=list)
    payload_type: int = field(default=-1, init=False)
    # What the packet after an accepted one usually looks like.
    _reception: Reception = field(default=Reception(-1), init=False)
    _ssrc: int = field(default=-1, init=False)
    _word: int = field(default=-1, init=False)
    _is_doubtful: bool = field(default=True, init=False)
    # The latch's destination when circles were last looked for, and where packets really go.
    _aimed_at: Endpoint | None = field(default=None, init=False)
    _destination: SockAddr | None = field(default=None, init=False)
    # The twin, whom it is or should be connected to, and its methods.
    _twin: socket.socket | None = field(default=None, init=False)
    _peer: SockAddr | None = field(default=None, init=False)
    _recv_into: Callable[[bytearray], int] = field(default=_no_twin, init=False)
    _twin_send: Callable[[Datagram], int] | None = field(default=None, init=False)
    # How packets for the leg leave: by the twin if they go to its peer.
    _send: Callable[[Datagram], int] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Take over what the latch knows; to be called after every change of it."""
        latch, companion = self.latch, self.companion
        destination = latch.destination
        if destination is not self._aimed_at and destination != self._aimed_at:
            self._aimed_at = destination
            if self.aimed is not None:
                self.aimed(self)
        self._destination = None if destination is None or self.is_muted else destination.sockaddr
        # While somebody else is on trial, the latch has to see every packet; and one of a stream that the
        # kernel relays is here for a reason.
        self._is_doubtful = latch.trusted is None or (self.promotion is not None and self.promotion.is_active)
        if self.promotion is not None or self.feeds:
            self.reconsider()
        self._send = self._twin_send if self._destination == self._peer else None
        if companion is None or latch.source is None:
            return
        if companion.latch.required_host != latch.source.address:
            companion.latch.required_host = latch.source.address
            companion.refresh()

    def mute(self, *, is_muted: bool) -> None:
        """Send nothing more to the leg, or send again."""
        self.is_muted = is_muted
        self.refresh()

    def reconsider(self) -> None:
        """Let the kernel go on only with packets that would be relayed as it does."""
        if self.promotion is not None:
            self.promotion.reconsider()
        for promotion in tuple(self.feeds):
            promotion.reconsider()

    def catch_up(self) -> None:
        """Bring the figures up to date with what the kernel has relayed."""
        if self.promotion is not None:
            self.promotion.catch_up()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        return self._sinks

    @sinks.setter
    def sinks(self, sinks: tuple[Sink, ...]) -> None:
        self._sinks = sinks
        self.reconsider()

    @property
    def has_twin(self) -> bool:
        """Whether the packets of the believed source have a socket of their own."""
        return self._twin is not None

    @property
    def source_reception(self) -> Reception:
        """The figures of the RTP source that the newest packet was of."""
        return self._reception

    def receive_connected(self, now: float) -> None:
        """Relay one datagram of the twin."""
        # Called through a local name: as a method of self it would be looked up anew for each packet.
        recv_into = self._recv_into
        try:
            size = recv_into(_buffer)
        except OSError as error:
            self._drop_unread(error)
            return
        word, sequence, timestamp, ssrc = unpack_header(_buffer)
        if word & NO_MARKER != self._word or ssrc != self._ssrc or size < RTP_HEADER or self._is_doubtful:
            assert self._peer is not None, "there is no twin"
            self._deal(size, self._peer, now)
            self.settle_twin(now)
            return
        self.last_user_packet = now
        self._reception.packet(sequence, timestamp, size, now)
        datagram = _views[size] if size <= USUAL_SIZE else _whole[:size]
        for sink in self._sinks:
            sink.send(datagram)

    def receive(self, now: float) -> None:
        """Relay one datagram of whatever kind, from wherever."""
        try:
            size, source = self.port.socket.recvfrom_into(_buffer)
        except OSError as error:
            self._drop_unread(error)
            return
        self._deal(size, source, now)
        self.settle_twin(now)

    def settle_twin(self, now: float) -> None:
        """Open, move or close the twin, if who is believed is not whom it is connected to.

        Whatever came to it meanwhile is dealt with, so nothing is lost; but it uses the buffer, and must not
        be called while a datagram is being dealt with.
        """
        source = self.latch.source
        peer = None if source is None or not self._can_have_twin else source.sockaddr
        if peer == self._peer or self.poller is None:
            return
        self.close_twin(now)
        self._peer = peer
        twin = None if source is None or peer is None else self.port.open_twin(source)
        if twin is not None:
            # Packets of strangers may have come before it was connected. If there are more than can be dealt
            # with now, or one of them made somebody else believed, it must not be taken for the peer's own.
            if self._empty(twin, now) and self.latch.source == source:
                self._twin, self._recv_into, self._twin_send = twin, twin.recv_into, twin.send
                self.poller.attach(twin.fileno(), self.receive_connected, beside=self.port.fileno())
            else:
                self.port.close_twin()
        self.refresh()

    def empty_twin(self, now: float) -> bool:
        """Deal with what waits in the twin; return whether that was all."""
        if self._twin is None:
            return False
        was_all = self._empty(self._twin, now)
        self.settle_twin(now)
        return was_all and self._twin is not None

    def mark(self, tos: int, now: float) -> None:
        """Mark what is sent from here with a type of service; like `settle_twin`, it uses the buffer."""
        self.port.set_tos(tos)
        if self._twin is not None:
            # It was marked when it was opened.
            self.close_twin(now)
            self.settle_twin(now)

    def close_twin(self, now: float) -> None:
        """Go on with the port's own socket alone."""
        twin, self._twin, self._peer = self._twin, None, None
        self._send = self._twin_send = None
        if twin is not None:
            if self.poller is not None:
                self.poller.detach(twin.fileno())
            self._empty(twin, now)
            self.port.close_twin()

    @property
    def _can_have_twin(self) -> bool:
        return self.component is Component.RTP and not self.is_opaque

    def _empty(self, twin: socket.socket, now: float) -> bool:
        """Deal with what waits in a twin; return whether that was all."""
        for _ in range(MOST_WAITING):
            try:
                size, source = twin.recvfrom_into(_buffer)
            except BlockingIOError:
                return True
            except OSError as error:
                # An ICMP error: it comes before the datagrams that wait, and there may be some.
                self._drop_unread(error)
            else:
                self._deal(size, source, now)
        return False

    def send(self, datagram: Datagram) -> None:
        """Send a datagram to the leg; one that cannot be sent is counted and forgotten."""
        send = self._send
        try:
            if send is not None:
                size = send(datagram)
            elif self._destination is not None:
                size = self.port.socket.sendto(datagram, self._destination)
            else:
                self.drop_unsent("circle" if self.is_muted else "no_destination")
                return
        except OSError as error:
            self._send_again(datagram, error)
        else:
            self.tally_out += PACKET + size

    def _send_again(self, datagram: Datagram, error: OSError) -> None:
        if self._send is not None and not isinstance(error, BlockingIOError):
            # Most likely not about this datagram, which did not leave: an ICMP error said something of an
            # earlier one. Anybody can forge one, and must not silence the leg by it.
            try:
                self.tally_out += PACKET + self._send(datagram)
            except OSError as again:
                error = again
            else:
                return
        self.drop_unsent("send_queue_full" if isinstance(error, BlockingIOError) else "send_failed")

    def _deal(self, size: int, sockaddr: SockAddr, now: float) -> None:
        source = Endpoint.from_sockaddr(sockaddr)
        if self.is_opaque:
            if size == 0:
                self.drop("empty")
            elif not self._accept(source, 0, 0, now):
                self.drop("foreign_source")
            else:
                self._pass_on_other(size, now, self.sinks)
            return
        protocol = classify(_buffer[0], _buffer[1]) if size >= 2 else Protocol.UNKNOWN
        if protocol is Protocol.RTP and self.component is Component.RTP:
            self._deal_rtp(size, source, now)
        elif protocol is Protocol.RTCP:
            self._deal_rtcp(size, source, now)
        elif protocol is Protocol.DTLS and self.is_secure:
            self._deal_dtls(size, source, now)
        else:
            self.drop(protocol.name.lower())

    def _deal_rtp(self, size: int, source: Endpoint, now: float) -> None:
        if size < RTP_HEADER:
            self.drop("too_short")
            return
        word, sequence, timestamp, ssrc = unpack_header(_buffer)
        payload_type = word & 0x7F
        if not self._accept(source, ssrc, payload_type, now):
            self.drop("foreign_source")
            return
        if not self._is_known(payload_type):
            # It shows that the leg is there, which is all that a keepalive is for (RFC 6263, 4.6). Nobody can
            # make anything of it: whoever listens ignores what was not negotiated (RFC 3550, 5.1; A3).
            self.last_user_packet = now
            self.drop("unknown_payload_type")
            return
        if self.promotion is not None and source == self.latch.source:
            self.promotion.came_up()
        if ssrc != self._ssrc or payload_type != self.payload_type:
            self._expect(ssrc, payload_type)
        self._word = word & NO_MARKER
        self._reception.packet(sequence, timestamp, size, now)
        self._pass_on(size, now, self.sinks)

    def _is_known(self, payload_type: int) -> bool:
        """Whether packets of a payload type are passed on."""
        known = self.payload_types
        # Comfort noise has a type of its own, which not every phone that sends it names (RFC 3389, 4).
        return not known or payload_type in known or payload_type == COMFORT_NOISE or not self.latch.strict

    def _deal_rtcp(self, size: int, source: Endpoint, now: float) -> None:
        rtcp = self.companion
        if rtcp is not None and rtcp.shares_port:
            rtcp._deal_rtcp(size, source, now)
            return
        # Checked to its last octet before it can teach us anything (A2).
        try:
            check_compound(_whole[:size], is_encrypted=self.is_secure)
        except Malformed:
            self.drop("malformed_rtcp")
            return
        if self.component is Component.RTCP:
            accepted = self._accept(source, 0, 0, now)
        else:
            # On the RTP port only RTP teaches; RTCP has to come from where RTP comes from.
            accepted = self.latch.allows(source)
        if not accepted:
            self.drop("foreign_source")
            return
        self._pass_on_other(size, now, self.rtcp_sinks)

    def _deal_dtls(self, size: int, source: Endpoint, now: float) -> None:
        if not self.latch.allows(source):
            self.drop("foreign_source")
            return
        self._pass_on_other(size, now, self.sinks)

    def _accept(self, source: Endpoint, ssrc: int, payload_type: int, now: float) -> bool:
        accepted = self.latch.packet(source, ssrc, payload_type, now)
        self.refresh()
        return accepted

    def _expect(self, ssrc: int, payload_type: int) -> None:
        """Take note that RTP now comes from this source, in this payload type."""
        self._reception = self.receptions.select(ssrc)
        self._ssrc, self.payload_type = ssrc, payload_type
        clock_rate = self.clock_rates.get(payload_type)
        if clock_rate is not None:
            self._reception.clock_rate = clock_rate

    def _pass_on_other(self, size: int, now: float, sinks: tuple[Sink, ...]) -> None:
        self._tally_other += PACKET + size
        self._pass_on(size, now, sinks)

    def _pass_on(self, size: int, now: float, sinks: tuple[Sink, ...]) -> None:
        self.last_user_packet = now
        datagram = _whole[:size]
        for sink in sinks:
            sink.send(datagram)

    def _drop_unread(self, error: OSError) -> None:
        # BlockingIOError: the kernel found a bad checksum after it had said that the socket is readable.
        if not isinstance(error, BlockingIOError):
            # It may be about what the kernel sent from here, and userspace would find another way.
            for promotion in tuple(self.feeds):
                promotion.failed()
        if isinstance(error, ConnectionRefusedError):
            self.drop("refused_by_peer")
        elif not isinstance(error, BlockingIOError):
            self.drop("receive_failed")


async def relay(stream: Stream, poller: Poller) -> None:
    """Relay a stream's packets until cancelled, then close its port, if it has one of its own."""
    stream.poller = poller
    try:
        if stream.shares_port:
            await trio.sleep_forever()
        await poller.serve(stream.port.fileno(), stream.receive)
    finally:
        now = trio.current_time()
        for promotion in tuple(stream.feeds):
            promotion.failed()
        if stream.promotion is not None:
            stream.promotion.close()
        stream.close_twin(now)
        if not stream.shares_port:
            stream.port.close(now)
        # Streams refer to each other in circles, which only a full garbage collection would find.
        stream.sinks = stream.rtcp_sinks = ()
        stream.companion = stream.poller = stream.promotion = stream.aimed = None
