"""What waits for a client is bounded, in octets and in time, and nothing that is sent waits or raises."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_one_way_pair, wait_all_tasks_blocked

from karl_trio.server.counters import ControlCounters
from karl_trio.server.hangup import HangUp, Reason
from karl_trio.server.outbox import DRAIN_WITHIN, MAX_WAITING, SEND_WITHIN, outbox

from .streams import Unread

REPLY = bytes(100_000)


async def send_and_wait(box):
    box.send(REPLY)
    await trio.sleep_forever()


async def send_until_it_is_too_much(box):
    await wait_all_tasks_blocked()
    for _ in range(MAX_WAITING // len(REPLY) + 2):
        box.send(REPLY)
        await trio.lowlevel.checkpoint()
    await trio.sleep_forever()


async def test_a_client_that_asked_for_too_much_is_hung_up_on_before_its_time():
    """Replies that were worked on may all be ready at the same moment."""
    sending, _ = memory_stream_one_way_pair()
    counters = ControlCounters()
    with pytest.raises(ExceptionGroup) as caught:
        async with outbox(Unread(sending, 0), counters) as box:
            await send_until_it_is_too_much(box)
    (hang_up,) = caught.value.exceptions
    assert isinstance(hang_up, HangUp)
    assert hang_up.reason is Reason.SLOW_READER
    box.reply(b"too late")
    assert counters.unsent >= 1


async def test_one_reply_may_be_as_long_as_it_is():
    sending, receiving = memory_stream_one_way_pair()
    async with outbox(sending, ControlCounters()) as box:
        box.send(bytes(2 * MAX_WAITING))
    await sending.aclose()
    received = 0
    async for octets in receiving:
        received += len(octets)
    assert received == 2 * MAX_WAITING


async def test_a_client_that_reads_slowly_is_given_some_seconds(autojump_clock):
    sending, _ = memory_stream_one_way_pair()
    started = trio.current_time()
    with pytest.raises(ExceptionGroup):
        async with outbox(Unread(sending, 0), ControlCounters()) as box:
            await send_and_wait(box)
    assert trio.current_time() - started == SEND_WITHIN


async def test_a_request_that_is_never_answered_is_not_waited_for_without_end(autojump_clock):
    sending, _ = memory_stream_one_way_pair()
    started = trio.current_time()
    async with outbox(sending, ControlCounters()) as box:
        box.unanswered += 1
    assert trio.current_time() - started == DRAIN_WITHIN
