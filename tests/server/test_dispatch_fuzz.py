"""Nothing that the network sends makes the dispatcher raise, and a good request right after is answered."""

import logging

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karl_trio.endpoint import Endpoint
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.ng.requests import DeleteRequest, OfferRequest, PingRequest
from karl_trio.server.counters import ControlCounters
from karl_trio.server.daemon import Daemon
from karl_trio.server.dispatch import Dispatcher
from karl_trio.server.registry import Registry

from .conftest import NO_CALLS

GOOD = [
    frame(b"good", body, form)
    for form in Format
    for body in (
        {"command": "ping"},
        {
            "command": "delete",
            "call-id": "c",
            "from-tag": "f",
            "flags": ["fast", "to-tag"],
            "delete-delay": 3,
        },
        {
            "command": "offer",
            "call-id": "c",
            "from-tag": "f",
            "sdp": "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n",
            "flags": ["trust-address", "SDES-off", "codec-mask-PCMA", "media-timeout=60"],
            "codec": {"strip": ["PCMA"]},
            "received-from": ["IP4", "192.0.2.1"],
            "supports": ["load limit"],
            "rtpp-flags": "ICE=remove direction=a direction=b codec=[strip=[a b]]",
        },
    )
]


@st.composite
def mutated(draw):
    """A good request with a few octets changed, cut out, doubled or cut off."""
    datagram = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(datagram) - 1)))
        match draw(st.integers(0, 4)):
            case 0 if datagram:
                datagram[at] = draw(st.integers(0, 255))
            case 1:
                del datagram[at : at + draw(st.integers(1, 20))]
            case 2:
                datagram[at:at] = draw(st.binary(min_size=1, max_size=8))
            case 3:
                datagram[at:at] = datagram[at : at + 30]
            case _:
                del datagram[at:]
    return bytes(datagram)


keys = st.sampled_from(["command", "call-id", "from-tag", "to-tag", "sdp", "flags", "codec", "supports"])
values = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["ping", "offer", "answer", "delete", "query", "list"])
commands = st.fixed_dictionaries({"command": names})
odd_requests = st.builds(
    lambda body, command, form: frame(b"odd", body | command, form),
    st.dictionaries(keys | st.text(max_size=10), values, max_size=8),
    commands | st.just({}),
    st.sampled_from(Format),
)


def reply_to(request, daemon):
    return {"seen": sorted(str(getattr(request, "flags", ())))}


@pytest.fixture(scope="module")
def registry():
    registry = Registry()
    registry.command("ping", PingRequest)(lambda request, daemon: {"result": "pong"})
    registry.command("delete", DeleteRequest)(reply_to)
    registry.command("offer", OfferRequest)(reply_to)
    return registry


noise = st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"c " + tail)


@given(datagram=noise | mutated() | odd_requests)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_datagram_makes_the_dispatcher_raise_or_fall_silent(registry, caplog, datagram):
    caplog.set_level(logging.ERROR)
    caplog.clear()
    replies = []
    source = Endpoint("192.0.2.1", 2000)

    async def send():
        dispatcher = Dispatcher(Daemon(calls=NO_CALLS, counters=ControlCounters(), started=0.0), registry)
        dispatcher.receive(datagram, source, replies.append, size_limit=1400)
        # An answer, unless there is nothing to answer under.
        assert len(replies) == 1 - dispatcher.daemon.counters.without_cookie
        dispatcher.receive(b"after d7:command4:pinge", source, replies.append, size_limit=1400)

    trio.run(send)
    for reply in replies:
        assert parse(reply).body["result"] in {"ok", "pong", "error", "load limit"}
    assert replies[-1] == b"after d6:result4:ponge"
    assert caplog.records == []  # an error of ours would be logged
