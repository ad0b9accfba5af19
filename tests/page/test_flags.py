"""The flags for addresses, codecs and media, seen in the SDP and in where packets go."""

from __future__ import annotations

import pytest
import trio

from karl_trio.media.latch import PROBATION_PACKETS, PROBATION_TIME
from karl_trio.sdp.description import parse

from ..calls.phones import Phone
from ..calls.proxy import sdp
from .conftest import hears, port_in

ELSEWHERE = "127.0.0.3"


@pytest.fixture
def carol():
    """A phone at another address of this host, where SDP that lies does not point to."""
    phone = Phone(ELSEWHERE)
    yield phone
    phone.close()


async def offer_and_answer(page, offer, answer, **keys):
    """Return the ports that the caller and the callee are told."""
    offered = await page.ask("offer", call_id="call", from_tag="a", sdp=offer, **keys)
    answered = await page.ask("answer", call_id="call", from_tag="a", to_tag="b", sdp=answer, **keys)
    return port_in(answered["sdp"]), port_in(offered["sdp"])


async def test_trust_address_sends_to_where_the_sdp_says(page, phones):
    alice, bob = phones
    for_alice, _ = await offer_and_answer(
        page,
        sdp(alice.endpoint.port),
        sdp(bob.endpoint.port),
        flags=["trust-address"],
        received_from=["IP4", ELSEWHERE],
    )
    assert await hears(bob, alice, for_alice)


async def test_sip_source_address_sends_to_where_the_sip_message_came_from(page, phones, carol):
    alice, _ = phones
    await page.ask("offer", call_id="call", from_tag="a", sdp=sdp(alice.endpoint.port))
    answered = await page.ask(
        "answer",
        call_id="call",
        from_tag="a",
        to_tag="b",
        sdp=sdp(carol.endpoint.port, address="192.168.7.7"),
        flags=["SIP-source-address"],
        received_from=["IP4", ELSEWHERE],
    )
    assert await hears(carol, alice, port_in(answered["sdp"]))


async def test_symmetric_sends_back_to_where_media_comes_from(page, phones, carol):
    alice, bob = phones
    # Bob says so, but his media comes from where Carol is.
    for_alice, for_bob = await offer_and_answer(
        page, sdp(alice.endpoint.port), sdp(bob.endpoint.port), flags=["symmetric"]
    )
    for sequence in range(PROBATION_PACKETS):
        # A source that SDP does not name has to prove itself.
        assert await hears(alice, carol, for_bob, sequence)
        await trio.sleep(PROBATION_TIME)
    assert await hears(carol, alice, for_alice)
    assert bob.is_silent()


async def test_asymmetric_goes_on_sending_to_where_the_sdp_says(page, phones, carol):
    alice, bob = phones
    for_alice, for_bob = await offer_and_answer(
        page, sdp(alice.endpoint.port), sdp(bob.endpoint.port), flags=["asymmetric"]
    )
    for sequence in range(PROBATION_PACKETS):
        assert await hears(alice, carol, for_bob, sequence)
        await trio.sleep(PROBATION_TIME)
    assert await hears(bob, alice, for_alice)
    assert carol.is_silent()


CODECS = (
    sdp(4000)
    .replace("RTP/AVP 0 8", "RTP/AVP 0 8 18")
    .replace("a=rtpmap:0", "a=rtpmap:18 G729/8000\r\na=rtpmap:0")
)


@pytest.mark.parametrize(
    ("flags", "formats"),
    [
        (["codec-strip-all", "codec-offer-PCMA"], ("8",)),
        (["codec-strip-all", "codec-offer-G729", "codec-offer-PCMU"], ("18", "0")),
        (["codec-mask-G729"], ("0", "8")),
        (["codec-mask-all", "transcode-PCMA"], ("8",)),
    ],
)
async def test_codecs_are_taken_away_and_put_back(page, flags, formats):
    reply = await page.ask("offer", call_id="call", from_tag="a", sdp=CODECS, flags=flags)
    assert parse(reply["sdp"]).media[0].formats == formats


async def test_media_timeout_ends_a_call_that_has_fallen_silent(page, phones):
    alice, bob = phones
    for_alice, _ = await offer_and_answer(
        page, sdp(alice.endpoint.port), sdp(bob.endpoint.port), flags=["media-timeout=1"]
    )
    assert await hears(bob, alice, for_alice)
    with trio.fail_after(10):
        while (await page.ask("list"))["calls"]:
            await trio.sleep(0.2)
    assert (await page.ask("statistics"))["totalstatistics"]["timeoutsessions"] == 1
