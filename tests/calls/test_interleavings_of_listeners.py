"""Whatever order calls, listeners and connections come in: no port lost, nobody wired to who is gone."""

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.audience import sources_of
from karl_trio.errors import NgError
from karl_trio.media.relay import Stream

from .proxy import sdp
from .test_interleavings import BRANCHES, CALL_IDS, TAGS, Chaos

EVERYBODY = (*TAGS, "recorder", "dave")
FLAGS = ([], [], ["egress"], ["bidirectional"], ["RTCP-mirror"], ["directional"], ["inactive"])


class Crowd(Chaos):
    """Sends requests about listeners, too."""

    def step(self):
        if self.random.random() < 0.3:
            super().step()
            return
        try:
            self.listen(self.random.choice, self.random.choice(CALL_IDS))
        except NgError:
            self.refused += 1

    def listen(self, choose, call_id):
        proxy, tag, other = self.proxy, choose(EVERYBODY), choose(EVERYBODY)
        match self.random.randrange(12):
            case 0:
                proxy.publish(self.body(), call_id=call_id, from_tag=tag, flags=choose(FLAGS))
            case 1:
                proxy.create(call_id=call_id, from_tag=tag, rtcp_mux=choose((None, ["offer"])))
            case 2:
                proxy.create_answer(self.body(), call_id=call_id, from_tag=tag)
            case 3 | 4 | 5:
                keys = choose(({"from_tag": other}, {"all": "all"}, {"from_tags": [*TAGS]}))
                proxy.subscribe(
                    call_id=call_id, to_tag=choose((tag, "recorder")), flags=choose(FLAGS), **keys
                )
            case 6 | 7:
                proxy.subscribe_answer(sdp(4000), choose((tag, "recorder")), call_id=call_id)
            case 8:
                proxy.unsubscribe(tag, call_id=call_id, from_tag=other, flags=choose(([], ["directional"])))
            case 9:
                to_call_id = choose((None, *CALL_IDS))
                proxy.connect(
                    tag, call_id=call_id, from_tag=other, to_call_id=to_call_id, flags=choose(FLAGS)
                )
            case 10:
                source_call_id = choose((None, *CALL_IDS))
                stop = choose((True, False))
                proxy.inject(tag, other, call_id=call_id, source_call_id=source_call_id, stop=stop)
            case 11:
                proxy.mesh(choose(([call_id], list(CALL_IDS))))


def streams_behind(sink):
    """The stream that a sink leads to, behind whatever stands before it."""
    while not isinstance(sink, Stream):
        sink = sink.sink
    return sink


def check_books(calls, interfaces):
    streams = [stream for call in calls for stream in call.streams]
    open_streams = {id(stream) for stream in streams}
    assert len(open_streams) == len(streams)
    assert not any(stream.port.is_closed for stream in streams)
    for call in calls:
        assert call.legs
        assert {leg.call_id for leg in call.legs} == set(call.call_ids)
        assert all(calls.get(call_id) is call for call_id in call.call_ids)
        for leg in call.legs:
            assert all(leg in peer.peers and peer in call.legs for peer in leg.peers)
            assert all(each.listener in call.legs for each in leg.subscribers)
            assert all(each.listener_media <= len(each.listener.media) for each in leg.subscribers)
            assert leg not in sources_of(call, leg)
            for media in leg.media:
                assert all(face.peer is None or face.peer in leg.peers for face in media.faces)
        for stream in call.streams:
            for sinks in (stream.sinks, stream.rtcp_sinks):
                assert all(id(streams_behind(sink)) in open_streams for sink in sinks)
                assert len({id(streams_behind(sink)) for sink in sinks}) == len(sinks)
                assert stream not in sinks
    # One port of a pair may be spare, or closed but still counted.
    ports = {stream.port.endpoint.port for stream in streams}
    assert len(ports) <= interfaces.pools[0].in_use <= 2 * len({port // 2 for port in ports})


@pytest.mark.parametrize("seed", range(16))
async def test_random_requests_leave_the_books_in_order(proxy, calls, interfaces, seed):
    crowd = Crowd(proxy, seed)
    for _ in range(200):
        crowd.step()
        await wait_all_tasks_blocked()
        check_books(calls, interfaces)
    assert crowd.refused < 170
    for call_id in CALL_IDS:
        if calls.get(call_id) is not None:
            proxy.delete(call_id=call_id, delete_delay=0, via_branch=BRANCHES[0])
    await wait_all_tasks_blocked()
    assert (len(calls), interfaces.pools[0].in_use, len(calls.poller)) == (0, 0, 0)
