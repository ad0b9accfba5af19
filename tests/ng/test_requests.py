"""Typed requests: what proxies really send fits, and what cannot be meant is refused by name."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import InvalidParameters, UnrecognizedCommand
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.ng.keys import KEYS
from karl_trio.ng.requests import (
    AnswerRequest,
    DeleteRequest,
    ListRequest,
    OfferRequest,
    PingRequest,
    QueryRequest,
    Request,
    StatisticsRequest,
    structure,
)
from karl_trio.ng.structuring import hook_for, key_of
from karl_trio.ng.values import Value
from tests.samples.captures import exchanges

OFFER: dict[str, Value] = {"command": "offer", "call-id": "c1", "from-tag": "f1", "sdp": "v=0\r\n"}
CLASSES = [
    *(PingRequest, OfferRequest, AnswerRequest, DeleteRequest, QueryRequest),
    *(ListRequest, StatisticsRequest),
]


def offer(**more: Value) -> OfferRequest:
    """Return a typed offer; underscores in the names of keys become hyphens."""
    request = structure(OFFER | {name.replace("_", "-"): value for name, value in more.items()})
    assert isinstance(request, OfferRequest)
    return request


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize(
    "exchange",
    exchanges("ping", "offer", "answer", "delete", "query"),
    ids=lambda exchange: exchange.name,
)
def test_captured_requests_are_understood(exchange, form):
    request = structure(parse(frame(b"1", exchange.request, form)).body)
    assert request.command == exchange.command
    # The one thing in them that rtpengine does not know either.
    unknown = ("unknown sdes option 'off:AES_CM_128_HMAC_SHA1_32'",)
    assert request.warnings == (unknown if exchange.name.startswith("041") else ())
    if not isinstance(request, PingRequest):
        assert request.received_from == "127.0.0.1"
        assert request.supports == {"load limit"}
        assert (request.call_id, request.from_tag) == (
            exchange.request["call-id"],
            exchange.request["from-tag"],
        )


def captured(name: str) -> Request:
    (exchange,) = [exchange for exchange in exchanges() if exchange.name.endswith(name)]
    return structure(exchange.request)


def test_a_captured_request_with_everything():
    request = captured("misc_offer")
    assert isinstance(request, OfferRequest)
    assert request.flags == {
        *("strict-source", "no-rtcp-attribute", "loop-protect", "generate-mid", "port-latching"),
        *("receive-only", "send-only"),
    }
    assert request.codec == {"except": ("PCMU",), "accept": ("all",)}
    assert (request.record_call, request.metadata) == (True, "a=b;c=d")
    assert (request.tos, request.media_address, request.label) == (184, "127.0.0.1", "caller")
    assert (request.delete_delay, request.media_timeout) == (0.0, 30.0)
    assert request.via_branch == "z9hG4bK247bt445"
    assert request.sdp.endswith("a=sendrecv\r\n")


def test_a_captured_request_from_a_browser():
    request = captured("rtp_to_web_offer")
    assert isinstance(request, OfferRequest)
    assert (request.ice, request.dtls, request.transport_protocol) == ("force", None, "UDP/TLS/RTP/SAVPF")
    assert request.rtcp_mux == {"offer"}
    assert request.replace == {"origin", "session-connection"}


def test_an_offer_without_anything_else_has_no_wishes():
    request = offer()
    assert (request.call_id, request.from_tag, request.sdp) == ("c1", "f1", "v=0\r\n")
    optional = attrs.asdict(request, filter=lambda a, _: a.default is not attrs.NOTHING)
    assert not any(optional.values())


@pytest.mark.parametrize("number", [30, "30", "0x1e", " 30 ", "030", [30], ["30"], "+30"])
def test_numbers_may_be_strings_and_stand_in_a_list(number):
    request = offer(ptime=number, media_timeout=number, TOS=number)
    assert (request.ptime, request.media_timeout, request.tos) == (30, 30.0, 30)


def test_seconds_may_have_a_fraction():
    assert offer(delete_delay="2.5").delete_delay == 2.5


def test_strings_and_lists_stand_in_for_each_other():
    request = offer(
        call_id=["c2"], replace="origin, session-name", direction="a,b", codec={"strip": "PCMA,G722"}
    )
    assert request.call_id == "c2"
    assert request.replace == {"origin", "session-name"}
    assert request.direction == ("a", "b")
    assert request.codec == {"strip": ("PCMA", "G722")}


@pytest.mark.parametrize(
    ("said", "understood"),
    [("yes", True), ("on", True), (1, True), ("Yes", True), ("no", False), ("off", False), ("0", False)],
)
def test_recording_is_wanted_or_not(said, understood):
    assert offer(record_call=said).record_call is understood
    assert offer(flags=[f"record-call={said}"]).record_call is understood
    assert offer(flags=["record call"]).record_call is True


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (["IP4", "192.0.2.1"], "192.0.2.1"),
        (["IP6", "2001:DB8:0::1"], "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("IP4 192.0.2.1", "192.0.2.1"),
        (["192.0.2.1"], "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_received_from_is_an_address_with_or_without_its_family(said, address):
    assert offer(received_from=said).received_from == address
    assert structure({"command": "ping", "received from": said}).received_from == address


def test_words_come_in_one_spelling():
    request = offer(
        ICE="Force_Relay",
        dtls="PASSIVE",
        transport_protocol="rtp/savpf",
        address_family="ip6",
        endpoint_learning="Immediate",
        sdes=["OFF", "no-null_hmac_sha1_80"],
    )
    assert (request.ice, request.dtls, request.endpoint_learning) == ("force-relay", "passive", "immediate")
    assert (request.transport_protocol, request.address_family) == ("RTP/SAVPF", "IP6")
    assert request.sdes == ("off", "no-NULL_HMAC_SHA1_80")


def test_accepting_another_protocol_is_a_flag_and_no_protocol():
    request = offer(transport_protocol="accept")
    assert (request.transport_protocol, request.flags) == (None, {"transport-protocol-accept"})


def test_an_unknown_word_is_no_wish():
    request = offer(ICE="removed", address_family="IP5")
    assert (request.ice, request.address_family, len(request.warnings)) == (None, None, 2)


def test_an_empty_optional_string_is_none():
    assert offer(to_tag="", via_branch="", label="").to_tag is None
    assert offer(via_branch="").via_branch is None


def test_an_empty_sdp_is_for_the_sdp_parser_to_judge():
    assert offer(sdp="").sdp == ""


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"call-id": ""}, "call-id: empty"),
        ({"call-id": 5}, "call-id: not a string"),
        ({"call-id": []}, "call-id: not a string"),
        ({"call-id": ["a", "b"]}, "call-id: not a string"),
        ({"sdp": {}}, "sdp: not a string"),
        ({"sdp": ["v=0", "s=-"]}, "sdp: not a string"),
        ({"from-tag": {}}, "from-tag: not a string"),
        ({"ptime": "twenty"}, "ptime: "),
        ({"ptime": "1_0"}, "ptime: not a number"),
        ({"ptime": "٣"}, "ptime: not a number"),
        ({"ptime": "9" * 100}, "ptime: not a number"),
        ({"ptime": {}}, "ptime: not a number"),
        ({"TOS": []}, "tos: not a number"),
        ({"media-timeout": "soon"}, "media-timeout: "),
        ({"media-timeout": "9" * 100}, "media-timeout: not a number"),
        ({"media-timeout": -1}, "media-timeout: not a number of seconds"),
        ({"media-timeout": "inf"}, "media-timeout: not a number of seconds"),
        ({"media-timeout": "nan"}, "media-timeout: not a number of seconds"),
        ({"delete-delay": "-1"}, "delete-delay: not a number of seconds"),
        ({"media-address": "media.example.org"}, "media-address: "),
        ({"media-address": "fe80::1%eth0"}, "media-address: "),
        ({"media-address": "1" * 1000}, "media-address: not an IP address"),
        ({"media-address": 5}, "media-address: not a string"),
        ({"received-from": ["IP4", "proxy"]}, "received-from: "),
        ({"received-from": []}, "received-from: "),
        ({"received-from": ["IP4", "192.0.2.1", "x"]}, "received-from: "),
        ({"received-from": ["IP4", 5]}, "received-from: "),
        ({"replace": {}}, "replace: "),
        ({"codec": ["strip"]}, "codec: "),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(more, detail):
    with pytest.raises(InvalidParameters) as caught:
        structure({**OFFER, **more})
    assert caught.value.detail.startswith(detail)
    assert caught.value.as_reply() == {"result": "error", "error-reason": "Invalid parameters"}


@pytest.mark.parametrize(
    ("command", "key"),
    [
        *(("offer", "call-id"), ("offer", "from-tag"), ("offer", "sdp")),
        *(("answer", "call-id"), ("answer", "from-tag"), ("answer", "sdp"), ("answer", "to-tag")),
        *(("delete", "call-id"), ("query", "call-id")),
    ],
)
def test_what_must_be_there_is_missed_by_name(command, key):
    body: dict[str, Value] = {**OFFER, "command": command, "to-tag": "t1"}
    structure(body)
    del body[key]
    with pytest.raises(InvalidParameters) as caught:
        structure(body)
    assert caught.value.detail == f"{key}: missing"


@pytest.mark.parametrize(
    "body", [{}, {"command": 5}, {"command": ["ping"]}, {"command": ""}, {"command": "pong"}]
)
def test_an_unknown_command_is_told(body):
    with pytest.raises(UnrecognizedCommand):
        structure(body)


def test_a_list_is_limited_by_32_unless_it_says_so():
    assert structure({"command": "list"}) == ListRequest(limit=32)
    assert structure({"command": "list", "limit": "0"}) == ListRequest(limit=0)
    with pytest.raises(InvalidParameters, match="limit"):
        structure({"command": "list", "limit": -1})


def test_deletes_name_the_whole_call_or_a_leg():
    assert structure({"command": "delete", "call-id": "c"}) == DeleteRequest(call_id="c")
    body: dict[str, Value] = {
        "command": "delete",
        "call-id": "c",
        "from-tag": "f",
        "to-tag": "t",
        "via-branch": "b",
        "flags": ["fatal", "to-tag"],
        "delete delay": 5,
    }
    assert structure(body) == DeleteRequest(
        call_id="c",
        from_tag="f",
        to_tag="t",
        via_branch="b",
        flags=frozenset({"fatal", "to-tag"}),
        delete_delay=5.0,
    )


@pytest.mark.parametrize("cls", CLASSES)
def test_every_attribute_is_a_known_key_of_a_type_that_can_be_made(cls):
    for attribute in attrs.fields(attrs.resolve_types(cls)):
        assert key_of(attribute.name) in {*KEYS, "warnings", "unused"}
        assert callable(hook_for(attribute.type))


@pytest.mark.parametrize("cls", CLASSES)
def test_requests_do_not_change(cls):
    request = structure({**OFFER, "command": cls.command, "to-tag": "t1"})
    assert type(request) is cls
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.flags = frozenset()  # type: ignore[misc]


def test_a_warning_for_the_reply_names_what_was_meant():
    assert offer(flags=["trust-adress"]).warnings == (
        "unknown flag 'trust-adress', did you mean 'trust-address'?",
    )


values = st.recursive(
    st.text(max_size=10) | st.integers() | st.sampled_from(["192.0.2.1", "on", "0x10", "1.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(CLASSES), st.dictionaries(st.sampled_from(list(KEYS)), values, max_size=6))
def test_any_request_is_typed_or_refused(cls, more):
    body = {**OFFER, "to-tag": "t1", **more, "command": cls.command}
    request, detail = None, "command"
    try:
        request = structure(body)
    except InvalidParameters as error:
        detail = error.detail.strip("'")
    assert request is None or type(request) is cls
    assert detail.startswith(tuple(KEYS))
