"""A client at the other end of a connection, without a network."""

from __future__ import annotations

import math

import trio
from attrs import define, field
from trio.testing import memory_stream_pair

from karl_trio.endpoint import Endpoint
from karl_trio.server.hangup import HangUp
from karl_trio.server.streams import Connection

SOURCE = Endpoint("192.0.2.10", 40000)


@define(eq=False)
class Served:
    """A client of a connection that is being served.

    Attributes:
        reason: why it was hung up on, or None.
        ended: set when the connection is no longer served.
        patience: seconds that it waits for what it expects.
    """

    stream: trio.abc.Stream
    _server_end: trio.StapledStream
    reason: object = None
    ended: trio.Event = field(factory=trio.Event)
    patience: float = 5.0

    async def send(self, octets):
        await self.stream.send_all(octets)

    def arrive(self, octets):
        """Let octets arrive without anything else happening meanwhile."""
        self._server_end.receive_stream.put_data(octets)

    async def receive(self):
        """What comes next, in one piece."""
        with trio.fail_after(self.patience):
            return bytes(await self.stream.receive_some())

    async def rest(self):
        """All that comes until the server closes."""
        received = b""
        with trio.fail_after(100):
            async for octets in self.stream:
                received += octets
            await self.ended.wait()
        return received

    async def end(self):
        """Say that nothing more will be asked, and return all that comes."""
        await self.stream.send_eof()
        return await self.rest()


class Unread:
    """A stream whose other end takes no more than so many octets."""

    def __init__(self, stream, octets):
        self._stream = stream
        self._room = octets

    def __getattr__(self, name):
        return getattr(self._stream, name)

    async def send_all(self, octets):
        if len(octets) > self._room:
            await trio.sleep_forever()
        self._room -= len(octets)
        await self._stream.send_all(octets)


class Bystander:
    """Somebody, like the relay of media, who wants to be let in between: the turns that he got."""

    def __init__(self, nursery):
        self.turns = 0
        nursery.start_soon(self._count)

    async def _count(self):
        while True:
            self.turns += 1
            await trio.lowlevel.checkpoint()


def serve_on(nursery, dispatcher, protocol, *, unread=math.inf):
    """Serve a new connection, and return the client's end of it.

    Args:
        unread: octets that the client lets through before it stops reading.
    """
    ours, theirs = memory_stream_pair()
    served = Served(theirs, ours)

    async def serve():
        try:
            await protocol(Connection(Unread(ours, unread), SOURCE, dispatcher))
        except* HangUp as hangups:
            (served.reason,) = {error.reason for error in _leaves(hangups)}
        except* trio.BrokenResourceError:
            pass
        finally:
            served.ended.set()
            await trio.aclose_forcefully(ours)

    nursery.start_soon(serve)
    return served


def _leaves(group):
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
