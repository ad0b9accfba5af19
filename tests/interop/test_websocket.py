"""The same call, with Kamailio asking its node over WebSocket."""

from __future__ import annotations

from pathlib import Path

import pytest

from karl_trio.endpoint import Endpoint

from .calls import assert_relayed, parties
from .kamailio import kamailio
from .nodes import media_node
from .processes import LOOPBACK, free_port

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def lwsc() -> None:
    """Skip without the module that Kamailio needs for it."""
    if not any(Path("/usr/lib").glob("*/kamailio/modules/lwsc.so")):
        pytest.skip("kamailio-lwsc-modules is not installed")


async def test_a_call_is_relayed_whose_requests_come_over_websocket(tmp_path: Path) -> None:
    http = Endpoint(LOOPBACK, free_port())
    over_websocket = {"KARL_TRIO_NODES": f'"ws://{http}"', "WITH_WEBSOCKET": "1"}
    async with (
        media_node(tmp_path / "node.log", options=[f"--listen-http={http}"]) as node,
        kamailio([node], tmp_path, **over_websocket) as proxy,
    ):
        async with parties(proxy, tmp_path) as call:
            answered = await call.calling.event("answered", call.caller)
            assert answered.media in node.endpoints
            await call.caller.talk(answered.media, packets=50)
            await call.caller.hear(50)
            await call.calling.press(answered.call_id)
            await call.finish()
            assert_relayed(call.caller, call.callee, node.endpoints)
        await node.becomes_idle()
