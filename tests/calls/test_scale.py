"""A request takes as many steps with a thousand calls as with ten; counted, so that no clock is asked."""

from __future__ import annotations

import sys

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.statistics import list_reply, query_reply, statistics_reply

from .proxy import sdp

FEW, MANY = 10, 1000
TOLERANCE = 1.1


def steps(do):
    """Return how many bytecodes it takes to do something."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


REQUESTS = {
    "offer": lambda proxy: proxy.offer(sdp(0), call_id="new"),
    "answer": lambda proxy: proxy.answer(sdp(0), call_id="new"),
    "re-offer": lambda proxy: proxy.offer(sdp(0, version=2), call_id="new", to_tag="bob"),
    "query": lambda proxy: query_reply(proxy.call("new"), None, None),
    "list": lambda proxy: list_reply(proxy.calls, FEW),
    "statistics": lambda proxy: statistics_reply(proxy.calls, 1.0),
    "delete": lambda proxy: proxy.delete(call_id="new"),
}
"""In this order they are one call from its beginning to its end."""


@pytest.fixture
def cost(proxy):
    """Measure each request, after what it needs for the first time only has been done."""

    def measure():
        for ask in REQUESTS.values():
            ask(proxy)
        return {name: steps(lambda ask=ask: ask(proxy)) for name, ask in REQUESTS.items()}

    return measure


async def test_no_request_takes_longer_for_there_being_many_calls(proxy, calls, cost):
    measured = []
    for number in range(MANY):
        # Calls without media take no ports, of which a test has not so many.
        proxy.offer(sdp(0), call_id=f"call-{number}")
        if len(calls) in (FEW, MANY):
            await wait_all_tasks_blocked()
            measured.append(cost())
    few, many = measured
    slower = {name: (few[name], many[name]) for name in REQUESTS if many[name] > TOLERANCE * few[name]}
    assert slower == {}
