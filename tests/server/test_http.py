"""NG over HTTP, as people with curl, load balancers and those who mean no good meet it."""

from __future__ import annotations

import io
import json
from http.client import HTTPResponse

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from karl_trio.ng.requests import DeleteRequest
from karl_trio.ng.stream import MAX_MESSAGE
from karl_trio.server.hangup import Reason
from karl_trio.server.http import BODY_WITHIN, HEAD_WITHIN, KEEP_ALIVE, MAX_HEAD, serve_http
from karl_trio.server.outbox import SEND_WITHIN
from karl_trio.server.streams import REPLY_WITHIN

from .streams import Bystander, serve_on

PING = b"d7:command4:pinge"
PONG = b"d6:result4:ponge"


@pytest.fixture
def served(nursery, dispatcher, ping):
    """A client's end of a connection that `serve_http` has the other end of."""
    return serve_on(nursery, dispatcher, serve_http)


def request(method, path, body=b"", *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: media.example.net", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


class Received:
    """What the stdlib takes for a socket to read a response from."""

    def __init__(self, octets):
        self._octets = octets

    def makefile(self, mode):
        return io.BytesIO(self._octets)


async def ask(served, *parts, method="POST"):
    """Send a request that is the last one, and return the response."""
    for part in parts:
        await served.send(part)
    octets = await served.end()
    return parse(octets, method)


def parse(octets, method="POST"):
    response = HTTPResponse(Received(octets), method=method)
    response.begin()
    response.content = response.read()
    return response


async def test_ping(served):
    response = await ask(served, request("GET", "/ping"), method="GET")
    assert (response.status, response.content) == (200, b"pong\n")
    assert response.headers["Content-Type"].startswith("text/plain")


async def test_a_request_with_its_cookie(served):
    response = await ask(served, request("POST", "/ng", b"c1 " + PING))
    assert (response.status, response.content) == (200, b"c1 " + PONG)
    assert response.headers["Content-Type"] == "application/x-rtpengine-ng"


@pytest.mark.parametrize(
    ("body", "reply", "content_type"),
    [
        (PING, PONG, "application/x-rtpengine-ng"),
        (b'{"command": "ping"}', b'{"result":"pong"}', "application/json"),
    ],
)
async def test_a_plain_request_is_answered_as_it_was_written(served, body, reply, content_type):
    response = await ask(served, request("POST", "/ng-plain", body))
    assert (response.status, response.content) == (200, reply)
    assert response.headers["Content-Type"] == content_type


async def test_json_with_a_cookie_is_no_json_document(served):
    response = await ask(served, request("POST", "/ng", b'c1 {"command": "ping"}'))
    assert response.content == b'c1 {"result":"pong"}'
    assert response.headers["Content-Type"] == "application/x-rtpengine-ng"


async def test_a_cookie_means_the_same_request_and_without_one_each_is_another(served, commands):
    deleted = []

    @commands.command("delete", DeleteRequest)
    def delete(request, daemon):
        deleted.append(request.call_id)
        return {"number": len(deleted)}

    body = json.dumps({"command": "delete", "call-id": "c"}).encode()
    for path, prefix in (("/ng", b"same "), ("/ng-plain", b"")):
        await served.send(request("POST", path, prefix + body) * 2)
    octets = await served.end()
    numbers = [int(part[0:1]) for part in octets.split(b'"number":')[1:]]
    assert numbers == [1, 1, 2, 3]


async def test_an_error_of_ng_is_a_response_like_any_other(served):
    response = await ask(served, request("POST", "/ng-plain", b'{"command": "frobnicate"}'))
    assert response.status == 200
    assert json.loads(response.content) == {"result": "error", "error-reason": "Unrecognized command"}


async def test_a_body_that_cannot_be_decoded_is_told_so(served):
    response = await ask(served, request("POST", "/ng-plain", b"nonsense"))
    assert response.status == 200
    assert b"Parse error: no dictionary" in response.content


async def test_a_reply_that_takes_a_while_is_waited_for(served, commands, autojump_clock):
    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.sleep(5)
        return {}

    body = b"d7:call-id1:c7:command6:deletee"
    response = await ask(served, request("POST", "/ng-plain", body))
    assert response.content == b"d6:result2:oke"


async def test_a_request_that_is_never_answered_is_given_up(served, commands, autojump_clock):
    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.sleep_forever()

    started = trio.current_time()
    await served.send(request("POST", "/ng-plain", b"d7:call-id1:c7:command6:deletee"))
    assert parse(await served.rest()).status == 504
    assert trio.current_time() - started == pytest.approx(REPLY_WITHIN, abs=3)
    assert served.reason is Reason.UNANSWERED


async def test_requests_follow_each_other_on_one_connection(served):
    await served.send(request("GET", "/ping"))
    assert b"pong\n" in await served.receive()
    await served.send(request("POST", "/ng", b"c1 " + PING))
    assert (await served.receive()).endswith(b"c1 " + PONG)


async def test_requests_sent_at_once_are_answered_in_their_order(served, commands, autojump_clock):
    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.sleep(1)
        return {"call": request.call_id}

    slow = request("POST", "/ng", b"c1 d7:call-id4:slow7:command6:deletee")
    await served.send(slow + request("POST", "/ng", b"c2 " + PING) + request("GET", "/ping"))
    octets = await served.end()
    assert octets.count(b"HTTP/1.1 200 OK") == 3
    assert 0 < octets.index(b"4:slow") < octets.index(b"c2 " + PONG) < octets.index(b"pong\n")


async def test_a_client_that_wants_to_close_is_closed(served):
    await served.send(request("GET", "/ping", b"", "Connection: close"))
    assert b"pong\n" in await served.rest()
    assert served.reason is None


async def test_http_1_0_is_served_and_closed(served):
    await served.send(b"GET /ping HTTP/1.0\r\n\r\n")
    assert parse(await served.rest(), "GET").content == b"pong\n"


async def test_head_is_get_without_the_body(served):
    await served.send(request("HEAD", "/ping"))
    head = await served.receive()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    await served.send(request("GET", "/ping"))
    assert b"pong\n" in await served.receive()


@pytest.mark.parametrize("path", ["/", "/ng/", "/nothing", "/ping%20", "*"])
async def test_what_there_is_not(served, path):
    await served.send(request("GET", path) + request("GET", "/ping"))
    octets = await served.end()
    assert octets.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert octets.endswith(b"pong\n")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/ng", "POST"), ("DELETE", "/ng-plain", "POST"), ("PUT", "/ping", "GET, HEAD")],
)
async def test_a_method_that_there_is_not(served, method, path, allowed):
    response = await ask(served, request(method, path), method=method)
    assert (response.status, response.headers["Allow"]) == (405, allowed)


async def test_a_query_does_not_matter(served):
    response = await ask(served, request("GET", "/ping?really"), method="GET")
    assert response.status == 200


async def test_without_a_cookie_there_is_nothing_to_answer_with(served, dispatcher):
    response = await ask(served, request("POST", "/ng", PING))
    assert response.status == 400
    assert dispatcher.daemon.counters.without_cookie == 1


@pytest.mark.parametrize(
    "octets",
    [b"nonsense\r\n\r\n", b"GET /ping HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n"],
    ids=["nonsense", "no host", "TLS"],
)
async def test_what_is_no_http_is_told_so(served, octets):
    await served.send(octets)
    response = parse(await served.end())
    assert (response.status, response.headers["Connection"]) == (400, "close")
    assert served.reason is Reason.MALFORMED


async def test_two_lengths_of_one_body_are_refused(served):
    """Where another server on the way believes the other one, requests could be smuggled past it."""
    await served.send(request("POST", "/ng-plain", PING, "Content-Length: 3"))
    assert parse(await served.end()).status == 400


async def test_a_head_that_is_too_long_is_refused(served):
    await served.send(request("GET", "/ping", b"", f"X: {'x' * 2 * MAX_HEAD}"))
    response = parse(await served.end())
    assert response.status == 431


async def test_a_body_that_is_too_long_is_refused_before_it_comes(served):
    await served.send(b"POST /ng HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_MESSAGE + 1))
    assert parse(await served.end()).status == 413
    assert served.reason is Reason.TOO_LONG


async def test_a_body_of_unknown_length_is_refused_when_it_becomes_too_long(served):
    await served.send(b"POST /ng HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    for _ in range(MAX_MESSAGE // 0x1000 + 1):
        await served.send(chunk)
    assert parse(await served.end()).status == 413


async def test_a_body_in_chunks_is_put_together(served):
    head = b"POST /ng-plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = await ask(served, head, b"8\r\n" + PING[:8] + b"\r\n", b"9\r\n" + PING[8:] + b"\r\n0\r\n\r\n")
    assert response.content == PONG


async def test_a_flood_of_little_chunks_leaves_turns_for_media(served, nursery):
    head = b"POST /ng-plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in PING + bytes(500))
    media = Bystander(nursery)
    response = await ask(served, head, chunks, b"0\r\n\r\n")
    assert response.content == PONG
    assert media.turns > 500


async def test_a_refused_request_whose_body_is_no_body_is_the_last_one(served):
    head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = await ask(served, head + b"no length\r\n")
    assert (response.status, response.headers["Connection"]) == (404, "close")


async def test_a_client_that_asks_whether_it_may_send_is_told_to(served):
    head, body = request("POST", "/ng-plain", PING, "Expect: 100-continue").split(b"\r\n\r\n")
    await served.send(head + b"\r\n\r\n")
    assert (await served.receive()).startswith(b"HTTP/1.1 100 ")
    response = await ask(served, body)
    assert response.content == PONG


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/ping", 405)])
async def test_a_client_that_asks_whether_it_may_send_in_vain_is_told_at_once(served, path, status):
    await served.send(request("POST", path, PING, "Expect: 100-continue").removesuffix(PING))
    response = parse(await served.end())
    assert (response.status, response.headers["Connection"]) == (status, "close")


async def test_a_head_that_trickles_is_told_so_and_ends(served, autojump_clock):
    await served.send(b"GET /ping HTTP/1.1\r\n")
    for _ in range(int(HEAD_WITHIN) + 1):
        await trio.sleep(1)
        if served.reason is None:
            await served.send(b"X: y\r\n")
    response = parse(await served.rest())
    assert response.status == 408
    assert served.reason is Reason.SLOW_REQUEST


async def test_a_body_that_does_not_come_is_told_so_and_ends(served, autojump_clock):
    await served.send(request("POST", "/ng", b"c1 " + PING)[:-1])
    started = trio.current_time()
    assert parse(await served.rest()).status == 408
    assert trio.current_time() - started == pytest.approx(BODY_WITHIN, abs=3)
    assert served.reason is Reason.SLOW_REQUEST


async def test_an_idle_connection_ends_without_a_word(served, autojump_clock):
    await trio.sleep(KEEP_ALIVE - 1)
    await served.send(request("GET", "/ping"))
    await served.receive()
    await trio.sleep(KEEP_ALIVE + 1)
    assert await served.rest() == b""
    assert served.reason is Reason.IDLE


async def test_a_client_that_does_not_read_is_hung_up_on(nursery, dispatcher, autojump_clock):
    served = serve_on(nursery, dispatcher, serve_http, unread=0)
    await served.send(request("GET", "/ping"))
    await wait_all_tasks_blocked()
    await trio.sleep(SEND_WITHIN + 1)
    assert served.reason is Reason.SLOW_READER


@pytest.mark.parametrize("path", ["/ng", "/ng-plain"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://", "http://media.example.net.evil:80"]
)
async def test_what_a_web_page_asks_is_not_carried_out(served, path, origin):
    """A page can have the browser of its reader post to any server, this host's own included."""
    response = await ask(served, request("POST", path, b"c1 " + PING, f"Origin: {origin}"))
    assert response.status == 403


@pytest.mark.parametrize("origin", ["http://media.example.net", "https://MEDIA.example.net:8080"])
async def test_an_origin_that_is_ours_is_none_of_a_foreign_page(served, origin):
    """Kamailio gives the host that it connects to."""
    response = await ask(served, request("POST", "/ng", b"c1 " + PING, f"Origin: {origin}"))
    assert response.status == 200


async def test_an_ipv6_origin_is_understood(served):
    body = b"c1 " + PING
    head = b"POST /ng HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: %d\r\nOrigin: http://[%s]\r\n\r\n"
    await served.send(head % (len(body), b"::1") + body + head % (len(body), b"::2") + body)
    replies = await served.end()
    assert (replies.count(b" 200 OK"), replies.count(b" 403 Forbidden")) == (1, 1)
