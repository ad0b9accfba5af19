"""NG over WebSocket, with wsproto's other half as the client."""

from __future__ import annotations

import json

import pytest
import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from karl_trio.ng.requests import DeleteRequest
from karl_trio.ng.stream import MAX_MESSAGE
from karl_trio.server.hangup import Reason
from karl_trio.server.http import serve_http
from karl_trio.server.websocket import MESSAGE_WITHIN, PING_EVERY

from .streams import Bystander, serve_on

NG = "ng.rtpengine.com"
PLAIN = "ng-plain.rtpengine.com"
PING = "d7:command4:pinge"
PONG = "d6:result4:ponge"


@define(eq=False)
class Client:
    """A client that has asked for a WebSocket."""

    served: object
    protocol: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))
    _waiting: list = field(factory=list)

    async def send(self, event):
        await self.served.send(self.protocol.send(event))

    async def receive(self):
        """The next event."""
        while not self._waiting:
            octets = await self.served.receive()
            self.protocol.receive_data(octets or None)
            self._waiting += self.protocol.events()
        return self._waiting.pop(0)

    async def say(self, message):
        event = TextMessage if isinstance(message, str) else BytesMessage
        await self.send(event(data=message))

    async def hear(self):
        event = await self.receive()
        assert event.message_finished
        return event.data


@pytest.fixture
def connect(nursery, dispatcher, ping):
    """Ask for a WebSocket, and return the client and what it was told."""

    async def connect(*subprotocols, **options):
        client = Client(serve_on(nursery, dispatcher, serve_http))
        await client.send(
            Request(host="media.example.net", target="/", subprotocols=list(subprotocols), **options)
        )
        return client, await client.receive()

    return connect


@pytest.fixture
async def client(connect):
    client, accepted = await connect(NG)
    assert isinstance(accepted, AcceptConnection)
    return client


@pytest.fixture
async def plain(connect):
    client, _ = await connect(PLAIN)
    return client


@pytest.mark.parametrize("subprotocol", [NG, PLAIN])
async def test_a_subprotocol_that_is_known_is_accepted(connect, subprotocol):
    _, accepted = await connect("echo.example.net", subprotocol)
    assert accepted.subprotocol == subprotocol


@pytest.mark.parametrize("subprotocols", [(), ("echo.rtpengine.com",), ("NG.rtpengine.com",)])
async def test_without_one_the_client_is_told_which_there_are(connect, subprotocols):
    client, rejected = await connect(*subprotocols)
    assert isinstance(rejected, RejectConnection)
    assert rejected.status_code == 400
    text = await client.receive()
    assert isinstance(text, RejectData)
    assert NG.encode() in text.data
    assert PLAIN.encode() in text.data


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, b"426"),
        ({"Sec-WebSocket-Version": ""}, b"400"),
        ({"Sec-WebSocket-Key": None}, b"400"),
        ({"Connection": "keep-alive"}, b"400"),
        ({"Sec-WebSocket-Protocol": "ng.rtpengine.com\xff"}, b"400"),
        ({"Host": "xn--" + "a" * 2000 + ".", "Sec-WebSocket-Protocol": "x"}, b"400"),
        ({"Origin": "https://evil.example"}, b"403"),
    ],
)
async def test_what_is_no_good_handshake_is_told_so(nursery, dispatcher, changes, status):
    headers = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": NG}
    headers |= changes
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    served = serve_on(nursery, dispatcher, serve_http)
    await served.send("".join(["GET / HTTP/1.1\r\n", *lines, "\r\n"]).encode("latin-1"))
    reply = await served.end()
    assert reply.startswith(b"HTTP/1.1 " + status)
    assert (b"sec-websocket-version: 13" in reply.lower()) == ("Sec-WebSocket-Version" in changes)


async def test_only_a_get_can_become_a_websocket(nursery, dispatcher):
    served = serve_on(nursery, dispatcher, serve_http)
    await served.send(b"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert (await served.end()).startswith(b"HTTP/1.1 404 ")


async def test_a_refused_client_may_go_on_with_http(connect):
    client, _ = await connect("unknown")
    await client.served.send(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.served.end()).endswith(b"pong\n")


@pytest.mark.parametrize("form", [str, str.encode])
async def test_a_request_with_its_cookie_is_answered_in_kind(client, form):
    await client.say(form(f"c1 {PING}"))
    assert await client.hear() == form(f"c1 {PONG}")


@pytest.mark.parametrize("form", [str, str.encode])
async def test_a_plain_request_is_answered_in_kind(plain, form):
    await plain.say(form(PING))
    assert await plain.hear() == form(PONG)


async def test_json_is_answered_in_json(client, plain):
    await client.say('c1 {"command": "ping"}')
    assert await client.hear() == 'c1 {"result":"pong"}'
    await plain.say('{"command": "ping"}')
    assert json.loads(await plain.hear()) == {"result": "pong"}


async def test_a_reply_that_is_no_text_is_sent_as_what_it_is(client, commands):
    @commands.command("delete", DeleteRequest)
    def delete(request, daemon):
        return {"tag": "\udcff"}

    await client.say("c1 d7:call-id1:c7:command6:deletee")
    assert await client.hear() == b"c1 d6:result2:ok3:tag1:\xffe"


async def test_a_cookie_is_the_same_request_on_every_transport(connect, client, dispatcher):
    other, _ = await connect(NG)
    await client.say(f"same {PING}")
    first = await client.hear()
    await other.say("same d7:command6:deletee")
    assert await other.hear() == first
    assert dispatcher.daemon.counters.repeated == 1


@pytest.fixture
def slow(commands):
    """A `delete` that takes a second."""

    @commands.command("delete", DeleteRequest)
    async def delete(request, daemon):
        await trio.sleep(1)
        return {"call": request.call_id}


SLOW = "d7:call-id1:c7:command6:deletee"


async def test_with_cookies_replies_come_as_they_are_ready(client, slow, autojump_clock):
    await client.say(f"slow {SLOW}")
    await client.say(f"fast {PING}")
    assert await client.hear() == f"fast {PONG}"
    assert (await client.hear()).startswith("slow ")


async def test_without_cookies_replies_come_in_the_order_of_the_requests(plain, slow, autojump_clock):
    await plain.say(SLOW)
    await plain.say(PING)
    assert "4:call1:c" in await plain.hear()
    assert await plain.hear() == PONG


async def test_a_message_may_come_in_pieces_with_a_ping_between_them(client):
    await client.send(TextMessage(data="c1 d7:com", message_finished=False))
    await client.send(Ping(payload=b"still there?"))
    assert await client.receive() == Pong(payload=b"still there?")
    await client.send(TextMessage(data="mand4:pinge"))
    assert await client.hear() == f"c1 {PONG}"


async def test_requests_may_come_together_with_the_handshake(nursery, dispatcher, ping):
    client = Client(serve_on(nursery, dispatcher, serve_http))
    asked = client.protocol.send(Request(host="x", target="/", subprotocols=[NG]))
    # A client in a hurry: a masked frame, made by a connection that is open already.
    hurried, _ = await _open(nursery, dispatcher)
    await client.served.send(asked + hurried.protocol.send(TextMessage(data=f"c1 {PING}")))
    assert isinstance(await client.receive(), AcceptConnection)
    assert await client.hear() == f"c1 {PONG}"


async def _open(nursery, dispatcher):
    client = Client(serve_on(nursery, dispatcher, serve_http))
    await client.send(Request(host="x", target="/", subprotocols=[NG]))
    return client, await client.receive()


async def test_a_client_that_closes_is_said_goodbye_to(client):
    await client.send(CloseConnection(code=1000, reason="done"))
    closed = await client.receive()
    assert (type(closed), closed.code) == (CloseConnection, 1000)
    assert await client.served.rest() == b""
    assert client.served.reason is None


async def test_a_client_that_goes_without_goodbye_is_no_fault(client):
    assert await client.served.end() == b""
    assert client.served.reason is None


async def test_a_reply_for_a_socket_that_was_closed_is_lost_and_counted(
    client, slow, dispatcher, autojump_clock
):
    await client.say(f"slow {SLOW}")
    await client.send(CloseConnection(code=1000))
    assert isinstance(await client.receive(), CloseConnection)
    await trio.sleep(2)
    assert await client.served.rest() == b""
    assert dispatcher.daemon.counters.unsent == 1


async def test_a_flood_of_little_frames_leaves_turns_for_media(client, nursery):
    client.served.arrive(b"".join(client.protocol.send(Ping()) for _ in range(500)))
    media = Bystander(nursery)
    await client.served.end()
    assert media.turns > 500


async def test_a_message_that_is_too_long_ends_the_socket(client, autojump_clock):
    for _ in range(MAX_MESSAGE // 10_000 + 1):
        await client.send(BytesMessage(data=bytes(10_000), message_finished=False))
    closed = await client.receive()
    assert (type(closed), closed.code) == (CloseConnection, 1009)
    await client.served.rest()
    assert client.served.reason is Reason.TOO_LONG


@pytest.mark.parametrize(
    ("octets", "code"),
    [(b"\x83\x80\0\0\0\0", 1002), (b"\x81\x01x", 1002), (b"\x81\x82\0\0\0\0\xff\xff", 1007)],
    ids=["opcode", "not masked", "no UTF-8"],
)
async def test_what_is_no_frame_ends_the_socket(client, autojump_clock, octets, code):
    await client.served.send(octets)
    closed = await client.receive()
    assert (type(closed), closed.code) == (CloseConnection, code)
    await client.served.rest()
    assert client.served.reason is Reason.MALFORMED


async def test_a_message_that_trickles_is_hung_up_on(client, autojump_clock):
    started = trio.current_time()
    for _ in range(int(MESSAGE_WITHIN)):
        await client.send(TextMessage(data="x", message_finished=False))
        await trio.sleep(1)
    await client.served.rest()
    assert trio.current_time() - started == pytest.approx(MESSAGE_WITHIN)
    assert client.served.reason is Reason.SLOW_REQUEST


async def test_a_silent_client_is_asked_and_kept_as_long_as_it_answers(client, autojump_clock):
    client.served.patience = PING_EVERY + 1
    for _ in range(100):
        started = trio.current_time()
        ping = await client.receive()
        assert isinstance(ping, Ping)
        assert trio.current_time() - started == pytest.approx(PING_EVERY)
        await client.send(ping.response())
    await client.say(f"c1 {PING}")
    assert await client.hear() == f"c1 {PONG}"


async def test_a_client_that_no_longer_answers_is_hung_up_on(client, autojump_clock):
    await trio.sleep(2 * PING_EVERY + 1)
    await wait_all_tasks_blocked()
    assert client.served.reason is Reason.IDLE
