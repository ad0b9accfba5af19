"""Messages on a stream: however it is cut into pieces, the same messages come out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.errors import Malformed
from karl_trio.ng.framing import BadBody, Format, NoCookie, frame, parse
from karl_trio.ng.stream import MAX_MESSAGE, MessageStream, TooLong
from karl_trio.ng.values import MAX_DEPTH

from .test_framing import bodies, cookies

messages = st.builds(frame, cookies, bodies)


def read(pieces):
    """Return the messages in a stream that comes in pieces."""
    stream = MessageStream()
    found = []
    for piece in pieces:
        stream.feed(piece)
        while (message := stream.next_message()) is not None:
            found.append(message)
    return found, stream


@st.composite
def pieces_of(draw, whole):
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@given(st.lists(messages, max_size=5), st.data())
def test_any_pieces_of_any_messages_give_these_messages(sent, data):
    found, stream = read(data.draw(pieces_of(b"".join(sent))))
    assert found == sent
    assert not stream.has_begun


@given(st.lists(messages, min_size=1, max_size=3))
def test_single_octets_do_as_well(sent):
    whole = b"".join(sent)
    assert read([whole[at : at + 1] for at in range(len(whole))])[0] == sent


@given(messages, st.data())
def test_a_message_that_was_cut_off_is_waited_for(sent, data):
    cut = data.draw(st.integers(1, len(sent) - 1))
    found, stream = read([sent[:cut]])
    assert found == []
    assert stream.has_begun


@given(st.binary(max_size=200), st.data())
def test_whatever_comes_is_a_message_or_malformed(octets, data):
    try:
        found, _ = read(data.draw(pieces_of(octets)))
    except Malformed:
        return
    assert octets.startswith(b"".join(found))


@given(messages, st.integers(0, 500), st.integers(0, 255))
def test_a_message_is_never_longer_than_its_dictionary(sent, where, octet):
    """What `parse` makes of a message does not depend on where the stream was cut."""
    spoilt = bytearray(sent)
    spoilt[where % len(spoilt)] = octet
    stream = MessageStream()
    stream.feed(bytes(spoilt))
    try:
        message = stream.next_message()
        parsed = parse(message) if message is not None else None
    except Malformed:
        return
    if parsed is not None:
        assert parse(bytes(spoilt)) == parsed


def test_strings_may_hold_what_looks_like_the_end():
    sent = [b"c1 d3:sdp8:ee d1:x e", b"c2 d7:command4:pinge"]
    assert read([b"".join(sent)])[0] == sent


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"x nonsense", "no dictionary"),
        (b"x l4:pinge", "no dictionary"),
        (b"x d7:commandx", "no value"),
        (b"x d07:", "no value"),
        (b"x d-1:", "no value"),
        (b"x d1:ai-0e", "no value"),
        (b"x d1:ai01e", "no value"),
        (b"x d1:ai" + b"1" * 20, "no value"),
        (b"x d1234567890", "no value"),
        (b"x d1:a" + b"l" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} values within each other"),
    ],
)
def test_what_has_no_end_is_told_with_its_cookie(octets, what):
    with pytest.raises(BadBody) as caught:
        read([octets])
    assert (caught.value.cookie, caught.value.what) == (b"x", what)


def test_json_is_told_so_in_json():
    with pytest.raises(BadBody) as caught:
        read([b'x {"command": "ping"}'])
    assert caught.value.format is Format.JSON
    assert "JSON" in caught.value.what


@pytest.mark.parametrize("octets", [b" d7:command4:pinge", b"x" * 257, b"\0" * 1000])
def test_without_a_cookie_there_is_nobody_to_tell(octets):
    with pytest.raises(NoCookie):
        read([octets])


def test_a_message_that_is_too_long_is_refused_before_it_comes():
    with pytest.raises(TooLong):
        read([b"x d3:sdp%d:" % MAX_MESSAGE])
    with pytest.raises(TooLong):
        read([b"x d1:al", *[b"1:a" * 1000] * 22])


def test_a_message_of_the_greatest_length_is_not():
    head, tail = b"x d3:sdp65520:", b"e"
    message = head + bytes(MAX_MESSAGE - len(head) - len(tail)) + tail
    assert len(message) == MAX_MESSAGE
    assert read([message])[0] == [message]
