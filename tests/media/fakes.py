"""Ports without sockets, and the wire between them and a phone."""

from __future__ import annotations

from collections import deque
from random import Random

from karl_trio.endpoint import Endpoint
from karl_trio.media.latch import Latch
from karl_trio.media.relay import Component, Stream


class FakeSocket:
    """What a stream needs of a socket: an inbox, and a list of what was sent."""

    def __init__(self):
        self.inbox = deque()
        self.sent = []
        self.failure = None

    def recvfrom_into(self, buffer):
        if not self.inbox:
            raise BlockingIOError
        datagram, source = self.inbox.popleft()
        if isinstance(datagram, OSError):
            raise datagram
        buffer[: len(datagram)] = datagram
        return len(datagram), source

    def sendto(self, datagram, destination):
        if self.failure is not None:
            raise self.failure
        self.sent.append((bytes(datagram), destination))
        return len(datagram)


class FakePort:
    """A media port that is bound to nothing."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.socket = FakeSocket()
        self.twin = None
        self.is_closed = False

    def fileno(self):
        return 2 * self.endpoint.port

    def open_twin(self, peer):
        self.twin = FakeTwin(self, peer)
        return self.twin

    def close_twin(self):
        self.twin = None

    def close(self, now):
        self.is_closed = True


class FakeTwin(FakeSocket):
    """A second socket of a port, which gets the packets of its peer; what it sends counts as the port's."""

    def __init__(self, port, peer):
        super().__init__()
        self.port, self.peer = port, peer

    def fileno(self):
        return self.port.fileno() + 1

    def recv_into(self, buffer):
        return self.recvfrom_into(buffer)[0]

    def send(self, datagram):
        return self.port.socket.sendto(datagram, self.peer.sockaddr)


class FakePoller:
    """Remembers who reads what."""

    def __init__(self):
        self.receivers = {}

    def attach(self, fd, receive, *, beside):
        assert beside != fd
        self.receivers[fd] = receive

    def detach(self, fd):
        self.receivers.pop(fd, None)


class Wire:
    """Carries datagrams from a phone to a stream, losing, repeating and delaying some of them."""

    def __init__(self, stream, *, seed=0, loss=0.0, duplication=0.0, reordering=0.0):
        self.stream = stream
        self.random = Random(seed)
        self.loss, self.duplication, self.reordering = loss, duplication, reordering
        self.delivered = []
        self._late = None

    def carry(self, datagram, source, now):
        """Bring a datagram to the stream, or not."""
        if self.random.random() < self.loss:
            return
        copies = 2 if self.random.random() < self.duplication else 1
        if self._late is None and self.random.random() < self.reordering:
            self._late = (datagram, source)
            return
        for _ in range(copies):
            self._deliver(datagram, source, now)
        if self._late is not None:
            late, self._late = self._late, None
            self._deliver(*late, now)

    def _deliver(self, datagram, source, now):
        self.delivered.append(datagram)
        deliver(self.stream, datagram, source, now)


def make_stream(port, *, phone=None, component=Component.RTP, now=0.0, **options):
    """A stream on a fake port of 192.0.2.1, whose leg advertised the endpoint `phone`."""
    latch = Latch(follows=component is Component.RTCP)
    latch.reopen(phone, now)
    return Stream(
        port=FakePort(Endpoint("192.0.2.1", port)),
        component=component,
        latch=latch,
        last_user_packet=now,
        poller=FakePoller(),
        **options,
    )


def deliver(stream, datagram, source, now=0.0):
    """Let a datagram arrive at a stream, at the socket that the kernel would choose."""
    twin = stream.port.twin
    if twin is not None and twin.peer == source:
        twin.inbox.append((datagram, source.sockaddr))
        stream.poller.receivers[twin.fileno()](now)
    else:
        stream.port.socket.inbox.append((datagram, source.sockaddr))
        stream.receive(now)


def sent_by(stream):
    """What left from a stream's port: datagrams and where to."""
    return [
        (datagram, Endpoint.from_sockaddr(destination)) for datagram, destination in stream.port.socket.sent
    ]


def rtp(sequence, *, timestamp=None, ssrc=0x1234, payload_type=0, marker=False, payload=b"\xd5" * 160):
    """An RTP packet (RFC 3550, 5.1)."""
    timestamp = sequence * 160 if timestamp is None else timestamp
    return (
        bytes([0x80, payload_type | marker << 7])
        + (sequence & 0xFFFF).to_bytes(2)
        + (timestamp & 0xFFFFFFFF).to_bytes(4)
        + ssrc.to_bytes(4)
        + payload
    )


def receiver_report(ssrc=0x1234):
    """An empty RTCP receiver report with the SDES that has to follow it (RFC 3550, 6.1)."""
    sdes = b"\x81\xca\x00\x03" + ssrc.to_bytes(4) + b"\x01\x02ab\x00\x00\x00\x00"
    return b"\x80\xc9\x00\x01" + ssrc.to_bytes(4) + sdes
