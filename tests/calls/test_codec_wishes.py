"""Wishes that are about a transcoder elsewhere: what of them works without one, and what is refused."""

import pytest

from karl_trio.errors import CodecNegotiationFailed, NotSupported

from .proxy import ports
from .test_codecs import body, formats


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (["codec-mask-PCMA"], "0 101"),
        (["codec-consume-PCMA"], "0 101"),
        (["codec-mask-all", "codec-offer-PCMA", "codec-except-telephone-event"], "8 101"),
        (["codec-mask-full", "codec-except-PCMU"], "0"),
        (["codec-consume-8", "codec-strip-telephone-event"], "0"),
        (["codec-mask-PCMA", "codec-offer-PCMA"], "0 8 101"),
    ],
)
async def test_masked_codecs_are_not_offered(proxy, flags, left):
    assert formats(proxy.offer(body(4000, "0 8 101"), flags=flags)) == [left]
    assert proxy.warnings == ()
    with pytest.raises(CodecNegotiationFailed):
        proxy.answer(body(5000, "9"))
    assert formats(proxy.answer(body(5000, left))) == [left]


async def test_masking_every_codec_leaves_nothing_to_talk_in(proxy, calls):
    for flags in (["codec-mask-all"], ["codec-mask-PCMU", "codec-consume-PCMA"]):
        with pytest.raises(CodecNegotiationFailed):
            proxy.offer(body(4000, "0 8 101"), flags=flags)
    assert len(calls) == 0


@pytest.mark.parametrize(
    "flag", ["codec-accept-PCMA", "codec-accept=all", "always-transcode", "codec-accept-G723"]
)
async def test_accepted_codecs_stay_in_the_offer_and_the_answer_is_what_both_speak(proxy, flag):
    assert formats(proxy.offer(body(4000, "0 8 101"), flags=[flag])) == ["0 8 101"]
    assert formats(proxy.answer(body(5000, "0 101"), flags=[flag])) == ["0 101"]
    assert proxy.warnings == ()


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (["transcode-PCMA"], "0 8 101"),
        (["transcode=pcma/8000/1", "codec-transcode-telephone-event"], "0 8 101"),
        (["transcode-PCMA/8000/1/64000/20"], "0 8 101"),
        (["codec-strip-all", "transcode-PCMA", "transcode-PCMU"], "8 0"),
        (["codec-mask-all", "transcode-PCMA", "codec-offer-PCMU"], "0 8"),
        (["codec-mask-all", "transcode-PCMA", "codec-except-telephone-event"], "8 101"),
    ],
)
async def test_a_codec_to_transcode_to_that_was_offered_is_passed_on(proxy, flags, left):
    assert formats(proxy.offer(body(4000, "0 8 101"), flags=flags)) == [left]
    assert proxy.warnings == ()


@pytest.mark.parametrize(
    "flags",
    [
        ["transcode-G722"],
        ["transcode-PCMA/16000"],
        ["transcode-PCMA", "transcode-opus/48000/2"],
        ["codec-strip-PCMA", "transcode-PCMA"],
        ["codec-mask-PCMA", "transcode-PCMA"],
        ["codec-strip-full", "transcode-PCMA"],
        ["codec-strip-all", "codec-mask-PCMA", "transcode-PCMA"],
    ],
)
async def test_a_codec_that_would_have_to_be_made_is_refused_by_its_name(proxy, calls, interfaces, flags):
    with pytest.raises(NotSupported) as refused:
        proxy.offer(body(4000, "0 8 101"), flags=flags)
    name = flags[-1].removeprefix("transcode-")
    assert refused.value.as_reply()["warning"].startswith(f"transcode {name}: ")
    assert (len(calls), interfaces.pools[0].in_use) == (0, 0)


async def test_only_audio_is_transcoded(proxy):
    text = body(4000, "0 8 101", "98 99")
    assert formats(proxy.offer(text, flags=["transcode-PCMA"])) == ["0 8 101", "98 99"]
    wishes = ["codec-strip-all", "transcode-PCMA", "transcode-VP8"]
    with pytest.raises(NotSupported):
        proxy.offer(text, flags=wishes)


async def test_an_answer_is_too_late_to_mask_or_transcode(proxy):
    proxy.offer(body(4000, "0 8 101"))
    flags = ["codec-mask-PCMU", "codec-consume-PCMA", "transcode-opus", "codec-accept-all"]
    assert formats(proxy.answer(body(5000, "0 8 101"), flags=flags)) == ["0 8 101"]
    assert proxy.warnings == ()


async def test_options_of_codecs_to_transcode_change_nothing_here(proxy):
    codec = {"set": ["opus/48000/2/32000", "PCMA/8000/1/64000"]}
    assert formats(proxy.offer(body(4000, "96 8 101"), codec=codec)) == ["96 8 101"]
    assert proxy.warnings == ()


async def test_media_flows_in_what_masking_left(proxy, phones):
    alice, bob = phones(), phones()
    offered = proxy.offer(body(alice.endpoint.port, "0 8 101"), flags=["codec-mask-PCMU"])
    answered = proxy.answer(body(bob.endpoint.port, "8 101"))
    for payload_type in (8, 101):
        packet = bytes([0x80, payload_type, 0, payload_type]) + bytes(8) + b"sound"
        alice.say(packet, ports(answered)[0])
        assert await bob.hear(1) == [(packet, ports(offered)[0])]
        bob.say(packet, ports(offered)[0])
        assert await alice.hear(1) == [(packet, ports(answered)[0])]


async def test_each_side_may_send_under_its_own_payload_type(proxy, phones):
    """Payload types are not translated: each sends what the other said that it receives."""
    alice, bob = phones(), phones()
    offered = proxy.offer(body(alice.endpoint.port, "96 0"), flags=["allow-asymmetric-codecs"])
    answered = proxy.answer(body(bob.endpoint.port, "111 0"), flags=["allow-asymmetric-codecs"])
    assert (formats(offered), formats(answered)) == (["96 0"], ["111 0"])
    to_bob = bytes([0x80, 111, 0, 1]) + bytes(8) + b"opus"
    alice.say(to_bob, ports(answered)[0])
    assert await bob.hear(1) == [(to_bob, ports(offered)[0])]
    to_alice = bytes([0x80, 96, 0, 1]) + bytes(8) + b"opus"
    bob.say(to_alice, ports(offered)[0])
    assert await alice.hear(1) == [(to_alice, ports(answered)[0])]


# What a re-INVITE makes of the codecs of before


async def agree_on_pcma(proxy):
    proxy.offer(body(4000, "0 8 101"))
    proxy.answer(body(5000, "8 101"))


@pytest.mark.parametrize("flag", ["reuse-codecs", "no-codec-renegotiation"])
async def test_codecs_in_use_stay_preferred(proxy, flag):
    await agree_on_pcma(proxy)
    assert formats(proxy.offer(body(4000, "0 8 9 101"), to_tag="bob", flags=[flag])) == ["8 101 0 9"]
    assert proxy.warnings == ()
    # Bob would rather change; with one codec only, he cannot.
    assert formats(proxy.answer(body(5000, "0 8 101"), flags=[flag, "single-codec"])) == ["8 101"]


async def test_codecs_in_use_stay_preferred_whoever_offers(proxy):
    await agree_on_pcma(proxy)
    offered = proxy.offer(body(5000, "9 0 8 101"), from_tag="bob", to_tag="alice", flags=["reuse-codecs"])
    assert formats(offered) == ["8 101 9 0"]
    assert formats(proxy.answer(body(4000, "9 8"), from_tag="bob", to_tag="alice")) == ["9 8"]
    # That answer counts from now on.
    assert formats(proxy.offer(body(4000, "0 8 9"), to_tag="bob", flags=["reuse-codecs"])) == ["9 8 0"]


async def test_the_order_of_the_offer_can_be_kept_in_the_first_answer(proxy):
    proxy.offer(body(4000, "0 8 101"))
    assert formats(proxy.answer(body(5000, "8 0 101"), flags=["reuse-codecs", "single-codec"])) == ["0 101"]


async def test_static_codecs_hide_changes_from_the_other_side(proxy):
    await agree_on_pcma(proxy)
    assert formats(proxy.offer(body(4000, "9 0 8 101"), to_tag="bob", flags=["static-codecs"])) == ["8 101"]
    assert proxy.warnings == ()
    assert formats(proxy.answer(body(5000, "8 101"))) == ["8 101"]


async def test_static_codecs_mean_what_was_offered_while_nobody_has_answered(proxy):
    flags = ["static-codecs", "codec-strip-PCMA"]
    assert formats(proxy.offer(body(4000, "0 8 101"), flags=flags)) == ["0 101"]
    assert formats(proxy.offer(body(4000, "9 8 101 0"), flags=["static-codecs"])) == ["0 101"]


async def test_static_codecs_that_are_gone_would_need_transcoding(proxy):
    await agree_on_pcma(proxy)
    with pytest.raises(NotSupported):
        proxy.offer(body(4000, "9 0 101"), to_tag="bob", flags=["static-codecs"])
    # The same number for another codec is not the same codec.
    proxy.offer(body(4000, "96 101"), call_id="two")
    proxy.answer(body(5000, "96 101"), call_id="two")
    other = body(4000, "96 0").replace("opus/48000/2", "iLBC/8000")
    with pytest.raises(NotSupported):
        proxy.offer(other, call_id="two", to_tag="bob", flags=["static-codecs"])


async def test_static_codecs_follow_a_media_that_moved(proxy):
    def two(*media, version=1):
        head = body(4000, "0", version=version).partition("m=")[0]
        return head + "".join(
            f"m=audio {port} RTP/AVP {formats}\r\na=mid:{mid}\r\n" for mid, port, formats in media
        )

    proxy.offer(two(("one", 4000, "0 8"), ("two", 4010, "0 8")))
    answered = two(("one", 5000, "0"), ("two", 5010, "8"))
    assert formats(proxy.answer(answered)) == ["0", "8"]
    moved = two(("two", 4010, "0 8 9"), ("one", 4000, "0 8 9"), version=2)
    assert formats(proxy.offer(moved, to_tag="bob", flags=["static-codecs"])) == ["8", "0"]
    assert formats(proxy.offer(moved, to_tag="bob", flags=["reuse-codecs"])) == ["8 0 9", "0 8 9"]


async def test_static_codecs_say_nothing_of_media_that_the_other_side_was_never_told_of(proxy):
    await agree_on_pcma(proxy)
    proxy.offer(body(5000, "8", "98"), from_tag="bob", to_tag="alice")
    # Alice's own offer crosses that one.
    crossing = proxy.offer(body(4000, "0 8", "98 99"), to_tag="bob", flags=["static-codecs"])
    assert formats(crossing) == ["8", "98 99"]


async def test_static_codecs_leave_a_media_alone_that_had_none(proxy):
    flags = ["codec-strip-all", "codec-offer-PCMU", "allow-no-codec-media"]
    proxy.offer(body(4000, "0 8", "98"), flags=flags)
    offered = proxy.offer(body(4000, "8 0", "98"), flags=["static-codecs"])
    assert formats(offered) == ["0", "98"]
    assert ports(offered)[1]
