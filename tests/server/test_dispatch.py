"""From the octets of a request to the octets of its reply: every request is answered, once, whatever
happens."""

import logging

import pytest
import trio
import trio.testing

from karl_trio.endpoint import Endpoint
from karl_trio.errors import OutOfPorts, SessionLimitReached, UnknownCall
from karl_trio.logs import current_call_id
from karl_trio.ng.framing import Format, encode, frame, parse
from karl_trio.ng.requests import DeleteRequest, OfferRequest, PingRequest, QueryRequest
from karl_trio.server.dispatch import MAX_IN_FLIGHT

OFFER = {"call_id": "c", "from_tag": "f", "sdp": "v=0\r\n"}


def ping_counter(commands):
    """Register a `ping` that numbers its replies."""
    calls = []

    @commands.command("ping", PingRequest)
    def ping(request, daemon):
        calls.append(request)
        return {"result": "pong", "number": len(calls)}

    return calls


def refuse_offers(commands, error):
    @commands.command("offer", OfferRequest)
    def offer(request, daemon):
        raise error


@pytest.mark.parametrize("form", Format)
async def test_a_reply_is_written_like_its_request(client, commands, form):
    ping_counter(commands)
    assert client.ask("ping", format=form) == {"result": "pong", "number": 1}


async def test_the_result_is_ok_unless_the_handler_says_otherwise(client, commands):
    @commands.command("query", QueryRequest)
    def query(request, daemon):
        return {"call": request.call_id}

    assert client.ask("query", call_id="c1") == {"result": "ok", "call": "c1"}


async def test_a_repeated_request_gets_the_same_bytes_and_is_not_carried_out_again(client, commands):
    carried_out = ping_counter(commands)
    request = frame(b"same", {"command": "ping"}, Format.BENCODE)
    first = client.send(request)
    # Another peer, perhaps another transport and another body: the cookie alone counts.
    client.source = Endpoint("192.0.2.99", 1234)
    assert client.send(request) == first
    assert client.send(frame(b"same", {"command": "delete", "call-id": "c"}, Format.JSON)) == first
    assert client.send(b"same d7:comm") == first
    assert len(carried_out) == 1


async def test_a_repeated_request_gets_the_same_error(client, commands):
    refuse_offers(commands, UnknownCall("c"))
    first = client.ask("offer", cookie=b"x", **OFFER)
    commands._commands.clear()
    assert client.ask("offer", cookie=b"x", **OFFER) == first


async def test_an_answer_is_forgotten_after_a_minute(client, commands, autojump_clock):
    ping_counter(commands)
    assert client.ask("ping", cookie=b"x")["number"] == 1
    await trio.sleep(29)
    assert client.ask("ping", cookie=b"x")["number"] == 1
    await trio.sleep(32)
    assert client.ask("ping", cookie=b"x")["number"] == 2


async def test_a_request_that_cannot_be_decoded_is_told_so_under_its_cookie(client):
    cookie, reply = client.send(b"c1 d7:command4:pin").split(b" ", 1)
    assert cookie == b"c1"
    body = parse(b"c1 " + reply).body
    assert body["result"] == "error"
    assert body["error-reason"].startswith("Parse error: ")


async def test_json_that_cannot_be_decoded_is_told_so_in_json(client):
    message = parse(client.send(b'c1 {"command": '))
    assert message.format is Format.JSON
    assert message.body["error-reason"].startswith("Parse error: ")


async def test_a_datagram_without_a_cookie_gets_silence_and_is_counted(client, dispatcher):
    for datagram in (b"", b" d7:command4:pinge", b"d7:command4:pinge", b"\0" * 100):
        assert client.send(datagram) is None
    assert dispatcher.daemon.counters.without_cookie == 4


async def test_a_garbled_request_does_not_spoil_the_cookie_for_the_good_one(client, commands):
    ping_counter(commands)
    assert b"Parse error" in client.send(b"c1 d7:command4:pin")
    assert client.ask("ping", cookie=b"c1")["result"] == "pong"


async def test_an_unknown_command_is_told_so(client, dispatcher):
    assert client.ask("frobnicate") == {"result": "error", "error-reason": "Unrecognized command"}
    assert dispatcher.daemon.counters.unrecognized == 1


async def test_a_documented_command_without_a_handler_is_refused_and_never_an_empty_ok(client):
    reply = client.ask("delete", call_id="c")
    assert (reply["result"], reply["error-reason"]) == ("error", "Not supported")


async def test_a_fault_of_ours_is_an_internal_error_and_one_traceback(client, commands, caplog):
    refuse_offers(commands, ZeroDivisionError("oops"))
    assert client.ask("offer", **OFFER) == {"result": "error", "error-reason": "Internal error"}
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "oops" in caplog.text


async def test_a_reply_that_cannot_be_encoded_is_an_internal_error(client, commands, caplog):
    @commands.command("ping", PingRequest)
    def ping(request, daemon):
        return {"fraction": 0.5}

    assert client.ask("ping") == {"result": "error", "error-reason": "Internal error"}
    assert sum(record.exc_info is not None for record in caplog.records) == 1


@pytest.mark.parametrize(
    ("error", "for_failover", "page"),
    [
        (SessionLimitReached, "Parallel session limit reached", "Session limit reached"),
        (OutOfPorts, "Ran out of ports", "Port allocation failed"),
    ],
)
async def test_no_room_is_told_in_the_words_that_make_each_proxy_go_to_the_next_node(
    client, commands, error, for_failover, page
):
    refuse_offers(commands, error())
    dialect = {"supports": ["load limit"], "received_from": ["IP4", "192.0.2.1"]}
    assert client.ask("offer", **OFFER, **dialect) == {"result": "load limit", "message": for_failover}
    del dialect["supports"]
    assert client.ask("offer", **OFFER, **dialect) == {"result": "error", "error-reason": for_failover}
    assert client.ask("offer", **OFFER) == {"result": "error", "error-reason": page}


async def test_warnings_about_the_request_and_of_the_handler_arrive_together(client, commands):
    @commands.command("query", QueryRequest)
    def query(request, daemon):
        return {"warning": "something of the handler"}

    assert "warning" in client.ask("query", call_id="c")
    warning = client.ask("query", call_id="c", nonsense="x")["warning"]
    assert "nonsense" in warning
    assert warning.endswith("; something of the handler")


async def test_a_large_reply_sheds_over_udp_and_is_whole_elsewhere(client, commands):
    @commands.command("query", QueryRequest)
    def query(request, daemon):
        streams = [{"local port": 30000 + number, "stats": {"packets": number}} for number in range(100)]
        return {"created": 1, "tags": {"a": {"tag": "a", "medias": [{"index": 1, "streams": streams}]}}}

    whole = client.ask("query", call_id="c")
    assert len(whole["tags"]["a"]["medias"][0]["streams"]) == 100
    shed = client.ask("query", call_id="c", size_limit=1400)
    assert shed["truncated"]
    assert shed["created"] == 1
    assert len(client.replies[-1]) <= 1400


async def test_log_lines_of_a_request_carry_its_call_id(client, commands):
    seen = []

    @commands.command("query", QueryRequest)
    def query(request, daemon):
        seen.append(current_call_id.get())
        return {}

    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.lowlevel.checkpoint()
        seen.append(current_call_id.get())
        return {}

    client.ask("query", call_id="call-1")
    client.ask("delete", call_id="call-2")
    await trio.testing.wait_all_tasks_blocked()
    assert seen == ["call-1", "call-2"]
    assert current_call_id.get() is None


async def test_requests_are_counted_by_proxy_and_command(client, commands, dispatcher):
    ping_counter(commands)
    refuse_offers(commands, UnknownCall("c"))
    client.ask("ping", cookie=b"x")
    client.ask("ping", cookie=b"x")
    client.ask("offer", **OFFER)
    client.ask("offer")  # lacks all that it needs
    client.ask("\x1b[2J")
    counted = dispatcher.daemon.counters.reply(commands)
    (proxy,) = counted["proxies"]
    assert proxy["proxy"] == "192.0.2.10"
    assert (proxy["pingcount"], proxy["offercount"], proxy["errorcount"]) == (1, 2, 2)
    assert float(proxy["pingduration"]) > 0
    assert (counted["repeated"], counted["unrecognized"]) == (1, 1)
    assert "\x1b" not in str(counted)


@pytest.fixture
def gate(commands):
    """Register a `delete` that waits until the gate is opened."""
    opened = trio.Event()

    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await opened.wait()
        if request.call_id == "unlucky":
            raise UnknownCall(request.call_id)
        if request.call_id == "broken":
            raise RuntimeError("broken")
        return {"call": request.call_id}

    return opened


async def test_copies_of_a_request_being_worked_on_wait_for_its_answer(client, gate):
    assert client.ask("delete", cookie=b"x", call_id="c") is None
    assert client.ask("delete", cookie=b"x", call_id="c") is None
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    first, second = client.replies
    assert first == second
    assert parse(first).body == {"result": "ok", "call": "c"}
    assert client.send(frame(b"x", {"command": "delete", "call-id": "c"}, Format.BENCODE)) == first


@pytest.mark.parametrize(
    ("call_id", "reason"), [("unlucky", "Unknown call-id"), ("broken", "Internal error")]
)
async def test_a_request_that_fails_later_is_answered_too(client, gate, call_id, reason):
    client.ask("delete", call_id=call_id)
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    (reply,) = client.replies
    assert parse(reply).body == {"result": "error", "error-reason": reason}


@pytest.mark.parametrize("form", Format)
async def test_a_request_without_a_cookie_is_carried_out_each_time(dispatcher, client, commands, form):
    carried_out = ping_counter(commands)
    for _ in range(2):
        await dispatcher.take(
            encode({"command": "ping"}, form), client.source, client.replies.append, has_cookie=False
        )
    assert client.replies == [encode({"result": "pong", "number": number}, form) for number in (1, 2)]
    assert len(carried_out) == 2
    assert len(dispatcher.cookies) == 0


async def test_requests_without_a_cookie_that_wait_do_not_wait_for_each_other(dispatcher, client, gate):
    for call_id in ("c1", "unlucky"):
        request = encode({"command": "delete", "call-id": call_id}, Format.BENCODE)
        await dispatcher.take(request, client.source, client.replies.append, has_cookie=False)
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(client.replies) == [
        encode({"result": "error", "error-reason": "Unknown call-id"}, Format.BENCODE),
        encode({"result": "ok", "call": "c1"}, Format.BENCODE),
    ]


async def test_too_many_requests_in_progress_are_refused_and_may_come_again(
    client, commands, dispatcher, gate
):
    for number in range(MAX_IN_FLIGHT):
        assert client.ask("delete", call_id=f"c{number}") is None
    refused = client.ask("delete", cookie=b"late", call_id="late")
    assert refused == {"result": "error", "error-reason": "Load limit exceeded"}
    assert dispatcher.daemon.counters.overloaded == 1
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert client.ask("delete", cookie=b"late", call_id="late") is None
    await trio.testing.wait_all_tasks_blocked()
    assert parse(client.replies[-1]).body == {"result": "ok", "call": "late"}
