"""Two hosts, each a network namespace, with a daemon on one of them and phones on the other."""

from __future__ import annotations

import shutil

import pytest

from karl_trio.client import NgClient
from karl_trio.server import app
from karl_trio.server.kernel import Unavailable, try_kernel_road

from ..networks import Network
from .kernel_calls import OTHER_PHONES, OTHER_RELAY, PHONES, RELAY, SETTINGS, with_prefix


@pytest.fixture
def phones():
    """The namespace that the phones are in; everything else of the test is in the relay's."""
    if shutil.which("ip") is None:
        pytest.skip("needs ip (Debian: iproute2)")
    relay, phones = Network(), Network()
    relay.join("near", phones, "near-phones", with_prefix(RELAY), with_prefix(PHONES))
    relay.join("far", phones, "far-phones", with_prefix(OTHER_RELAY), with_prefix(OTHER_PHONES))
    with relay.entered():
        try:
            try_kernel_road()
        except Unavailable as error:
            pytest.skip(f"no kernel road: {error}")
        yield phones
    for network in (relay, phones):
        network.close()


@pytest.fixture
async def client(phones, nursery):
    """A SIP proxy, connected to a daemon that relays between the two sides."""
    daemon = await nursery.start(app.serve, SETTINGS)
    async with NgClient(daemon.ng_addresses) as connected:
        connected.calls = daemon.calls
        yield connected
