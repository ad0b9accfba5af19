"""Calls that are forked: what becomes of the caller's ports when branches are added, refuse or go."""

import pytest
from trio.testing import wait_all_tasks_blocked

from ..media.fakes import receiver_report, rtp
from .proxy import ports, sdp

ONE, TWO = {"via_branch": "z9hG4bK-1"}, {"via_branch": "z9hG4bK-2"}


def both(audio, video):
    return sdp(0, media=[("audio", audio, ()), ("video", video, ())])


@pytest.fixture
def in_use(interfaces):
    """The number of ports that are open."""

    async def count():
        await wait_all_tasks_blocked()
        return interfaces.pools[0].in_use

    return count


async def test_a_media_that_all_branches_reject_has_no_port_left(proxy, in_use):
    for branch in (ONE, TWO):
        proxy.offer(both(4000, 4002), **branch)
    assert await in_use() == 12
    assert ports(proxy.answer(both(5000, 0), to_tag="bob-1", **ONE))[1] == 0
    # The other one may still take it.
    assert await in_use() == 10
    assert ports(proxy.answer(both(6000, 0), to_tag="bob-2", **TWO))[1] == 0
    assert await in_use() == 8


async def test_nor_one_that_a_branch_rejects_when_the_other_is_cancelled(proxy, in_use):
    for branch in (ONE, TWO):
        proxy.offer(both(4000, 4002), **branch)
    proxy.answer(both(5000, 0), to_tag="bob-1", **ONE)
    proxy.delete(from_tag="alice", **TWO)
    assert await in_use() == 4


async def test_a_media_that_the_last_branch_takes_has_the_port_that_was_kept_for_it(proxy, phones, in_use):
    alice, alice_video, bob_video = phones(), phones(), phones()
    for branch in (ONE, TWO):
        offered = proxy.offer(both(alice.endpoint.port, alice_video.endpoint.port), **branch)
    proxy.answer(both(5000, 0), to_tag="bob-1", **ONE)
    answered = proxy.answer(both(6000, bob_video.endpoint.port), to_tag="bob-2", **TWO)
    await wait_all_tasks_blocked()
    bob_video.say(rtp(1), ports(offered)[1])
    assert await alice_video.hear(1) == [(rtp(1), ports(answered)[1])]


async def test_early_media_goes_on_from_the_port_it_came_from_while_another_branch_rings(proxy, phones):
    alice, bob = phones(), phones()
    (for_bob,) = ports(proxy.offer(sdp(alice.endpoint.port), **ONE))
    (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port), to_tag="bob-1", **ONE))
    proxy.offer(sdp(alice.endpoint.port), **TWO)
    await wait_all_tasks_blocked()
    bob.say(rtp(1), for_bob)
    assert await alice.hear(1) == [(rtp(1), for_alice)]
    # Nor does an offer from there tell of another port.
    assert ports(proxy.offer(sdp(bob.endpoint.port), from_tag="bob-1", to_tag="alice")) == [for_alice]
    proxy.answer(sdp(alice.endpoint.port), from_tag="bob-1", to_tag="alice")
    proxy.answer(sdp(6000), to_tag="bob-2", **TWO)
    await wait_all_tasks_blocked()
    bob.say(rtp(2), for_bob)
    assert await alice.hear(1) == [(rtp(2), for_alice)]


async def test_what_one_branch_rejects_again_leaves_the_ports_of_the_other_as_they_are(proxy, phones, in_use):
    alice, video, bob = phones(), phones(), phones()
    body = both(alice.endpoint.port, video.endpoint.port)
    told = {}
    for branch, tag, answer in ((ONE, "bob-1", both(5000, bob.endpoint.port)), (TWO, "bob-2", both(6000, 0))):
        offered = ports(proxy.offer(body, **branch))
        told[tag] = offered, ports(proxy.answer(answer, to_tag=tag, **branch))
    before = await in_use()
    proxy.offer(body, to_tag="bob-2")
    for_bob, for_alice = told["bob-1"]
    for sequence in (1, 2):
        await wait_all_tasks_blocked()
        bob.say(rtp(sequence), for_bob[1])
        assert await video.hear(1) == [(rtp(sequence), for_alice[1])]
        proxy.answer(both(6000, 0), to_tag="bob-2")
    assert await in_use() == before


async def test_that_one_branch_shares_its_ports_does_not_take_those_of_another(proxy, phones):
    alice, sharing, separate = phones(), phones(), phones()
    body = sdp(alice.endpoint.port, attributes=["rtcp-mux"])
    for branch in (ONE, TWO):
        offered = proxy.offer(body, **branch)
    (for_separate,) = ports(offered)
    answered = proxy.answer(sdp(separate.endpoint.port), to_tag="bob-2", **TWO)
    proxy.answer(sdp(sharing.endpoint.port, attributes=["rtcp-mux"]), to_tag="bob-1", **ONE)
    assert "rtcp-mux" not in answered.text
    (for_alice,) = ports(answered)
    await wait_all_tasks_blocked()
    separate.rtcp.sendto(receiver_report(), ("127.0.0.1", for_separate + 1))
    assert await alice.hear(1, alice.rtcp) == [(receiver_report(), for_alice + 1)]
    alice.rtcp.sendto(receiver_report(), ("127.0.0.1", for_alice + 1))
    assert await separate.hear(1, separate.rtcp) == [(receiver_report(), for_separate + 1)]
