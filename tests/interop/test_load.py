"""Fifty calls, ten more every second, each with its own media: not a packet may be missing at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from karl_trio.endpoint import Endpoint

from .calls import Parties, assert_relayed, parties
from .nodes import MediaNode
from .phones import Phone

pytestmark = pytest.mark.interop

CALLS = 50
CALLS_PER_SECOND = 10
PACKETS = 100


async def hold_conversation(call: Parties, caller: Phone) -> None:
    answered = await call.calling.event("answered", caller)
    await caller.talk(answered.media, PACKETS)
    await caller.hear(PACKETS)
    await call.calling.press(answered.call_id)


async def test_fifty_calls_at_ten_a_second_lose_nothing(
    node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    async with parties(proxy, tmp_path, calls=CALLS, per_second=CALLS_PER_SECOND) as call:
        async with trio.open_nursery() as nursery:
            for caller in call.callers:
                nursery.start_soon(hold_conversation, call, caller)
        await call.finish()

        # An echo tells which callee a caller talked to: the payloads of two callers are never the same.
        callees = {callee.received[0]: callee for callee in call.callees}
        for caller in call.callers:
            assert_relayed(caller, callees[caller.sent[0]], node.endpoints)
    await node.becomes_idle()
