"""`transform`: media of another media proxy comes in at one port and goes on to its destination."""

import re

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.errors import InvalidParameters, InvalidSessionState, NotSupported

from ..media.fakes import rtp

PCMA = {"codec": "PCMA", "payload type": 8, "clock rate": 8000, "channels": 1}
PCMU = {"codec": "PCMU", "payload type": 0, "clock rate": 8000, "channels": 1}


def media(port, *, address="127.0.0.1", codec=({"input": PCMA, "output": PCMA},), **keys):
    destination = {"family": "IP4", "address": address, "port": port}
    return {"type": "audio", "codec": list(codec), "destination": destination, **keys}


async def test_media_goes_on_to_its_destination_unchanged(proxy, phones):
    sender, destination = phones(), phones()
    reply = proxy.transform([media(destination.endpoint.port, id="a1")])
    ((name, endpoint),) = reply.media
    assert (name, endpoint.address, endpoint.family) == ("a1", "127.0.0.1", "IP4")
    speech = rtp(1, payload_type=8)
    await wait_all_tasks_blocked()
    sender.say(speech, endpoint.port)
    assert await destination.hear(1) == [(speech, endpoint.port)]
    assert sender.is_silent()


async def test_names_are_made_up_if_there_are_none(proxy):
    reply = proxy.transform([media(4000), media(4002)], call_id=None, from_tag=None)
    assert [name for name, _ in reply.media] == ["1", "2"]
    assert re.fullmatch("[0-9a-f]{64}", reply.call_id)
    assert re.fullmatch("[0-9a-f]{64}", reply.from_tag)
    with pytest.raises(InvalidSessionState):
        proxy.transform([media(4000)], call_id=reply.call_id, from_tag=reply.from_tag)


async def test_another_codec_takes_a_transcoder(proxy):
    with pytest.raises(NotSupported) as refused:
        proxy.transform([media(4000, codec=[{"input": PCMA, "output": PCMU}])])
    warning = refused.value.as_reply()["warning"]
    assert warning == "8 PCMA/8000 into 0 PCMU/8000: transcoding is not there yet"
    assert len(proxy.calls) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        [media(0)],
        [media(65536)],
        [media("x")],
        [media(4000, address="example.org")],
        [media(4000, address="224.0.0.1")],
        [media(4000, address="::1")],
        [media(4000, type="au\r\ndio")],
        [media(4000, codec=[])],
        [media(4000, codec=["PCMA"])],
        [media(4000, codec=[{"input": {**PCMA, "payload type": 200}}])],
        [media(4000, codec=[{"input": {**PCMA, "codec": "x\r\ny"}}])],
        [{"type": "audio", "codec": [{"input": PCMA}]}],
        [media(4000)] * 65,
    ],
)
async def test_what_makes_no_sense_is_refused(proxy, interfaces, wanted):
    with pytest.raises(InvalidParameters):
        proxy.transform(wanted)
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)


async def test_it_ends_by_delete_like_any_call(proxy, interfaces):
    proxy.transform([media(4000)])
    proxy.delete(from_tag="alice", delete_delay=0)
    await wait_all_tasks_blocked()
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)


async def test_a_dry_run_changes_nothing(proxy, interfaces):
    reply = proxy.transform([media(4000)], flags=["dry-run"])
    assert reply.media[0][1].port
    assert (len(proxy.calls), interfaces.pools[0].in_use) == (0, 0)
