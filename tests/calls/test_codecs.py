"""Which codecs each side is told of, and what becomes of an exchange that none is left of."""

import pytest

from karl_trio.errors import CodecNegotiationFailed, InvalidParameters

from .proxy import ports, sdp

MAPS = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "96": "opus/48000/2",
    "111": "opus/48000/2",
    "98": "VP8/90000",
    "99": "H264/90000",
    "101": "telephone-event/8000",
    "102": "telephone-event/48000",
}


def body(port, *formats, version=1):
    """An SDP with an audio media of some formats and, if there are more, a video media of others."""
    lines = ["v=0", f"o=alice 4711 {version} IN IP4 127.0.0.1", "s=call", "c=IN IP4 127.0.0.1", "t=0 0"]
    for place, (kind, text) in enumerate(zip(("audio", "video"), formats, strict=False)):
        lines.append(f"m={kind} {port + 10 * place} RTP/AVP {text}")
        lines += [f"a=rtpmap:{payload_type} {MAPS[payload_type]}" for payload_type in text.split()]
    return "".join(f"{line}\r\n" for line in lines)


def formats(description):
    return [" ".join(section.formats) for section in description.media]


def names(description):
    return [[codec.name for codec in section.codecs] for section in description.media]


@pytest.mark.parametrize(
    "keys",
    [
        {"codec": {"strip": ["all"], "except": ["pcmu"], "offer": ["opus"]}},
        {"codec": {"strip": "all", "except": "PCMU", "offer": "opus/48000/2"}},
        {"flags": ["codec-strip-all", "codec-except-PCMU", "codec-offer-opus"]},
        {"flags": ["codec-strip-full", "codec-offer-PCMU", "codec-offer-opus"]},
        {"flags": ["codec-strip-PCMA", "codec-strip-G722", "codec-strip-101"]},
        {"flags": ["codec-ignore-PCMA", "codec-ignore-G722", "codec-ignore-telephone-event"]},
        {"rtpp_flags": "codec-strip-all codec-except-PCMU codec-offer=opus"},
        {"rtpp_flags": "codec=[strip=[all] offer=[PCMU opus]]"},
    ],
)
async def test_codecs_are_chosen_in_every_way_of_saying_it(proxy, keys):
    offered = proxy.offer(body(4000, "0 8 9 96 101"), **keys)
    assert formats(offered) == ["0 96"]
    assert names(offered) == [["PCMU", "opus"]]
    assert proxy.warnings == ()
    assert formats(proxy.answer(body(5000, "96"))) == ["96"]


async def test_codecs_are_stripped_from_answers_too(proxy):
    proxy.offer(body(4000, "0 8 96 101"))
    assert formats(proxy.answer(body(5000, "0 8 101"), flags=["codec-strip-PCMU"])) == ["8 101"]
    assert formats(proxy.answer(body(5000, "96 0 101"), codec={"strip": ["PCMU"]})) == ["96"]


async def test_single_codec_leaves_the_first_of_an_answer(proxy):
    assert formats(proxy.offer(body(4000, "0 8 101"), flags=["single-codec"])) == ["0 8 101"]
    assert formats(proxy.answer(body(5000, "8 0 101"), flags=["single-codec"])) == ["8 101"]
    assert proxy.warnings == ()


async def test_media_flows_in_the_codec_that_was_agreed_on(proxy, phones):
    alice, bob = phones(), phones()
    offered = proxy.offer(body(alice.endpoint.port, "0 8"), flags=["codec-strip-PCMU"])
    answered = proxy.answer(body(bob.endpoint.port, "8"))
    packet = bytes([0x80, 8, 0, 1]) + bytes(8) + b"A-law"
    alice.say(packet, ports(answered)[0])
    assert await bob.hear(1) == [(packet, ports(offered)[0])]
    bob.say(packet, ports(offered)[0])
    assert await alice.hear(1) == [(packet, ports(answered)[0])]


@pytest.mark.parametrize("flag", ["codec-strip-all", "codec-strip-PCMU", "codec-ignore-0"])
async def test_an_offer_that_nothing_is_left_of_makes_no_call(proxy, calls, interfaces, flag):
    with pytest.raises(CodecNegotiationFailed) as caught:
        proxy.offer(body(4000, "0 101"), flags=[flag])
    assert caught.value.as_reply() == {"result": "error", "error-reason": "Codec negotiation failed"}
    assert len(calls) == 0
    assert interfaces.pools[0].in_use == 0


async def test_a_failing_reoffer_or_answer_leaves_the_call_as_it_was(proxy, interfaces):
    proxy.offer(body(4000, "0 8"))
    proxy.answer(body(5000, "8"))
    legs = proxy.call().legs
    before = [
        (leg.tag, leg.sent, [(media.advertised, list(media.faces)) for media in leg.media]) for leg in legs
    ]
    with pytest.raises(CodecNegotiationFailed):
        proxy.offer(body(4020, "0 8"), to_tag="bob", flags=["codec-strip-all"])
    with pytest.raises(CodecNegotiationFailed):
        proxy.answer(body(5020, "9 101"))
    with pytest.raises(CodecNegotiationFailed):
        proxy.answer(body(5020, "8"), to_tag="carol", flags=["codec-strip-PCMA", "new-branch"])
    with pytest.raises(InvalidParameters):
        proxy.offer(body(4020, "0 8"), to_tag="bob", sdp_attr={"audio": {"add": ["x\r\ny"]}})
    legs = proxy.call().legs
    after = [
        (leg.tag, leg.sent, [(media.advertised, list(media.faces)) for media in leg.media]) for leg in legs
    ]
    assert after == before
    assert interfaces.pools[0].in_use == 4


async def test_an_answer_may_not_choose_what_was_stripped(proxy):
    proxy.offer(body(4000, "0 8"), flags=["codec-strip-PCMU"])
    with pytest.raises(CodecNegotiationFailed):
        proxy.answer(body(5000, "0"))
    assert formats(proxy.answer(body(5000, "0 8"))) == ["8"]


async def test_strays_of_an_answer_are_dropped(proxy):
    proxy.offer(body(4000, "96 0 101"))
    assert formats(proxy.answer(body(5000, "96 8 9 101 102"))) == ["96 101"]
    assert formats(proxy.answer(body(5000, "8 0 111"))) == ["0"]
    assert formats(proxy.answer(body(5000, "8 0 111"), flags=["allow-asymmetric-codecs"])) == ["0 111"]
    assert proxy.warnings == ()


async def test_another_payload_type_is_better_than_no_codec(proxy):
    proxy.offer(body(4000, "96"))
    assert formats(proxy.answer(body(5000, "111"))) == ["111"]


async def test_each_branch_is_held_to_what_it_was_offered(proxy):
    proxy.offer(body(4000, "0 8"), via_branch="one", flags=["codec-strip-PCMU"])
    proxy.offer(body(4000, "0 8"), via_branch="two", flags=["codec-strip-PCMA"])
    assert formats(proxy.answer(body(5000, "0 8"), to_tag="bob", via_branch="one")) == ["8"]
    assert formats(proxy.answer(body(5020, "0 8"), to_tag="carol", via_branch="two")) == ["0"]


async def test_a_branch_that_nobody_knew_of_was_offered_what_the_others_were(proxy):
    proxy.offer(body(4000, "0 8"), flags=["codec-strip-PCMU"])
    proxy.answer(body(5000, "8"))
    assert formats(proxy.answer(body(5020, "0 8"), to_tag="carol", flags=["new-branch"])) == ["8"]


async def test_a_reoffer_of_the_callee_is_answered_with_its_codecs(proxy):
    proxy.offer(body(4000, "0 8"), flags=["codec-strip-PCMU"])
    proxy.answer(body(5000, "8"))
    assert formats(proxy.offer(body(5000, "8 9"), from_tag="bob", to_tag="alice")) == ["8 9"]
    answered = proxy.answer(body(4000, "9 0"), from_tag="bob", to_tag="alice")
    assert formats(answered) == ["9"]


async def test_media_that_lost_every_codec_keeps_them_beside_one_that_did_not(proxy):
    wishes = ["codec-strip-all", "codec-offer-PCMU"]
    assert formats(proxy.offer(body(4000, "0 8", "98 99"), flags=wishes)) == ["0", "98 99"]
    assert proxy.warnings == ("no codec was left of media 2: all were kept",)
    assert formats(proxy.answer(body(5000, "0 8", "99"))) == ["0", "99"]
    # Alice speaks PCMA, though Bob should not know.
    assert formats(proxy.answer(body(5000, "8", "99"))) == ["8", "99"]
    assert proxy.warnings == ("no codec was left of media 1: all were kept",)
    with pytest.raises(CodecNegotiationFailed):
        proxy.answer(body(5000, "8", "9"))


async def test_media_that_is_answered_in_what_nobody_offered_is_rejected_beside_one_that_is_not(proxy):
    proxy.offer(body(4000, "0 8", "98 99"))
    answered = proxy.answer(body(5000, "0", "9 101"))
    assert [bool(port) for port in ports(answered)] == [True, False]
    assert proxy.warnings == ("no codec was left of media 2: it is rejected",)


async def test_media_without_codecs_is_rejected_where_that_is_allowed(proxy, interfaces):
    wishes = ["codec-strip-all", "codec-offer-PCMU", "allow-no-codec-media"]
    offered = proxy.offer(body(4000, "0 8 101", "98 99"), flags=wishes)
    assert formats(offered) == ["0", "98 99"]
    assert [bool(port) for port in ports(offered)] == [True, False]
    assert interfaces.pools[0].in_use == 4
    assert proxy.warnings == ()
    answered = proxy.answer(body(5000, "0", "98").replace("m=video 5010", "m=video 0"))
    assert [bool(port) for port in ports(answered)] == [True, False]


async def test_all_media_may_lose_their_codecs_and_come_back_later(proxy, interfaces):
    wishes = ["codec-strip-all", "allow-no-codec-media"]
    assert ports(proxy.offer(body(4000, "0 8 101"), flags=wishes)) == [0]
    assert ports(proxy.answer(body(0, "0"))) == [0]
    assert interfaces.pools[0].in_use == 0
    assert ports(proxy.offer(body(4000, "0 8 101"), to_tag="bob")) != [0]


async def test_rejected_media_and_media_that_is_no_rtp_have_no_codecs_to_lose(proxy):
    text = sdp(0, media=[("image", 4000, []), ("audio", 0, []), ("audio", 4010, [])])
    offered = proxy.offer(text, codec={"strip": ["PCMA"]})
    assert formats(offered) == ["t38", "0 8", "0"]
    answered = proxy.answer(sdp(0, media=[("image", 5000, []), ("audio", 0, []), ("audio", 5010, [])]))
    assert formats(answered) == ["t38", "0 8", "0"]
    image_only = sdp(4000, kind="image")
    assert formats(proxy.offer(image_only, call_id="fax", flags=["codec-strip-all"])) == ["t38"]


async def test_telephone_events_that_were_alone_from_the_start_may_be_so(proxy):
    assert formats(proxy.offer(body(4000, "101"))) == ["101"]
    assert formats(proxy.answer(body(5000, "101"))) == ["101"]


async def test_attributes_are_changed_in_offer_and_answer(proxy):
    changes = {"none": {"add": ["X-proxy:1"]}, "audio": {"substitute": [["ptime", "ptime:30"]]}}
    offered = proxy.offer(sdp(4000, attributes=["ptime:20", "X-a"]), sdp_attr=changes)
    assert offered.attributes.first("X-proxy") == "1"
    assert offered.media[0].attributes.first("ptime") == "30"
    answered = proxy.answer(
        sdp(5000, attributes=["X-b:1 2", "X-c"]),
        flags=[
            "sdp-attr-remove-audio-X-b",
            "sdp-attr-add-audio-X-d:5..6",
            "sdp-attr-substitute-audio-x-c>X-e",
        ],
    )
    section = answered.media[0]
    assert ("X-b" in section.attributes, "X-c" in section.attributes) == (False, False)
    assert (section.attributes.first("X-d"), section.attributes.first("X-e")) == ("5 6", "")


async def test_attributes_of_other_media_and_of_rejected_media_are_left_alone(proxy):
    text = sdp(0, media=[("audio", 4000, ["X-a"]), ("video", 4010, ["X-a"]), ("audio", 0, ["X-a"])])
    changes = {"audio": {"remove": ["X-a"], "add": ["X-b"]}, "other": {"add": ["X-c"]}}
    offered = proxy.offer(text, sdp_attr=changes)
    assert ["X-a" in section.attributes for section in offered.media] == [False, True, False]
    assert ["X-b" in section.attributes for section in offered.media] == [True, False, False]
    assert "X-c" not in offered.text


async def test_changed_attributes_count_as_a_change_of_the_sdp(proxy):
    replace = ["sdp-version"]
    first = proxy.offer(sdp(4000, version=3), replace=replace)
    proxy.answer(sdp(5000))
    changed = proxy.offer(
        sdp(4000, version=3), to_tag="bob", replace=replace, sdp_attr={"audio": {"add": ["X-a"]}}
    )
    assert [first.origin.version, changed.origin.version] == [3, 4]


@pytest.mark.parametrize(
    "keys",
    [
        {"sdp_attr": {"audio": {"add": 1}}},
        {"sdp_attr": {"audio": "x"}},
        {"sdp_attr": {"subtitles": {"add": ["x"]}}},
        {"sdp_attr": "x"},
        {"flags": ["sdp-attr-substitute-audio-x"]},
        {"sdp_media_remove": {}},
        {"sdp_media_remove": ["subtitles"]},
        {"sdp_media_remove": [["video"]]},
    ],
)
async def test_manipulations_that_make_no_sense_make_no_call(proxy, calls, interfaces, keys):
    with pytest.raises(InvalidParameters):
        proxy.offer(sdp(4000), **keys)
    assert len(calls) == 0
    assert interfaces.pools[0].in_use == 0
