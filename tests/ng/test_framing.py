"""Messages: the cookie comes back whatever else is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.ng.framing import MAX_COOKIE, BadBody, Format, Message, NoCookie, frame, parse
from karl_trio.ng.values import MAX_DEPTH, MAX_INT_DIGITS, MAX_ITEMS
from tests.samples.captures import exchanges

cookies = st.binary(min_size=1, max_size=MAX_COOKIE).filter(lambda cookie: b" " not in cookie)
text = st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
bodies = st.dictionaries(
    text,
    st.recursive(
        text | st.integers(-(2**63), 2**63 - 1),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=5,
)


@given(cookies, bodies, st.sampled_from(Format))
def test_what_is_framed_comes_back(cookie, body, form):
    assert parse(frame(cookie, body, form)) == Message(cookie, body, form)


def test_the_ping_of_the_page_is_understood():
    assert parse(b"test123 d7:command4:pinge") == Message(b"test123", {"command": "ping"}, Format.BENCODE)


def test_a_newline_after_the_dictionary_does_not_matter():
    assert parse(b"1 d7:command4:pinge\n").body == {"command": "ping"}
    assert parse(b"1 d7:command4:pinge and more").body == {"command": "ping"}
    assert parse(b'1 {"command": "ping"}\r\n').body == {"command": "ping"}


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b" ",
        b" d7:command4:pinge",
        b"d7:command4:pinge",
        b"\x80\x00\x01\x02",
        b"x" * (MAX_COOKIE + 1) + b" de",
    ],
)
def test_without_a_cookie_there_is_nobody_to_answer(datagram):
    with pytest.raises(NoCookie):
        parse(datagram)


@pytest.mark.parametrize(
    ("rest", "form", "offset"),
    [
        (b"", Format.BENCODE, 3),
        (b"hello", Format.BENCODE, 3),
        (b" d7:command4:pinge", Format.BENCODE, 3),
        (b"l4:pinge", Format.BENCODE, 3),
        (b"4:ping", Format.BENCODE, 3),
        (b'["ping"]', Format.BENCODE, 3),
        (b"d9223372036854775807:ae", Format.BENCODE, 4),
        (b"d7:command4:ping", Format.BENCODE, 19),
        (b'{"command"}', Format.JSON, 13),
        (b'{"\xc3\xab": x}', Format.JSON, 10),
        (b'{"a": 1} {"b": 2}', Format.JSON, 12),
    ],
)
def test_a_bad_dictionary_keeps_its_cookie_and_format(rest, form, offset):
    with pytest.raises(BadBody) as caught:
        parse(b"17 " + rest)
    assert (caught.value.cookie, caught.value.format, caught.value.offset) == (b"17", form, offset)


@given(st.binary(max_size=80) | bodies.map(lambda body: frame(b"1", body)), st.data())
def test_any_datagram_is_a_message_or_malformed(datagram, data):
    end = data.draw(st.integers(0, len(datagram)))
    for candidate in (datagram[:end], b"1 " + datagram[end:], b"1 {" + datagram, b"1 d" + datagram):
        try:
            message = parse(candidate)
        except (NoCookie, BadBody):
            continue
        assert candidate.startswith(message.cookie + b" ")


@given(st.text('{}[]",:0123456789-.eE\\untrlfase \n', max_size=60))
def test_anything_like_json_is_a_message_or_malformed(text):
    try:
        message = parse(b"1 {" + text.encode())
    except BadBody:
        return
    assert parse(frame(b"1", message.body, Format.JSON)) == message


@pytest.mark.parametrize(
    "document",
    [
        '{"a": 1.5}',
        '{"a": 1e3}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": [null]}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": "\\ud800"}',
        '{"\\ud800": "a"}',
        f'{{"a": {"9" * (MAX_INT_DIGITS + 1)}}}',
        f'{{"a": {"9" * 5000}}}',
        '{"a": ' + "[" * (MAX_DEPTH) + "]" * (MAX_DEPTH) + "}",
        '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"a": [' + "0," * MAX_ITEMS + "0]}",
        '{"a": "\n"}',
    ],
)
def test_json_beyond_what_ng_knows_is_malformed(document):
    with pytest.raises(BadBody):
        parse(b"1 " + document.encode())


def test_json_may_nest_as_deep_as_bencode():
    deepest: object = "x"
    for _ in range(MAX_DEPTH - 1):
        deepest = [deepest]
    for form in Format:
        assert parse(frame(b"1", {"a": deepest}, form)).body == {"a": deepest}
        with pytest.raises(BadBody, match="within each other"):
            parse(frame(b"1", {"a": [deepest]}, form))


def test_json_has_the_values_of_bencode():
    document = {"yes": True, "no": False, "absent": None, "list": [1, "Zoë \U0001f600"], "deep": {"a": -1}}
    body = {"yes": 1, "no": 0, "list": [1, "Zoë \U0001f600"], "deep": {"a": -1}}
    assert parse(b"1 " + json.dumps(document).encode()).body == body
    assert [type(value) for value in parse(b'1 {"yes": true}').body.values()] == [int]


def test_a_reply_is_compact_and_its_characters_are_what_they_are():
    assert frame(b"1", {"result": "ok", "sdp": "s=Zoë\udcff"}, Format.JSON) == (
        b'1 {"result":"ok","sdp":"s=Zo\xc3\xab\xff"}'
    )


@pytest.mark.parametrize("exchange", exchanges(), ids=lambda exchange: exchange.name)
def test_captured_messages_survive_both_formats(exchange):
    for form in Format:
        for body in (exchange.request, exchange.reply):
            assert parse(frame(exchange.cookie.encode(), body, form)).body == body


def test_every_error_here_is_malformed():
    assert issubclass(NoCookie, Malformed)
    assert issubclass(BadBody, Malformed)
