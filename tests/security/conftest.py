"""The real daemon, phones and attackers, each on a loopback address of its own.

Time is Trio's mock clock, which jumps as soon as nothing is left to be done, so a call of many seconds takes
a moment, and every packet on its way is dealt with before time goes on. The sockets are real.
"""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from karl_trio.client import NgClient
from karl_trio.config import Settings
from karl_trio.server import app
from karl_trio.server.kernel import Unavailable, try_kernel_road

from .hosts import Attacker, Phone

# No timeouts: with this clock, a test that waits for something would soon run into them.
SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    interface=("127.0.0.1",),
    port_min=26000,
    port_max=26031,
    port_rest=0.0,
    timeout=0.0,
    silent_timeout=0.0,
    offer_timeout=0.0,
)


@pytest.fixture(params=["userspace", "kernel"])
def road(request):
    """Every attack is made twice: on calls that may be promoted to the kernel's road, and on others."""
    return "off" if request.param == "userspace" else request.getfixturevalue("kernel_road")


@pytest.fixture
def kernel_road():
    """The setting that has calls promoted."""
    try:
        try_kernel_road()
    except Unavailable as error:
        pytest.skip(f"no kernel road: {error}")
    return "require"


@pytest.fixture
def start(nursery, road):
    """Start a daemon on loopback, with some settings changed."""

    async def start(**changes):
        assert isinstance(trio.lowlevel.current_clock(), MockClock), "the test has to ask for autojump_clock"
        return await nursery.start(app.serve, evolve(SETTINGS, kernel_forwarding=road, **changes))

    return start


@pytest.fixture
async def daemon(start):
    return await start()


@pytest.fixture
async def client(daemon):
    """A SIP proxy that is connected to the daemon."""
    async with NgClient(daemon.ng_addresses) as connected:
        yield connected


@pytest.fixture
def hosts():
    """Phones and attackers, by what they are called in the tests."""
    made = []

    def make(kind, address):
        made.append(kind(address))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def alice(hosts):
    return hosts(Phone, "127.0.1.1")


@pytest.fixture
def bob(hosts):
    return hosts(Phone, "127.0.2.1")


@pytest.fixture
def mallory(hosts):
    """A third host, which can send to every port and knows nothing of the call."""
    return hosts(Attacker, "127.0.66.6")
