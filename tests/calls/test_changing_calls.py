"""Listeners to a call that changes, and requests for listeners that change the call."""

import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.timeouts import deadline_of
from karl_trio.config import Settings
from karl_trio.sdp.description import parse

from ..media.fakes import rtp
from .proxy import ports, sdp


def both(audio, video, **options):
    return sdp(0, media=[("audio", audio.endpoint.port, ()), ("video", video.endpoint.port, ())], **options)


async def test_a_media_that_is_added_is_heard_once_it_is_subscribed_to(proxy, phones):
    alice, camera, bob, screen, recorder, video_recorder = (phones() for _ in range(6))
    proxy.offer(sdp(alice.endpoint.port))
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port)))
    reply = proxy.subscribe(from_tag="alice", to_tag="recorder")
    assert [section.kind for section in parse(reply.sdp).media] == ["audio"]
    proxy.subscribe_answer(sdp(recorder.endpoint.port, direction="recvonly"), "recorder")

    proxy.offer(both(alice, camera), to_tag="bob")
    (_, for_camera) = ports(proxy.answer(both(bob, screen)))
    await wait_all_tasks_blocked()
    alice.say(rtp(1), for_alice)
    camera.say(rtp(2, ssrc=9), for_camera)
    assert [datagram for datagram, _ in await screen.hear(1)] == [rtp(2, ssrc=9)]
    assert [datagram for datagram, _ in await recorder.hear(1)] == [rtp(1)]
    assert recorder.is_silent()

    offered = parse(proxy.subscribe(from_tag="alice", to_tag="recorder").sdp)
    assert [section.kind for section in offered.media] == ["audio", "video"]
    assert offered.media[0].port == parse(reply.sdp).media[0].port
    proxy.subscribe_answer(both(recorder, video_recorder, direction="recvonly"), "recorder")
    await wait_all_tasks_blocked()
    alice.say(rtp(3), for_alice)
    camera.say(rtp(4, ssrc=9), for_camera)
    assert await recorder.hear(1) == [(rtp(3), offered.media[0].port)]
    assert await video_recorder.hear(1) == [(rtp(4, ssrc=9), offered.media[1].port)]


async def test_what_is_wanted_for_the_call_with_a_listener_holds_for_the_call(proxy, phones, autojump_clock):
    alice, recorder = phones(), phones()
    proxy.offer(sdp(alice.endpoint.port))
    proxy.answer(sdp(5000))
    wishes = {"media_timeout": 5, "delete_delay": 7, "metadata": "case 1"}
    proxy.subscribe(all="all", to_tag="recorder", dry_run="yes", **wishes)
    assert "metadata" not in proxy.query()
    proxy.subscribe(from_tag="alice", to_tag="recorder", **wishes)
    assert proxy.query()["metadata"] == "case 1"
    assert deadline_of(proxy.call(), Settings()).at - trio.current_time() <= 5
    proxy.subscribe_answer(sdp(recorder.endpoint.port, direction="recvonly"), "recorder", media_timeout=9)
    assert 5 < deadline_of(proxy.call(), Settings()).at - trio.current_time() <= 9
    proxy.delete()
    # Whoever begins to listen now does not keep the call.
    proxy.subscribe(from_tag="alice", to_tag="latecomer", delete_delay=60)
    await trio.sleep(6.5)
    assert len(proxy.calls) == 1
    await trio.sleep(1)
    assert len(proxy.calls) == 0
