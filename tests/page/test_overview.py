"""`query`, `list`, `statistics` and `delete`: what they tell of media that really flowed."""

from __future__ import annotations

import time

import trio

from ..calls.proxy import sdp
from ..media.fakes import rtp
from .conftest import hears, port_in

SIZE = len(rtp(1))


async def talk(page, phones, packets=3, answers=2):
    """Place a call in which both phones say something."""
    alice, bob = phones
    for_alice, for_bob = await page.place_call(alice, bob)
    for sequence in range(packets):
        assert await hears(bob, alice, for_alice, sequence)
    for sequence in range(answers):
        assert await hears(alice, bob, for_bob, sequence)


async def test_query_tells_what_was_sent_and_received(page, phones):
    before = int(time.time())
    await talk(page, phones)
    reply = await page.ask("query", call_id="call")
    totals = reply["totals"]
    assert totals["RTP"] == {"packets": 5, "bytes": 5 * SIZE, "errors": 0}
    assert totals["RTCP"] == {"packets": 0, "bytes": 0, "errors": 0}
    assert totals["packets-received"] == totals["packets-sent"] == 5
    assert totals["bytes-received"] == totals["bytes-sent"] == 5 * SIZE
    assert before <= reply["created"] <= reply["last-signal"] <= time.time()
    assert reply["last-signal"] == reply["last signal"]
    assert set(reply["tags"]) == {"a", "b"}
    for tag, packets in (("a", 3), ("b", 2)):
        (media,) = reply["tags"][tag]["medias"]
        assert media["streams"][0]["stats"] == {"packets": packets, "bytes": packets * SIZE, "errors": 0}


async def test_query_of_an_unknown_call(page):
    reply = await page.ask("query", call_id="nobody")
    assert reply == {"result": "error", "error-reason": "Unknown call-id"}


async def test_list_names_each_call_with_its_tags_and_state(page, phones):
    await page.place_call(*phones)
    await page.ask("offer", call_id="ringing", from_tag="c", sdp=sdp(4000))
    first, second = (await page.ask("list"))["calls"]
    assert (first["call-id"], first["from-tag"], first["to-tag"]) == ("call", "a", "b")
    assert first["state"] == "active"
    assert (second["call-id"], second["from-tag"], second["state"]) == ("ringing", "c", "offered")
    assert "to-tag" not in second
    assert [call["call-id"] for call in (await page.ask("list", limit=1))["calls"]] == ["call"]


async def test_statistics_count_calls_and_packets_now_and_ever(page, phones):
    await talk(page, phones)
    await page.ask("offer", call_id="ringing", from_tag="c", sdp=sdp(4000))
    with trio.fail_after(5):
        # Packets are counted once a second.
        while (reply := await page.ask("statistics"))["totalstatistics"]["relayedpackets"] < 5:
            await trio.sleep(0.1)
    assert reply["sessions"] == reply["currentstatistics"]["sessionstotal"] == 2
    assert reply["totalstatistics"]["relayedpackets"] == 5
    assert reply["totalstatistics"]["relayedbytes"] == 5 * SIZE
    assert reply["uptime"] >= 1
    await page.ask("delete", call_id="call")
    await page.ask("delete", call_id="ringing")
    reply = await page.ask("statistics")
    assert reply["sessions"] == 0
    assert reply["totalstatistics"]["managedsessions"] == 2


async def test_delete_ends_the_call_and_its_media(page, phones):
    alice, bob = phones
    for_alice, _ = await page.place_call(alice, bob)
    assert await hears(bob, alice, for_alice)
    (pool, _) = page.served.calls.interfaces.pools
    assert pool.in_use
    assert "totals" in await page.ask("delete", call_id="call")
    assert (await page.ask("list"))["calls"] == []
    await trio.testing.wait_all_tasks_blocked()
    assert pool.in_use == 0


async def test_delete_of_one_branch_leaves_the_other_talking(page, phones):
    alice, bob = phones
    offer = {"call_id": "call", "from_tag": "a", "sdp": sdp(alice.endpoint.port)}
    await page.ask("offer", **offer, via_branch="z9hG4bK1")
    await page.ask("offer", **offer, via_branch="z9hG4bK2")
    answer = {"call_id": "call", "from_tag": "a"}
    answered = await page.ask(
        "answer", **answer, to_tag="b", via_branch="z9hG4bK1", sdp=sdp(bob.endpoint.port)
    )
    await page.ask("answer", **answer, to_tag="c", via_branch="z9hG4bK2", sdp=sdp(5000))
    await page.ask("delete", call_id="call", from_tag="a", to_tag="c", flags=["to-tag"])
    assert set((await page.ask("query", call_id="call"))["tags"]) == {"a", "b"}
    assert await hears(bob, alice, port_in(answered["sdp"]))


async def test_delete_obeys_its_flags(page, phones):
    await page.place_call(*phones)
    assert await page.ask("delete", call_id="call", from_tag="a", flags=["fast"]) == {}
    again = await page.ask("delete", call_id="call", from_tag="a")
    assert again == {"warning": "Call-ID not found or tags didn't match"}
    fatal = await page.ask("delete", call_id="call", from_tag="a", flags=["fatal"])
    assert fatal["result"] == "error"
