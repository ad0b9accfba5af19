"""Behind a NAT, no SDP that goes out has an address of ours that only we can reach."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings
from karl_trio.errors import NgError
from karl_trio.media.poller import Poller

from ..samples.captures import exchanges
from .conftest import make_interfaces
from .proxy import Proxy

TESTS = Path(__file__).parents[1]

INTERFACES = ("in/127.7.7.1!203.0.113.1", "out/127.7.7.2!203.0.113.2", "out/::1!2001:db8:f::2")
LOCAL = {"127.7.7.1", "127.7.7.2", "::1"}
MEDIA_ADDRESS = "198.51.100.77"
ADVERTISED = {"203.0.113.1", "203.0.113.2", "2001:db8:f::2", MEDIA_ADDRESS, "0.0.0.0", "::"}

ADDRESS = re.compile(r"(?:[0-9]+\.){3}[0-9]+|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F.]*")

OFFERS = sorted(
    {path.read_text().replace("\n", "\r\n") for path in TESTS.glob("*/golden/*/*offer.in.sdp")}
    | {exchange.request["sdp"] for exchange in exchanges("offer")}
)
ANSWERS = sorted(
    {path.read_text().replace("\n", "\r\n") for path in TESTS.glob("*/golden/*/*answer.in.sdp")}
    | {exchange.request["sdp"] for exchange in exchanges("answer")}
)

KEYS = st.fixed_dictionaries(
    {},
    optional={
        "direction": st.sampled_from([["in", "out"], ["out", "in"], ["in", "in"], ["internal", "external"]]),
        "address_family": st.sampled_from(["IP4", "IP6"]),
        "media_address": st.just(MEDIA_ADDRESS),
        "replace": st.lists(
            st.sampled_from(
                ["origin", "origin-full", "SDP-version", "username", "session-name", "zero-address"]
            )
        ),
        "flags": st.lists(
            st.sampled_from(
                [
                    *("full-rtcp-attribute", "no-rtcp-attribute", "original-sendrecv", "generate-mid"),
                    *("loop-protect", "trust-address", "strip-extmap", "port-latching"),
                ]
            )
        ),
        "rtcp_mux": st.lists(st.sampled_from(["offer", "require", "demux", "accept", "reject"])),
        "sdp_media_remove": st.just(["video"]),
    },
)


def check_addresses(written, said):
    """Hold every line that names an address against what may stand there."""
    known = set(said.splitlines())
    kind = ""
    for line in written.splitlines():
        if line.startswith("m="):
            kind = line[2:].partition(" ")[0]
        addresses = set(ADDRESS.findall(line))
        assert not addresses & LOCAL, line
        is_told = line.startswith(("c=", "a=rtcp:", "a=candidate:")) and kind != "message"
        if is_told:
            assert addresses <= ADVERTISED, line
        elif not addresses <= ADVERTISED:
            # What we have no part in is as it came; in the origin, the version may be ours.
            assert line in known or line.startswith("o="), line
            assert addresses <= set(ADDRESS.findall(said)), line


async def converse(offered, answered, keys, answer_keys):
    """Send an offer, an answer and a re-offer; check what comes back, return how many were carried out."""
    carried_out = 0
    async with trio.open_nursery() as nursery:
        interfaces = make_interfaces(*INTERFACES)
        table = CallTable(settings=Settings(), interfaces=interfaces, poller=Poller())
        await nursery.start(table.serve)
        proxy = Proxy(table)
        for send, body, request in (
            (proxy.offer, offered, keys),
            (proxy.answer, answered, answer_keys),
            (proxy.offer, offered, {**keys, "to_tag": "bob"}),
        ):
            try:
                written = send(body, **request).text
            except NgError:
                continue
            check_addresses(written, body)
            carried_out += 1
        nursery.cancel_scope.cancel()
    return carried_out


@settings(max_examples=150, derandomize=True)
@given(st.sampled_from(OFFERS), st.sampled_from(ANSWERS), KEYS, KEYS)
async def test_no_address_of_ours_but_the_advertised_ones_goes_out(offered, answered, keys, answer_keys):
    await converse(offered, answered, keys, answer_keys)


@pytest.mark.parametrize("seed", range(3))
async def test_most_of_the_corpus_is_carried_out(seed):
    random = Random(seed)
    carried_out = [await converse(offered, random.choice(ANSWERS), {}, {}) for offered in OFFERS]
    assert sum(carried_out) > 1.5 * len(OFFERS)
