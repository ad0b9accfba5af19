"""The client against nodes on real loopback sockets; no test here really waits."""

import pytest
import trio

from karl_trio.client import NgClient, NodeState, NoNodeAnswered, RequestFailed
from karl_trio.endpoint import Endpoint
from karl_trio.ng import framing

PING = {"command": "ping"}


def silence(body):
    return None


def pong(body):
    return {"result": "pong"}


def full(body):
    return {"result": "load limit", "message": "Parallel session limit reached"}


def answers_after(silences):
    """Say nothing to so many requests, then pong."""
    replies = iter([None] * silences)
    return lambda body: next(replies, {"result": "pong"})


async def test_a_request_brings_the_reply(clock, open_node):
    node = await open_node(lambda body: {"result": "ok", "echo": [body["command"], 7]})
    async with NgClient([node.name]) as client:
        assert await client.request({"command": "version"}) == {"result": "ok", "echo": ["version", 7]}


async def test_text_that_is_no_utf_8_goes_there_and_back_unchanged(clock, open_node):
    node = await open_node(lambda body: {"result": "ok", "call-id": body["call-id"]})
    async with NgClient([node.name]) as client:
        call_id = b"caf\xe9".decode(errors="surrogateescape")
        assert (await client.query(call_id))["call-id"] == call_id


async def test_a_lost_request_is_sent_again_with_the_same_cookie(clock, open_node):
    node = await open_node(answers_after(2))
    async with NgClient([node.name], attempts=3, wait=0.5) as client:
        await client.ping()
    assert len({request.cookie for request in node.requests}) == 1
    assert node.times == pytest.approx([0, 0.5, 1], abs=0.05)


async def test_different_requests_have_different_cookies(clock, open_node):
    node = await open_node(pong)
    async with NgClient([node.name]) as client, NgClient([node.name]) as another:
        for asking in (client, another, client, another):
            await asking.ping()
    assert len({request.cookie for request in node.requests}) == 4


async def test_replies_in_another_order_find_their_requests(clock, open_node, nursery):
    node = await open_node(silence)
    results = []

    async def ask(name):
        results.append((name, (await client.query(name))["name"]))

    async with NgClient([node.name]) as client, trio.open_nursery() as asking:
        for name in ("first", "second"):
            asking.start_soon(ask, name)
            await trio.testing.wait_all_tasks_blocked(0.01)
        first, second = node.requests
        await node.send(second.cookie, {"result": "ok", "name": "second"})
        await trio.testing.wait_all_tasks_blocked(0.01)
        await node.send(first.cookie, {"result": "ok", "name": "first"})
    assert results == [("second", "second"), ("first", "first")]


async def test_foreign_late_and_undecodable_replies_are_dropped_and_counted(clock, open_node):
    node = await open_node(silence)
    async with NgClient([node.name], attempts=1) as client:
        with pytest.raises(NoNodeAnswered):
            await client.ping()
        node.respond = pong
        late = node.requests[0].cookie
        await node.send(late, {"result": "pong"})
        await node.send(b"never-asked", {"result": "pong"})
        await node.socket.sendto(b"", node.peer)
        await node.socket.sendto(b"cookie d3:", node.peer)
        await client.ping()
        assert client.drops == {"unknown cookie": 2, "malformed": 2}


async def test_a_reply_from_somebody_else_is_none(clock, open_node):
    node, stranger = await open_node(silence), await open_node(silence)
    async with NgClient([node.name], attempts=1) as client, trio.open_nursery() as asking:

        async def ask():
            with pytest.raises(NoNodeAnswered):
                await client.ping()

        asking.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.01)
        stranger.peer = node.peer
        await stranger.send(node.requests[0].cookie, {"result": "pong"})


async def test_the_next_node_is_asked_when_one_is_silent_and_stays_the_first_choice(clock, open_node):
    dead, backup = await open_node(silence), await open_node(pong)
    async with NgClient([dead.name, backup.name], attempts=2, probe_every=100) as client:
        await client.ping()
        assert trio.current_time() == pytest.approx(2, abs=0.05)
        await client.ping()
        assert trio.current_time() == pytest.approx(2, abs=0.1)
        assert [node.state for node in client.nodes] == [NodeState.FAILED, NodeState.UP]
    assert (len(dead.requests), len(backup.requests)) == (2, 2)


async def test_a_failed_node_is_probed_and_used_again_once_it_answers(clock, open_node):
    node, backup = await open_node(silence), await open_node(pong)
    async with NgClient([node.name, backup.name], attempts=1, probe_every=10) as client:
        await client.ping()
        await trio.sleep(25)
        assert node.commands == ["ping"] * 3
        assert client.nodes[0].state is NodeState.FAILED
        node.respond = pong
        await trio.sleep(10)
        assert client.nodes[0].state is NodeState.UP
        probes = len(node.requests)
        await client.ping()
        assert len(node.requests) == probes + 1
        await trio.sleep(60)
        assert len(node.requests) == probes + 1, "a node that is up is not probed"


async def test_a_node_that_fails_again_is_probed_by_one_task_only(clock, open_node):
    node = await open_node(silence)
    async with NgClient([node.name], attempts=1, probe_every=10) as client:
        with pytest.raises(NoNodeAnswered):
            await client.ping()
        node.respond = pong
        await client.ping()
        assert client.nodes[0].state is NodeState.UP
        node.respond = silence
        with pytest.raises(NoNodeAnswered):
            await client.ping()
        asked = len(node.requests)
        await trio.sleep(28)
        assert len(node.requests) == asked + 2


async def test_the_only_node_is_asked_once_more_although_it_failed(clock, open_node):
    node = await open_node(answers_after(3))
    async with NgClient([node.name], attempts=3, probe_every=100) as client:
        with pytest.raises(NoNodeAnswered, match=r"127\.0\.0\.1:\d+: no answer"):
            await client.ping()
        await client.ping()
        assert client.nodes[0].state is NodeState.UP


async def test_a_request_that_is_too_much_for_a_live_node_does_not_fail_it(clock, open_node):
    node = await open_node(lambda body: None if body["command"] == "slow" else {"result": "pong"})
    async with NgClient([node.name], attempts=2) as client, trio.open_nursery() as asking:

        async def ask():
            with pytest.raises(NoNodeAnswered):
                await client.request({"command": "slow"})

        asking.start_soon(ask)
        await trio.sleep(1.5)
        await client.ping()
        await trio.sleep(1)
        assert client.nodes[0].state is NodeState.UP


async def test_a_closed_port_is_named_and_waited_for(clock):
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as closed:
        await closed.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{closed.getsockname()[1]}"
    async with NgClient([name], attempts=2) as client:
        with pytest.raises(NoNodeAnswered) as caught:
            await client.ping()
        assert trio.current_time() == pytest.approx(2, abs=0.05), "it may be restarting"
    assert caught.value.tried == (f"{name}: Connection refused",)


async def test_an_error_reply_is_raised_and_is_no_silence(clock, open_node):
    refusal = {"result": "error", "error-reason": "Unknown call-id", "warning": "odd"}
    node, backup = await open_node(lambda body: refusal), await open_node(pong)
    async with NgClient([node.name, backup.name]) as client:
        with pytest.raises(RequestFailed, match="Unknown call-id") as caught:
            await client.query("nobody")
    assert caught.value.reply == refusal
    assert backup.requests == []


@pytest.mark.parametrize(
    "refusal",
    [
        {"result": "load limit", "message": "Parallel session limit reached"},
        {"result": "error", "error-reason": "Port allocation failed"},
        {"result": "error", "error-reason": "Ran out of ports"},
    ],
)
async def test_a_full_node_is_passed_over_for_a_new_call(clock, open_node, refusal):
    node, backup = (
        await open_node(lambda body: refusal),
        await open_node(lambda body: {"result": "ok", "sdp": "v=0"}),
    )
    async with NgClient([node.name, backup.name]) as client:
        assert (await client.offer("call", "alice", "v=0")).sdp == "v=0"
        assert client.nodes[0].state is NodeState.UP
        await client.answer("call", "alice", "bob", "v=0")
    assert node.commands == ["offer"]
    assert backup.commands == ["offer", "answer"]
    assert node.requests[0].body["supports"] == ["load limit"]


async def test_when_all_are_full_the_reason_is_told(clock, open_node):
    nodes = [await open_node(full), await open_node(silence)]
    async with NgClient([node.name for node in nodes]) as client:
        with pytest.raises(RequestFailed, match="Parallel session limit reached"):
            await client.offer("call", "alice", "v=0")


async def test_a_call_stays_with_its_node_although_a_better_one_is_back(clock, open_node):
    ok = {"result": "ok", "sdp": "v=0"}
    node, backup = await open_node(silence), await open_node(lambda body: ok)
    async with NgClient([node.name, backup.name], attempts=1, probe_every=5) as client:
        await client.offer("call", "alice", "v=0")
        node.respond = lambda body: ok
        await trio.sleep(6)
        assert client.nodes[0].state is NodeState.UP
        await client.answer("call", "alice", "bob", "v=0")
        await client.delete("call")
        await client.offer("new call", "alice", "v=0")
    assert node.commands == ["offer", "ping", "offer"]
    assert backup.commands == ["offer", "answer", "delete"]


@pytest.mark.parametrize("command", ["publish", "create", "transform"])
async def test_a_call_that_is_no_offer_stays_with_its_node_too(clock, open_node, command):
    made = {"result": "ok", "call-id": "made up"}
    node, backup = await open_node(full), await open_node(lambda body: made)
    async with NgClient([node.name, backup.name]) as client:
        reply = await client.request({"command": command, "supports": ["load limit"]})
        await client.request({"command": "subscribe request", "call-id": reply["call-id"], "from-tag": "a"})
    assert node.commands == [command]
    assert backup.commands == [command, "subscribe request"]


async def test_a_call_moves_on_when_its_node_fails(clock, open_node):
    ok = {"result": "ok", "sdp": "v=0"}
    node, backup = await open_node(lambda body: ok), await open_node(lambda body: ok)
    async with NgClient([node.name, backup.name], attempts=1, probe_every=100) as client:
        await client.offer("call", "alice", "v=0")
        node.respond = silence
        await client.offer("call", "alice", "v=0")
        await client.answer("call", "alice", "bob", "v=0")
    assert backup.commands == ["offer", "answer"]


async def test_parameters_get_their_names_on_the_wire_and_what_is_absent_is_left_out(clock, open_node):
    node = await open_node(lambda body: {"result": "ok", "sdp": "v=0", "warning": ["one", "two"]})
    async with NgClient([node.name]) as client:
        reply = await client.offer(
            "c", "a", "v=0", transport_protocol="RTP/AVP", ICE="remove", flags=("trust-address",), to_tag=None
        )
        assert (reply.sdp, reply.warning) == ("v=0", "one\ntwo")
        await client.delete("c", "a", delete_delay=0)
        await client.list_calls(5)
        await client.statistics()
    offer, delete, listing, statistics = (request.body for request in node.requests)
    assert offer == {
        "command": "offer",
        "call-id": "c",
        "from-tag": "a",
        "sdp": "v=0",
        "transport-protocol": "RTP/AVP",
        "ICE": "remove",
        "flags": ["trust-address"],
        "supports": ["load limit"],
    }
    assert delete == {"command": "delete", "call-id": "c", "from-tag": "a", "delete-delay": 0}
    assert listing == {"command": "list", "limit": 5}
    assert statistics == {"command": "statistics"}


async def test_an_exception_in_the_body_comes_out_as_it_is(clock, open_node):
    node = await open_node(pong)
    with pytest.raises(LookupError):
        async with NgClient([node.name]):
            raise LookupError


async def test_cancelling_from_outside_ends_the_client(clock, open_node):
    node = await open_node(silence)
    with trio.move_on_after(5) as scope:
        async with NgClient([node.name], attempts=100) as client:
            await client.ping()
    assert scope.cancelled_caught
    with pytest.raises(RuntimeError, match="inside"):
        await client.ping()


async def test_a_request_that_fits_no_datagram_is_refused_before_it_is_sent(clock, open_node):
    node = await open_node(pong)
    async with NgClient([node.name]) as client:
        with pytest.raises(ValueError, match="65507 is the most"):
            await client.offer("call", "alice", "x" * 65_507)
    assert node.requests == []


async def test_misuse_is_told(clock, open_node):
    for arguments in (
        {"nodes": []},
        {"nodes": ["::1:x"]},
        {"nodes": ["h"], "attempts": 0},
        {"nodes": ["h"], "wait": 0},
    ):
        with pytest.raises(ValueError, match=r"."):
            NgClient(**arguments)
    client = NgClient([Endpoint("127.0.0.1", 9)])
    with pytest.raises(RuntimeError):
        await client.ping()
    async with client:
        with pytest.raises(RuntimeError):
            await client.__aenter__()


async def test_ipv6_nodes(clock, nursery):
    with trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM) as sock:
        try:
            await sock.bind(("::1", 0))
        except OSError:
            pytest.skip("this host has no IPv6")

        async def answer_one():
            datagram, source = await sock.recvfrom(2048)
            await sock.sendto(framing.frame(framing.parse(datagram).cookie, {"result": "pong"}), source)

        nursery.start_soon(answer_one)
        async with NgClient([f"[::1]:{sock.getsockname()[1]}"]) as client:
            await client.ping()
