"""Media that one side is not told of, while the other side finds them rejected."""

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.errors import CodecNegotiationFailed

from .proxy import sdp

REMOVE = {"sdp_media_remove": ["video"]}


def body(port, kinds, version=1):
    """An SDP with media of these kinds; those in upper case are rejected."""
    media = [
        (kind.lower(), 0 if kind.isupper() else port + 2 * place, [])
        for place, kind in enumerate(kinds.split())
    ]
    return sdp(0, media=media, version=version)


def kinds(description):
    return " ".join(section.kind if section.port else section.kind.upper() for section in description.media)


@pytest.mark.parametrize(
    ("offer", "offered", "answer", "answered"),
    [
        ("audio video", "audio", "audio", "audio VIDEO"),
        ("video audio", "audio", "audio", "VIDEO audio"),
        ("video audio video image", "audio image", "audio IMAGE", "VIDEO audio VIDEO IMAGE"),
        ("audio", "audio", "audio", "audio"),
        ("audio VIDEO", "audio", "audio", "audio VIDEO"),
        ("video audio audio", "audio audio", "AUDIO audio", "VIDEO AUDIO audio"),
    ],
)
async def test_removed_media_is_missing_in_the_offer_and_rejected_in_the_answer(
    proxy, interfaces, offer, offered, answer, answered
):
    assert kinds(proxy.offer(body(4000, offer), **REMOVE)) == offered
    written = proxy.answer(body(5000, answer), **REMOVE)
    assert kinds(written) == answered
    for section in written.media:
        assert section.formats == (("t38",) if section.kind == "image" else ("0", "8"))
    await wait_all_tasks_blocked()
    assert interfaces.pools[0].in_use == 4 * answered.count("audio")


async def test_packets_flow_through_the_media_that_is_left(proxy, phones):
    alice, bob = phones(), phones()
    to_bob = proxy.offer(
        sdp(0, media=[("video", 4000, []), ("audio", alice.endpoint.port, [])]), **REMOVE
    ).media[0]
    to_alice = proxy.answer(sdp(bob.endpoint.port)).media[1]
    packet = bytes([0x80, 0, 0, 1]) + bytes(8) + b"hello"
    alice.say(packet, to_alice.port)
    assert await bob.hear(1) == [(packet, to_bob.port)]
    bob.say(packet, to_bob.port)
    assert await alice.hear(1) == [(packet, to_alice.port)]


async def test_later_exchanges_count_the_media_as_each_side_knows_them(proxy):
    proxy.offer(body(4000, "video audio"), **REMOVE)
    first = proxy.answer(body(5000, "audio"))
    # The callee cannot know of the video, and its audio is the caller's second media.
    reoffered = proxy.offer(body(5000, "audio"), from_tag="bob", to_tag="alice")
    assert kinds(reoffered) == "VIDEO audio"
    assert reoffered.media[1].port == first.media[1].port
    assert kinds(proxy.answer(body(4000, "VIDEO audio"), from_tag="bob", to_tag="alice")) == "audio"
    # Shown now, the video would stand where the callee has its audio.
    assert kinds(proxy.offer(body(4000, "video audio", version=2), to_tag="bob")) == "audio"
    assert kinds(proxy.answer(body(5000, "audio"))) == "VIDEO audio"


async def test_a_media_that_the_callee_adds_comes_behind_the_hidden_one(proxy):
    proxy.offer(body(4000, "audio video"), **REMOVE)
    proxy.answer(body(5000, "audio"))
    assert (
        kinds(proxy.offer(body(5000, "audio image"), from_tag="bob", to_tag="alice")) == "audio VIDEO image"
    )
    answered = proxy.answer(body(4000, "audio VIDEO image"), from_tag="bob", to_tag="alice")
    assert kinds(answered) == "audio image"


async def test_hidden_media_at_the_end_may_be_shown_later(proxy):
    proxy.offer(body(4000, "audio video"), **REMOVE)
    proxy.answer(body(5000, "audio"))
    assert kinds(proxy.offer(body(4000, "audio video", version=2), to_tag="bob")) == "audio video"
    assert kinds(proxy.answer(body(5000, "audio video"))) == "audio video"


async def test_media_that_is_known_can_be_rejected_only(proxy):
    proxy.offer(body(4000, "audio video"))
    proxy.answer(body(5000, "audio video"))
    assert kinds(proxy.offer(body(4000, "audio video", version=2), to_tag="bob", **REMOVE)) == "audio VIDEO"
    assert kinds(proxy.answer(body(5000, "audio VIDEO"))) == "audio VIDEO"


async def test_other_media_are_those_of_unregistered_kinds(proxy):
    text = body(4000, "audio foobar video")
    assert kinds(proxy.offer(text, sdp_media_remove="other")) == "audio video"
    assert kinds(proxy.answer(body(5000, "audio video"))) == "audio FOOBAR video"


async def test_one_branch_may_be_told_less_than_another(proxy):
    assert kinds(proxy.offer(body(4000, "audio video"), via_branch="one")) == "audio video"
    assert kinds(proxy.offer(body(4000, "audio video"), via_branch="two", **REMOVE)) == "audio"
    assert kinds(proxy.answer(body(5020, "audio"), to_tag="carol", via_branch="two")) == "audio VIDEO"
    assert kinds(proxy.answer(body(5000, "audio video"), to_tag="bob", via_branch="one")) == "audio video"


async def test_an_offer_needs_some_media(proxy, calls):
    with pytest.raises(CodecNegotiationFailed):
        proxy.offer(body(4000, "video video"), **REMOVE)
    assert len(calls) == 0
