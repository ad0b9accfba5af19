"""Who is meant: the legs and flows that a request selects."""

import pytest

from karl_trio.calls.participants import (
    find_listener,
    find_parties,
    find_party,
    select,
    select_by_direction,
)
from karl_trio.errors import InvalidParameters, InvalidSessionState
from karl_trio.ng.requests import PartyRequest

from .proxy import sdp


@pytest.fixture
async def call(proxy):
    """Alice, whose call was forked to Bob and Carol; both have answered."""
    proxy.offer(sdp(4000), via_branch="one", label="caller")
    proxy.offer(sdp(4000), via_branch="two", label="caller")
    proxy.answer(sdp(5000, address="192.0.2.5"), to_tag="bob", via_branch="one")
    proxy.answer(sdp(6000, address="192.0.2.6"), to_tag="carol", via_branch="two", label="desk")
    return proxy.call()


def request(*flags, **keys):
    return PartyRequest(call_id="call-1", flags=frozenset(flags), **keys)


def names(reaches):
    """What is selected, in short: who sends it, and to whom."""
    return " ".join(
        f"{reach.source.tag if reach.source else 'any'}>{reach.listener.tag if reach.listener else 'any'}"
        for reach in reaches
    )


@pytest.mark.parametrize(
    ("keys", "tag"),
    [
        ({"from_tag": "bob"}, "bob"),
        ({"label": "desk"}, "carol"),
        ({"address": "192.0.2.5"}, "bob"),
        # A label comes before an address, and an address before a tag.
        ({"label": "caller", "address": "192.0.2.5", "from_tag": "carol"}, "alice"),
        ({"address": "192.0.2.6", "from_tag": "bob"}, "carol"),
    ],
)
async def test_a_party_is_named_by_label_address_or_tag(call, keys, tag):
    assert find_party(call, request(**keys)).tag == tag


@pytest.mark.parametrize(
    "keys", [{"from_tag": "nobody"}, {"label": "bob"}, {"address": "192.0.2.7"}, {"address": "::1"}]
)
async def test_a_party_that_the_call_does_not_have_is_an_error(call, keys):
    for find in (find_party, find_parties):
        with pytest.raises(InvalidSessionState):
            find(call, request(**keys))
    with pytest.raises(InvalidSessionState):
        select(call, request("directional", **keys))


async def test_a_party_has_to_be_named(call):
    for find in (find_party, find_parties):
        with pytest.raises(InvalidParameters):
            find(call, request())


async def test_several_parties_are_named_by_a_list_of_tags_or_by_all(call):
    def tags(**keys):
        return [leg.tag for leg in find_parties(call, request(**keys))]

    assert tags(from_tags=("carol", "alice", "nobody")) == ["carol", "alice"]
    assert tags(all="all") == ["alice", "bob", "carol"]
    assert tags(from_tag="bob", from_tags=("carol",)) == ["bob"]
    with pytest.raises(InvalidSessionState):
        tags(from_tags=("nobody",))


async def test_the_other_end_is_named_by_tag_or_label(call):
    assert find_listener(call, request(to_tag="bob")).tag == "bob"
    assert find_listener(call, request(to_label="desk")).tag == "carol"
    assert find_listener(call, request()) is None
    for keys in ({"to_tag": "nobody"}, {"to_label": "nobody"}):
        with pytest.raises(InvalidSessionState):
            find_listener(call, request(**keys))


@pytest.mark.parametrize(
    ("flags", "keys", "selected"),
    [
        ((), {}, "any>any"),
        # Proxies send the tags with every request.
        ((), {"from_tag": "alice", "to_tag": "bob"}, "any>any"),
        (("directional",), {}, "any>any"),
        (("directional",), {"from_tag": "alice"}, "alice>any"),
        (("directional",), {"from_tag": "alice", "all": "all"}, "any>any"),
        (("directional",), {"from_tag": "alice", "to_tag": "carol"}, "alice>carol"),
        (("directional",), {"from_tag": "bob", "to_label": "caller"}, "bob>alice"),
        ((), {"label": "desk"}, "carol>any"),
        ((), {"address": "192.0.2.5", "to_tag": "alice"}, "bob>alice"),
        (("directional",), {"from_tag": "alice", "all": "offer-answer"}, "alice>bob alice>carol"),
        (("directional",), {"from_tag": "bob", "all": "flows"}, "bob>alice"),
        (("directional",), {"from_tag": "bob", "all": "none"}, "bob>any"),
    ],
)
async def test_rtpengines_rules_select_a_call_a_leg_or_flows(call, flags, keys, selected):
    assert names(select(call, request(*flags, **keys))) == selected


@pytest.mark.parametrize(
    "keys",
    [
        {"from_tag": "bob", "to_tag": "carol"},
        {"from_tag": "bob", "to_tag": "bob"},
        {"from_tag": "bob", "to_tag": "nobody"},
        {"from_tag": "bob", "all": "except-offer-answer"},
    ],
)
async def test_a_flow_that_is_not_there_is_an_error(call, keys):
    with pytest.raises(InvalidSessionState):
        select(call, request("directional", **keys))


@pytest.mark.parametrize(
    ("direction", "keys", "selected"),
    [
        (("from-tag",), {"from_tag": "bob"}, "bob>any"),
        (("to-tag",), {"from_tag": "bob"}, "any>bob"),
        (("both",), {"from_tag": "bob"}, "bob>any any>bob"),
        (("from-tag", "to-tag"), {"from_tag": "bob"}, "bob>any any>bob"),
        (("From_Tag",), {}, "alice>any"),
        (("to-tag",), {"label": "desk"}, "any>carol"),
        (("from-tag",), {"from_tag": "alice", "to_tag": "carol"}, "alice>carol"),
        (("both",), {"from_tag": "alice", "to_tag": "carol"}, "alice>carol carol>alice"),
    ],
)
async def test_the_pages_direction_selects_what_a_leg_sends_or_hears(call, direction, keys, selected):
    assert names(select_by_direction(call, request(**keys), direction)) == selected


async def test_a_direction_that_is_none_is_an_error(call):
    with pytest.raises(InvalidParameters):
        select_by_direction(call, request(), ("from-tag", "sideways"))
