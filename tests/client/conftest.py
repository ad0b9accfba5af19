from collections.abc import Callable

import pytest
import trio
from attrs import define, field

from karl_trio.ng import framing

Body = dict[str, object]


@define(eq=False)
class FakeNode:
    """A node on a real loopback socket; it does what `respond` says, None being silence."""

    socket: trio.socket.SocketType
    respond: Callable[[Body], Body | None] = lambda body: {"result": "ok"}
    requests: list[framing.Message] = field(factory=list)
    times: list[float] = field(factory=list)

    @property
    def name(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    @property
    def commands(self) -> list[object]:
        return [request.body["command"] for request in self.requests]

    async def send(self, cookie: bytes, body: Body) -> None:
        await self.socket.sendto(framing.frame(cookie, body), self.peer)

    async def run(self) -> None:
        while True:
            datagram, self.peer = await self.socket.recvfrom(65535)
            message = framing.parse(datagram)
            self.requests.append(message)
            self.times.append(trio.current_time())
            reply = self.respond(message.body)
            if reply is not None:
                await self.send(message.cookie, reply)

    peer: object = None


@pytest.fixture
async def open_node(nursery):
    sockets = []

    async def opened(respond=None) -> FakeNode:
        sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        sockets.append(sock)
        await sock.bind(("127.0.0.1", 0))
        node = FakeNode(sock) if respond is None else FakeNode(sock, respond)
        nursery.start_soon(node.run)
        return node

    yield opened
    nursery.cancel_scope.cancel()
    for sock in sockets:
        sock.close()


@pytest.fixture
def clock(autojump_clock):
    """Time that jumps when everybody waits, with room for datagrams to cross the loopback interface."""
    autojump_clock.autojump_threshold = 0.01
    return autojump_clock
