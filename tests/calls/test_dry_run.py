"""A dry run tells what would come out, and leaves everything as it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs
import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.offer_answer import DRY_RUN
from karl_trio.config import Settings
from karl_trio.errors import NgError, NotSupported, OutOfPorts, SessionLimitReached, UnknownCall
from karl_trio.ng.requests import REQUESTS, keys_of

from .conftest import make_interfaces
from .proxy import Proxy, ports, sdp
from .test_interleavings import CALL_IDS, Chaos
from .test_transform import media


def picture(value, seen):
    """Everything that our own objects hold, however deep, in a form that can be compared."""
    kind = type(value)
    if isinstance(value, Mapping):
        return [(picture(key, seen), picture(item, seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, deque)):
        return [picture(item, seen) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if not kind.__module__.startswith("karl_trio.") or id(value) in seen:
        return (
            value if isinstance(value, (str, int, float, bytes, type(None))) else (kind.__name__, id(value))
        )
    seen.add(id(value))
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
    else:
        names = getattr(value, "__slots__", None) or vars(value)
    return kind.__name__, id(value), [(name, picture(getattr(value, name), seen)) for name in names]


class Cautious(Proxy):
    """A SIP proxy that tries every offer and answer out before it means it."""

    def _exchange(self, carry_out, command, body, call_id, from_tag, keys):
        before = picture(self.calls, set())
        tried = self._outcome(carry_out, command, body, call_id, from_tag, {**keys, "dry_run": "yes"})
        assert picture(self.calls, set()) == before
        tried_warnings = self.warnings
        meant = self._outcome(carry_out, command, body, call_id, from_tag, keys)
        if isinstance(meant, NgError):
            assert (type(tried), str(tried)) == (type(meant), str(meant))
            raise meant
        assert tried == meant
        assert tried_warnings == (*self.warnings, DRY_RUN)
        return meant

    def _outcome(self, *arguments):
        try:
            return super()._exchange(*arguments)
        except NgError as error:
            return error


@pytest.mark.parametrize("seed", range(200, 206))
async def test_a_dry_run_changes_nothing_and_foretells_what_happens(calls, seed):
    proxy = Cautious(calls)
    chaos = Chaos(proxy, seed)
    for _ in range(60):
        chaos.step()
        await wait_all_tasks_blocked()
    assert any(calls.get(call_id) is not None for call_id in CALL_IDS)
    assert 0 < chaos.refused < 50


async def test_a_dry_run_of_a_first_offer_makes_no_call_and_takes_no_port(proxy, calls, interfaces):
    tried = proxy.offer(sdp(4000), flags=["dry-run"])
    assert len(calls) == interfaces.pools[0].in_use == interfaces.pools[0].resting == 0
    with pytest.raises(UnknownCall):
        proxy.answer(sdp(5000), dry_run="yes")
    assert ports(proxy.offer(sdp(4000))) == ports(tried)
    assert proxy.warnings == ()


async def test_a_dry_run_meets_the_limits_but_is_not_counted(proxy, calls):
    calls.settings = Settings(max_sessions=0)
    with pytest.raises(SessionLimitReached):
        proxy.offer(sdp(4000), dry_run="yes")
    assert calls.totals.rejected == 0


async def test_a_dry_run_is_told_when_there_are_no_ports(proxy, calls):
    calls.interfaces = make_interfaces("127.0.0.1", low=24500, high=24503)
    two_media = sdp(0, media=[("audio", 4000, ()), ("video", 4002, ())])
    with pytest.raises(OutOfPorts):
        proxy.offer(two_media, dry_run="yes")
    proxy.offer(sdp(4000))


@pytest.mark.parametrize(
    "step",
    [
        lambda proxy, **keys: proxy.publish(sdp(4000), call_id="other", **keys),
        lambda proxy, **keys: proxy.create(call_id="other", **keys),
        lambda proxy, **keys: proxy.transform([media(4000)], call_id="other", **keys),
        lambda proxy, **keys: proxy.create_answer(sdp(4000), call_id="created", from_tag="x", **keys),
        lambda proxy, **keys: proxy.subscribe(from_tag="alice", to_tag="carol", **keys),
        lambda proxy, **keys: proxy.subscribe(from_tag="bob", to_tag="listener", **keys),
        lambda proxy, **keys: proxy.subscribe_answer(sdp(6000), "listener", **keys),
    ],
)
async def test_a_dry_run_of_what_concerns_one_leg_changes_nothing_either(proxy, calls, step):
    proxy.offer(sdp(4000))
    proxy.answer(sdp(5000))
    proxy.create(call_id="created", from_tag="x")
    proxy.subscribe(from_tag="alice", to_tag="listener")
    before = picture(calls, set())
    tried = step(proxy, dry_run="yes")
    assert picture(calls, set()) == before
    meant = step(proxy)
    assert picture(calls, set()) != before
    assert DRY_RUN in (tried if isinstance(tried, tuple) else tried.warnings)
    assert type(tried) is type(meant)


def test_the_requests_of_which_there_is_a_dry_run_are_tried_here():
    with_dry_run = {name for name, request in REQUESTS.items() if "dry-run" in keys_of(request)}
    assert with_dry_run == {
        *("offer", "answer", "publish", "create", "create-answer", "subscribe-request", "subscribe-answer"),
        "transform",
    }


async def test_what_cannot_be_tried_out_is_not_done_instead(proxy, calls):
    proxy.offer(sdp(4000))
    with pytest.raises(NotSupported):
        proxy.delete(dry_run="yes", delete_delay=0)
    assert len(calls) == 1
    proxy.delete(dry_run="no", delete_delay=0)
    assert len(calls) == 0
