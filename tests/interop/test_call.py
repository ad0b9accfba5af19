"""A SIP call through Kamailio: whichever way it goes, media flows when it should and nothing is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from karl_trio.endpoint import Endpoint

from .calls import assert_relayed, parties
from .nodes import MediaNode
from .processes import LOOPBACK, free_ports

pytestmark = pytest.mark.interop


async def test_media_goes_both_ways_through_our_ports(
    node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    async with parties(proxy, tmp_path) as call:
        answered = await call.calling.event("answered", call.caller)
        assert answered.media in node.endpoints

        await call.caller.talk(answered.media, packets=100)
        await call.caller.hear(100)

        assert len(await node.calls()) == 1
        assert await node.packets_by_leg(answered.call_id) == {"caller1": 100, "callee1": 100}
        await call.calling.press(answered.call_id)
        await call.finish()
        assert_relayed(call.caller, call.callee, node.endpoints)
    await node.becomes_idle()


async def test_what_sipp_plays_is_echoed_by_sipp(node: MediaNode, proxy: Endpoint, tmp_path: Path) -> None:
    speech = bytes(range(160)) * 50
    (tmp_path / "speech.pcmu").write_bytes(speech)
    # SIPp takes a port for audio, one for video and the RTCP ports between.
    caller_media, callee_media = (["-mi", LOOPBACK, "-mp", str(free_ports(4)[0])] for _ in range(2))
    async with parties(
        proxy,
        tmp_path,
        caller="caller_plays",
        callee="callee_echoes",
        caller_options=caller_media,
        callee_options=[*callee_media, "-rtp_echo"],
    ) as call:
        answered = await call.calling.event("answered", call.caller)

        await node.relays(answered.call_id, packets=50)

        await call.calling.press(answered.call_id)
        await call.finish()
    await node.becomes_idle()


async def test_rtcp_goes_both_ways_beside_rtp(node: MediaNode, proxy: Endpoint, tmp_path: Path) -> None:
    async with parties(proxy, tmp_path) as call:
        answered = await call.calling.event("answered", call.caller)
        await call.caller.talk(answered.media, packets=10)

        report = await call.caller.report(answered.media)

        await call.caller.hear_report()
        assert call.callee.reports == call.caller.reports == [report]
        await call.calling.press(answered.call_id)
        await call.finish()


async def test_early_media_flows_before_the_call_is_answered(
    node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    async with parties(proxy, tmp_path, callee="callee_plays_early") as call:
        early = await call.calling.event("early", call.caller)
        await call.caller.talk(early.media, packets=25)
        await call.caller.hear(25)

        await call.called.press(early.call_id)

        answered = await call.calling.event("answered", call.caller)
        assert answered.media == early.media
        await call.caller.talk(answered.media, packets=25)
        await call.caller.hear(50)
        await call.calling.press(answered.call_id)
        await call.finish()
        assert_relayed(call.caller, call.callee, node.endpoints)
    await node.becomes_idle()


async def test_the_callee_can_hang_up(node: MediaNode, proxy: Endpoint, tmp_path: Path) -> None:
    async with parties(proxy, tmp_path, caller="caller_stays", callee="callee_hangs_up") as call:
        answered = await call.calling.event("answered", call.caller)
        await call.called.event("connected", call.callee)
        await call.caller.talk(answered.media, packets=25)
        await call.caller.hear(25)

        await call.called.press(answered.call_id)

        await call.finish()
        assert_relayed(call.caller, call.callee, node.endpoints)
    await node.becomes_idle()


async def test_a_cancelled_call_gives_its_ports_back(
    node: MediaNode, proxy: Endpoint, tmp_path: Path
) -> None:
    async with parties(proxy, tmp_path, caller="caller_cancels", callee="callee_cancelled") as call:
        ringing = await call.calling.event("ringing", call.caller)
        assert len(await node.calls()) == 1

        await call.calling.press(ringing.call_id)

        await call.finish()
    await node.becomes_idle()


async def test_a_busy_callee_costs_no_ports(node: MediaNode, proxy: Endpoint, tmp_path: Path) -> None:
    async with parties(proxy, tmp_path, caller="caller_refused", callee="callee_busy") as call:
        invited = await call.called.event("invited", call.callee)
        assert invited.media in node.endpoints

        await call.finish()
    await node.becomes_idle()


async def test_hold_and_resume(node: MediaNode, proxy: Endpoint, tmp_path: Path) -> None:
    async with parties(proxy, tmp_path, caller="caller_holds", callee="callee_held") as call:
        answered = await call.calling.event("answered", call.caller)
        await call.caller.talk(answered.media, packets=25)
        await call.caller.hear(25)

        await call.calling.press(answered.call_id)

        assert (await call.called.event("held", call.callee)).direction == "sendonly"
        assert (await call.calling.event("held", call.caller)).direction == "recvonly"
        await call.calling.press(answered.call_id)
        resumed = await call.calling.event("resumed", call.caller)
        assert (await call.called.event("resumed", call.callee)).direction == "sendrecv"
        assert resumed.media == answered.media

        await call.caller.talk(resumed.media, packets=25)
        await call.caller.hear(50)
        await call.calling.press(answered.call_id)
        await call.finish()
        assert_relayed(call.caller, call.callee, node.endpoints)
    await node.becomes_idle()
