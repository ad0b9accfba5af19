"""Phones with real sockets."""

from __future__ import annotations

import socket

import trio

from karl_trio.endpoint import Endpoint


class Phone:
    """A UDP socket on loopback for RTP and one above it for RTCP."""

    def __init__(self, address="127.0.0.1"):
        self.rtp, self.rtcp = self._pair(address)
        self.endpoint = Endpoint(*self.rtp.getsockname())
        self.far_end = None

    @staticmethod
    def _pair(address):
        while True:
            first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            first.bind((address, 0))
            port = first.getsockname()[1]
            try:
                if port % 2:
                    raise OSError("odd")
                second.bind((address, port + 1))
            except OSError:
                first.close()
                second.close()
                continue
            first.setblocking(False)
            second.setblocking(False)
            return first, second

    def close(self):
        self.rtp.close()
        self.rtcp.close()

    def say(self, datagram, port):
        self.rtp.sendto(datagram, ("127.0.0.1", port))

    async def hear(self, wanted, sock=None):
        """Wait for so many datagrams; return them with the ports that they came from."""
        heard = []
        sock = sock or self.rtp
        with trio.move_on_after(5):
            while len(heard) < wanted:
                await trio.lowlevel.wait_readable(sock)
                datagram, source = sock.recvfrom(2048)
                heard.append((datagram, source[1]))
        return heard

    def everything(self):
        """Return what has come by now: each datagram with our end of it, and where it came from."""
        heard = []
        for sock in (self.rtp, self.rtcp):
            here = Endpoint(*sock.getsockname())
            try:
                while True:
                    datagram, source = sock.recvfrom(2048)
                    heard.append((here, datagram, source))
            except BlockingIOError:
                continue
        return heard

    def is_silent(self):
        for sock in (self.rtp, self.rtcp):
            try:
                sock.recvfrom(2048)
            except BlockingIOError:
                continue
            return False
        return True


class Phone6:
    """A UDP socket on the IPv6 loopback address, for RTP only."""

    def __enter__(self):
        self._socket = trio.socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket._sock.bind(("::1", 0))
        self.port = self._socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self._socket.close()

    async def say(self, datagram, port):
        await self._socket.sendto(datagram, ("::1", port))

    async def hear(self):
        with trio.fail_after(5):
            return await self._socket.recv(2048)
