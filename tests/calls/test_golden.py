"""Offers and answers through a whole call, as the reference says that they come out; one folder a topic.

`golden/<topic>/request.toml` has a table for each request, in order: `offer`, `answer`, `reoffer`,
`reanswer` ... Those whose names end in `offer` are offers. A table holds the keys of its request; alice
offers and bob answers, unless it says otherwise. `warning` in it is the warning of the reply, `error` its
error-reason. The SDP stands in `<request>.in.sdp` and `<request>.out.sdp`, with LF for CRLF; in what comes
out, our port pairs are PORT1, PORT2 ... in the order of their appearance in the call. `interface` lists our
interfaces where one address is not enough.

The files are written from NG_REFERENCE by hand. When one differs from what the daemon says, it is the
daemon that is wrong.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings
from karl_trio.errors import NgError
from karl_trio.media.poller import Poller
from karl_trio.ng.requests import structure

from .conftest import PORTS, make_interfaces
from .proxy import Proxy

GOLDEN = Path(__file__).parent / "golden"
TOPICS = sorted(path.parent.name for path in GOLDEN.glob("*/request.toml"))

LOOP_MARK = "0123456789ab"

OUR_PORT = re.compile(r"(?<=[ :])(24[0-9]{3})(?=[ \r])")


class PortNames:
    """What the golden files call our ports."""

    def __init__(self):
        self._pairs = []

    def put_into(self, text):
        return OUR_PORT.sub(self._name, text)

    def _name(self, match):
        port = int(match[1])
        if port not in PORTS:
            return match[1]
        base = port - port % 2
        if base not in self._pairs:
            self._pairs.append(base)
        return f"PORT{self._pairs.index(base) + 1}" + ("+1" if port % 2 else "")


@pytest.fixture
async def proxy_for(nursery):
    async def make(interface):
        table = CallTable(
            settings=Settings(),
            interfaces=make_interfaces(*interface),
            poller=Poller(),
            loop_mark=LOOP_MARK,
        )
        await nursery.start(table.serve)
        return Proxy(table)

    return make


def read(topic, step, side):
    return (GOLDEN / topic / f"{step}.{side}.sdp").read_text()


@pytest.mark.parametrize("topic", TOPICS)
async def test_sdp_comes_out_as_the_reference_says(topic, proxy_for):
    requests = tomllib.loads((GOLDEN / topic / "request.toml").read_text())
    proxy = await proxy_for(requests.pop("interface", ["127.0.0.1!203.0.113.1"]))
    names = PortNames()
    for step, keys in requests.items():
        send = proxy.offer if step.endswith("offer") else proxy.answer
        warning, error = keys.pop("warning", ""), keys.pop("error", None)
        body = read(topic, step, "in").replace("\n", "\r\n")
        if error is not None:
            with pytest.raises(NgError) as refused:
                send(body, **keys)
            assert refused.value.reason == error
            continue
        written = send(body, **keys).text
        assert names.put_into(written).replace("\r\n", "\n") == read(topic, step, "out"), step
        assert "; ".join(proxy.warnings) == warning


def test_every_file_belongs_to_a_request():
    for topic in TOPICS:
        steps = tomllib.loads((GOLDEN / topic / "request.toml").read_text())
        for path in (GOLDEN / topic).glob("*.sdp"):
            assert path.name.split(".")[0] in steps, path


@pytest.mark.parametrize("topic", TOPICS)
def test_no_request_has_a_key_or_flag_that_nobody_knows(topic):
    requests = tomllib.loads((GOLDEN / topic / "request.toml").read_text())
    requests.pop("interface", None)
    for keys in requests.values():
        known = {key: value for key, value in keys.items() if key not in ("warning", "error")}
        request = structure({"command": "offer", "call-id": "x", "from-tag": "alice", "sdp": "", **known})
        assert request.warnings == ()
