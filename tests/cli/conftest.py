import socket
import threading

import pytest

from karl_trio.cli.main import main
from karl_trio.ng import framing


class FakeNode:
    """A node in a thread of its own, for the commands run trio themselves; `replies` are by command."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.name = "{}:{}".format(*self.socket.getsockname())
        self.replies = {"ping": {"result": "pong"}}
        self.requests = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            datagram, peer = self.socket.recvfrom(65535)
            if not datagram:
                return
            message = framing.parse(datagram)
            self.requests.append(message.body)
            reply = self.replies.get(message.body["command"], {"result": "ok"})
            if callable(reply):
                reply = reply(message.body)
            if reply is not None:
                self.socket.sendto(framing.frame(message.cookie, reply), peer)

    def stop(self) -> None:
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.fixture
def node():
    fake = FakeNode()
    yield fake
    fake.stop()


@pytest.fixture
def closed_address():
    """An address where nobody listens; the socket keeps others from taking it meanwhile."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sock.bind(("127.0.0.1", 0))
        sink.bind(("127.0.0.1", 0))
        # Connected to another address, it takes nothing from the client.
        sock.connect(sink.getsockname())
        yield "{}:{}".format(*sock.getsockname())


@pytest.fixture
def karl_trio(capsys, monkeypatch):
    """Run a command line; returns its exit status and the lines on standard output and standard error."""
    monkeypatch.delenv("KARL_TRIO_NODE", raising=False)
    monkeypatch.delenv("KARL_TRIO_CONFIG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return (status, *capsys.readouterr())

    return run
