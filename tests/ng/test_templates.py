"""Flags that the configuration keeps under a name for requests."""

import re

import pytest

from karl_trio.ng.parameters import collect
from karl_trio.ng.requests import OfferRequest, QueryRequest, structure
from karl_trio.ng.templates import parse_template, parse_templates

TEMPLATES = parse_templates(
    [
        "default = trust-address replace=[origin]",
        "offer=ICE=remove RTP/AVP codec-strip-all",
        "start recording=metadata=us",
        "Trunk=codec=[offer=[PCMA]] ICE=force sdp-attr-add-audio-X-trunk",
    ]
)

OFFER = {"command": "offer", "call-id": "c", "from-tag": "a", "sdp": ""}


def offer(**keys):
    request = structure(OFFER | {key.replace("_", "-"): value for key, value in keys.items()}, TEMPLATES)
    assert isinstance(request, OfferRequest)
    assert request.warnings == ()
    return request


def test_every_request_gets_the_default_and_what_is_for_its_command():
    request = offer()
    assert request.flags == {"trust-address"}
    assert (request.ice, request.transport_protocol, request.replace) == ("remove", "RTP/AVP", {"origin"})
    assert request.codec == {"strip": ("all",)}
    query = structure({"command": "query", "call-id": "c"}, TEMPLATES)
    assert isinstance(query, QueryRequest)
    assert query.flags == {"trust-address"}


@pytest.mark.parametrize("spelling", ["start recording", "start-recording", "Start_Recording"])
def test_the_template_of_a_command_is_found_in_any_spelling(spelling):
    assert collect({"command": spelling}, TEMPLATES).values["metadata"] == "us"


def test_what_a_request_says_itself_counts_or_is_added():
    request = offer(ICE="optional", flags=["symmetric"], replace=["username"], codec={"strip": ["PCMU"]})
    assert request.flags == {"trust-address", "symmetric"}
    assert request.ice == "optional"
    assert request.replace == {"origin", "username"}
    assert request.codec == {"strip": ("all", "PCMU")}
    assert offer(trust_address="no").flags == frozenset()


@pytest.mark.parametrize(
    "keys",
    [
        {"template": "trunk"},
        {"template": ["Trunk"]},
        {"flags": ["template=TRUNK"]},
        {"rtpp_flags": "template=trunk"},
    ],
)
def test_a_request_names_a_template_in_every_way(keys):
    request = offer(**keys)
    assert request.codec == {"strip": ("all",), "offer": ("PCMA",)}
    assert request.sdp_attr == {"audio": {"add": ["X-trunk"]}}


def test_a_template_counts_where_it_is_named():
    assert offer(template="trunk", ICE="remove").ice == "remove"
    assert offer(ICE="remove", template="trunk").ice == "force"
    added = offer(
        sdp_attr={"audio": {"add": ["X-own"]}, "video": {"add": ["X-v"]}}, template="trunk"
    ).sdp_attr
    assert added == {"audio": {"add": ["X-own", "X-trunk"]}, "video": {"add": ["X-v"]}}


def test_a_template_that_there_is_not_is_warned_of():
    for keys in ({"template": "trunc"}, {"rtpp-flags": "template=trunc"}):
        request = structure({**OFFER, **keys}, TEMPLATES)
        assert request.warnings == ("unknown template 'trunc', did you mean 'trunk'?",)
    assert structure({**OFFER, "template": "trunk"}).warnings == ("unknown template 'trunk'",)


def test_the_templates_themselves_stay_as_they_are():
    before = dict(TEMPLATES)
    offer(template="trunk", sdp_attr={"audio": {"add": ["X-own"]}})
    offer(template="trunk")
    assert before == TEMPLATES


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("trunk", "expected NAME=FLAGS"),
        ("=trust-address", "expected NAME=FLAGS"),
        ("a=codec=[strip", "rtpp-flags: a bracket that is never closed at offset 12"),
        ("a=trust-adress", "unknown flag 'trust-adress', did you mean 'trust-address'?"),
        ("a=template=b", "unknown template 'b'"),
        ("a=command=delete", "unknown flag 'command=delete'"),
        ("a=sdp-attr=x", "sdp-attr: not a dictionary"),
    ],
)
def test_a_line_that_can_be_no_template_is_refused(line, fault):
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        parse_template(line)


def test_a_template_brings_no_other_one_in():
    templates = {"default": "template=a symmetric", "a": "template=a asymmetric"}
    parameters = collect({"command": "offer", "template": "a"}, templates)
    assert parameters.flags == {"symmetric", "asymmetric"}
    assert parameters.warnings == ["unknown template 'a'"] * 2
