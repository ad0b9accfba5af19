"""A1 and A3: somebody listens to the call and sends nothing himself; a third host sends in his place."""

from .conftest import SETTINGS
from .hosts import Phone, begin, rtp, sdp

PORTS = range(SETTINGS.port_min, SETTINGS.port_max + 1)
PROBE = rtp(1, ssrc=0xBAD)


async def test_the_copy_goes_to_the_listener_alone_and_nothing_comes_in_by_his_ports(
    autojump_clock, daemon, client, alice, bob, mallory, hosts
):
    recorder = hosts(Phone, "127.0.1.9")
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.2)
    about = {"call-id": "call-1", "to-tag": "recorder"}
    await client.request({"command": "subscribe request", "from-tag": "alice", **about})
    body = sdp(recorder.address, recorder.port, attributes=["a=recvonly"])
    mallory.spray(PROBE, PORTS)
    await client.request({"command": "subscribe answer", "sdp": body, **about})
    first = alice.sequence + 1
    await talk.chat(3.0, beside=lambda: mallory.spray(PROBE, PORTS))
    copies = [rtp(sequence, ssrc=0xA11CE) for sequence in range(first, alice.sequence + 1)]
    assert recorder.heard() == copies
    assert mallory.booty() == []
    assert await talk.is_intact()
    await client.request({"command": "unsubscribe", **about})
    recorder.heard()
    await talk.chat(3.0)
    assert recorder.heard() == []
    assert await talk.is_intact()
