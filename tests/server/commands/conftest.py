"""A daemon, and a client that talks to its dispatcher without a network."""

import pytest

from karl_trio.config import Settings
from karl_trio.server import app
from karl_trio.server.dispatch import Dispatcher
from tests.server.conftest import Client

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), port_min=35100, port_max=35399, port_rest=0.0
)


@pytest.fixture
async def served(nursery):
    return await nursery.start(app.serve, SETTINGS)


@pytest.fixture
def client(served):
    return Client(Dispatcher(served.daemon))
