"""A call table on loopback, and requests to it as a SIP proxy sends them."""

from __future__ import annotations

from random import Random

import pytest

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings, parse_interfaces
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.poller import Poller

from .bundles import Phones
from .phones import Phone
from .proxy import Proxy

PORTS = range(24000, 24400)


def make_interfaces(*specs, low=PORTS.start, high=PORTS.stop - 1, **options):
    interfaces, aliases = parse_interfaces(specs)
    return Interfaces.build(
        interfaces, aliases=aliases, low=low, high=high, rest=5.0, random=Random(1), **options
    )


@pytest.fixture
def interfaces():
    return make_interfaces("127.0.0.1")


@pytest.fixture
async def calls(nursery, interfaces):
    table = CallTable(settings=Settings(), interfaces=interfaces, poller=Poller())
    await nursery.start(table.serve)
    nursery.start_soon(table.poller.run)
    return table


@pytest.fixture
def proxy(calls):
    return Proxy(calls)


@pytest.fixture
def phones():
    made = []

    def make(**options):
        made.append(Phone(**options))
        return made[-1]

    yield make
    for phone in made:
        phone.close()


@pytest.fixture
def pair(phones):
    return Phones(phones)
