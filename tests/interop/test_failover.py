"""Two nodes in one failover set: what the death of one does to calls."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from karl_trio.endpoint import Endpoint

from .calls import Parties, parties
from .kamailio import DISABLED_FOR, kamailio
from .nodes import NODE_IS_RTPENGINE, MediaNode, media_node
from .phones import Phone

pytestmark = pytest.mark.interop

CALLS = 6
PACKETS = 25

# Kamailio counts time in whole seconds.
KAMAILIO_TICK = 1.0


@pytest.fixture
async def other_node(tmp_path: Path) -> AsyncIterator[MediaNode]:
    async with media_node(tmp_path / "other_node.log") as other_node:
        yield other_node


@pytest.fixture
async def proxy(node: MediaNode, other_node: MediaNode, tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with kamailio([node, other_node], tmp_path) as sip:
        yield sip


async def answered_media(call: Parties) -> dict[Phone, Endpoint]:
    """Where each caller was told to send its media."""
    return {phone: (await call.calling.event("answered", phone)).media for phone in call.callers}


async def converse(media: dict[Phone, Endpoint]) -> None:
    """Let the callers talk to where they were told, all at once, until the echo has come back."""

    async def talk_and_hear(phone: Phone, to: Endpoint) -> None:
        await phone.talk(to, PACKETS)
        await phone.hear(len(phone.sent))

    async with trio.open_nursery() as nursery:
        for phone, to in media.items():
            nursery.start_soon(talk_and_hear, phone, to)


async def hang_up(call: Parties) -> None:
    for phone in call.callers:
        await call.calling.press((await call.calling.event("answered", phone)).call_id)
    await call.finish()


async def test_calls_go_on_through_the_node_that_is_left(
    node: MediaNode, other_node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    # Kamailio picks the node by the Call-ID, so the numbers at its end spread these calls over both.
    async with parties(proxy, tmp_path, calls=CALLS, per_second=50, name="before") as before:
        media = await answered_media(before)
        on_node = {phone: to for phone, to in media.items() if to in node.endpoints}
        on_other = {phone: to for phone, to in media.items() if to in other_node.endpoints}
        assert on_node
        assert on_other
        assert len(on_node) + len(on_other) == CALLS
        await converse(media)

        node.kill()

        async with parties(proxy, tmp_path, calls=CALLS, per_second=50, name="after") as after:
            media = await answered_media(after)
            assert set(media.values()) <= other_node.endpoints
            await converse(media | on_other)
            await hang_up(after)
        # The calls whose media is gone can still be hung up.
        await hang_up(before)
    await other_node.becomes_idle()


async def test_a_node_that_comes_back_gets_calls_again(
    node: MediaNode, other_node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    node.kill()
    async with parties(proxy, tmp_path, calls=CALLS, per_second=50, name="without") as call:
        assert set((await answered_media(call)).values()) <= other_node.endpoints
        await hang_up(call)

    async with media_node(tmp_path / "revived.log", in_place_of=node) as revived:
        # Kamailio asks a disabled node again with the first new call after this time.
        await trio.sleep(DISABLED_FOR + KAMAILIO_TICK)
        async with parties(proxy, tmp_path, calls=CALLS, per_second=50, name="with") as call:
            media = await answered_media(call)
            assert revived.endpoints.intersection(media.values())
            await converse(media)
            await hang_up(call)
        await revived.becomes_idle()


async def test_what_is_too_much_for_one_node_goes_to_the_other(tmp_path: Path) -> None:
    async with (
        media_node(tmp_path / "full.log", options=["--max-sessions=1"]) as full,
        media_node(tmp_path / "roomy.log") as roomy,
        kamailio([full, roomy], tmp_path) as proxy,
        parties(proxy, tmp_path, calls=CALLS, per_second=50) as call,
    ):
        media = await answered_media(call)
        assert len(await full.calls()) == 1
        assert len(await roomy.calls()) == CALLS - 1
        await converse(media)
        await hang_up(call)


@pytest.mark.skipif(NODE_IS_RTPENGINE, reason="rtpengine does not take a new session limit on SIGHUP")
async def test_a_node_can_be_drained_without_losing_a_call(tmp_path: Path) -> None:
    settings = tmp_path / "karl-trio.toml"
    settings.write_text("")
    async with (
        media_node(tmp_path / "drained.log", options=[f"--config={settings}"]) as drained,
        media_node(tmp_path / "other.log") as other,
        kamailio([drained, other], tmp_path) as proxy,
        parties(proxy, tmp_path, calls=CALLS, per_second=50, name="before") as before,
    ):
        media = await answered_media(before)
        assert await drained.calls()

        settings.write_text("max-sessions = 0")
        drained.process.send_signal(signal.SIGHUP)
        await drained.says("max-sessions: -1 -> 0")

        async with parties(proxy, tmp_path, calls=CALLS, per_second=50, name="after") as after:
            new_media = await answered_media(after)
            assert set(new_media.values()) <= other.endpoints
            await converse(media | new_media)
            await hang_up(after)
        await hang_up(before)
        await drained.becomes_idle()


async def test_without_any_node_the_caller_hears_503(
    node: MediaNode, other_node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    node.kill()
    other_node.kill()
    async with parties(proxy, tmp_path, caller="caller_turned_away") as call:
        await call.calling.finish()
