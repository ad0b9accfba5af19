"""What the scenarios share: a karl-trio node, a Kamailio before it, and calls between two SIPp agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from karl_trio.endpoint import Endpoint

from .kamailio import kamailio
from .nodes import MediaNode, media_node
from .processes import need


@pytest.fixture(autouse=True)
def peers() -> None:
    """Skip, naming what is missing, before anything has been started."""
    for program in ("kamailio", "sipp"):
        need(program)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MediaNode]:
    async with media_node(tmp_path / "node.log") as node:
        yield node


@pytest.fixture
async def proxy(node: MediaNode, tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with kamailio([node], tmp_path) as sip:
        yield sip
