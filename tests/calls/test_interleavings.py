"""Whatever order requests come in: only documented errors, no port lost, no stream left over."""

from random import Random

import pytest
from trio.testing import wait_all_tasks_blocked

from karl_trio.errors import NgError
from karl_trio.media.extensions import ExtensionFilter

from .proxy import sdp

CALL_IDS = ("call-1", "call-2")
TAGS = ("alice", "bob", "carol")
BRANCHES = (None, None, "z9hG4bK-1", "z9hG4bK-2")
DIRECTIONS = (None, None, "sendonly", "recvonly", "inactive")


BUNDLES = (None, None, ["accept"], ["offer"], ["require"], ["strict"], ["accept", "require"], ["reject"])


def bundled(body, bundle_only):
    """Name the media of an SDP by their number, and put them all into a bundle."""
    first, *sections = body.split("m=")
    names = [str(number) for number, _ in enumerate(sections, 1)]
    named = [f"m={text}a=mid:{name}\r\n{bundle_only}" for name, text in zip(names, sections, strict=True)]
    return f"{first}a=group:BUNDLE {' '.join(names)}\r\n" + "".join(named)


class Chaos:
    """Sends requests of every kind to a call table, chosen by a seeded random."""

    def __init__(self, proxy, seed):
        self.proxy = proxy
        self.random = Random(seed)
        self.refused = 0

    def body(self):
        choose = self.random.choice
        kinds = self.random.choices(["audio", "video", "image"], [6, 3, 1], k=choose((1, 1, 1, 2, 3)))
        media = [
            (kind, choose((0, 4000, 4000, 4020, 4040)), choose(((), (), ("rtcp-mux",)))) for kind in kinds
        ]
        body = sdp(0, media=media, direction=choose(DIRECTIONS))
        if choose((True, False)):
            body = bundled(body, choose(("", "", "a=bundle-only\r\n")))
        return (
            body
            if self.random.random() < 0.95
            else body.replace("127.0.0.1", choose(("0.0.0.0", "224.1.1.1")))
        )

    def step(self):
        choose = self.random.choice
        keys = {"call_id": choose(CALL_IDS), "from_tag": choose(TAGS)}
        try:
            match self.random.randrange(10):
                case 0 | 1 | 2 | 3:
                    self.proxy.offer(
                        self.body(),
                        to_tag=choose((None, None, *TAGS)),
                        via_branch=choose(BRANCHES),
                        rtcp_mux=choose((None, None, ["demux"], ["require"], ["accept"])),
                        bundle=choose(BUNDLES),
                        **keys,
                    )
                case 4 | 5 | 6 | 7:
                    self.proxy.answer(self.body(), to_tag=choose(TAGS), via_branch=choose(BRANCHES), **keys)
                case 8:
                    self.proxy.delete(via_branch=choose(BRANCHES), delete_delay=choose((0, 0, 30)), **keys)
                case 9:
                    self.proxy.delete(call_id=keys["call_id"], to_tag=choose((None, *TAGS)))
        except NgError:
            self.refused += 1


def check_books(calls, interfaces):
    """Every open port is of a face, and everything that is wired is open."""
    streams = [stream for call in calls for stream in call.streams]
    assert len({id(stream) for stream in streams}) == len(streams)
    assert not any(stream.port.is_closed for stream in streams)
    open_streams = {id(stream) for stream in streams}
    for call in calls:
        assert len(call.legs) > 1
        for leg in call.legs:
            assert all(leg in peer.peers and peer in call.legs for peer in leg.peers)
            faces = [face for media in leg.media for face in media.faces]
            assert all(face.peer is None or face.peer in leg.peers for face in faces)
        for stream in call.streams:
            for sink in (*stream.sinks, *stream.rtcp_sinks):
                # A filter stands before its stream.
                target = sink
                while isinstance(target, ExtensionFilter):
                    target = target.sink
                target = getattr(target, "stream", target)
                assert id(target) in open_streams
                assert target is not stream
        check_companions(call)
        check_bundles(call)
    # One port of a pair may be spare, or closed but still counted.
    ports = {stream.port.endpoint for stream in streams}
    pairs = {(port.address, port.port // 2) for port in ports}
    assert len(ports) <= sum(pool.in_use for pool in interfaces.pools) <= 2 * len(pairs)


def check_companions(call):
    """RTCP beside an RTP port is of one media only, whoever shares that."""
    faces = [face for _, media in call.media for face in media.faces]
    for face in faces:
        beside = [other.rtcp for other in faces if other.carrier is face.carrier and other.rtcp is not None]
        assert [face.carrier.companion] == (beside or [None])


def check_bundles(call):
    """Whoever shares a port is a member of its bundle, and the port is relayed as long as there is one."""
    members = [face for leg in call.legs for media in leg.media for face in media.faces if face.bundle]
    for face in members:
        assert face.bundle.members[face.rtp.number] is face.rtp
        assert face.rtp.port is face.bundle.transport.port
        assert not face.has_rtcp_port
        assert face.bundle.transport in call.relayed
    bundles = {id(face.bundle): face.bundle for face in members}.values()
    assert sum(len(bundle.members) for bundle in bundles) == len(members)


@pytest.mark.parametrize("seed", range(12))
async def test_random_requests_leave_the_books_in_order(proxy, calls, interfaces, nursery, seed):
    chaos = Chaos(proxy, seed)
    for _ in range(150):
        chaos.step()
        await wait_all_tasks_blocked()
        check_books(calls, interfaces)
    assert chaos.refused < 120
    for call_id in CALL_IDS:
        if calls.get(call_id) is not None:
            proxy.delete(call_id=call_id, delete_delay=0)
    await wait_all_tasks_blocked()
    assert len(calls) == 0
    assert interfaces.pools[0].in_use == 0
    assert len(calls.poller) == 0


@pytest.mark.parametrize("seed", range(100, 104))
async def test_requests_in_a_burst_leave_the_books_in_order_too(proxy, calls, interfaces, seed):
    chaos = Chaos(proxy, seed)
    for _ in range(20):
        for _ in range(20):
            chaos.step()
        await wait_all_tasks_blocked()
        check_books(calls, interfaces)
