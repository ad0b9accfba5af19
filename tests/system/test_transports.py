"""A call set up over each transport that NG can be spoken on; its media flows, which is what counts."""

from __future__ import annotations

import json
import shutil
import ssl
from contextlib import asynccontextmanager
from functools import partial
from http.client import HTTPConnection, HTTPSConnection

import pytest
import trio
import trustme
from attrs import evolve
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Request

from karl_trio.cli.synthetic import destination_in
from karl_trio.config import Settings
from karl_trio.ng.framing import frame, parse
from karl_trio.server import app

from ..security.hosts import Phone, rtp, sdp

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",),
    listen_tcp_ng=("127.0.0.1:0",),
    listen_http=("127.0.0.1:0",),
    listen_https=("127.0.0.1:0",),
    interface=("127.0.0.1",),
    # Below those that the kernel gives to clients by itself, for one here asks for such a port.
    port_min=25700,
    port_max=25799,
)


AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a certificate and its key."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    AUTHORITY.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def settings(certificate):
    return evolve(SETTINGS, https_cert=certificate)


@pytest.fixture
async def served(nursery, settings):
    return await nursery.start(app.serve, settings)


def trusting():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class Proxy:
    """A SIP proxy, whatever it speaks NG over.

    Args:
        exchange: sends the octets of a message, and returns those of its reply.
        has_cookie: whether messages need one.
    """

    def __init__(self, exchange, *, has_cookie=True):
        self._exchange = exchange
        self._has_cookie = has_cookie
        self._requests = 0

    async def ask(self, command, **keys):
        body = {"command": command} | {key.replace("_", "-"): value for key, value in keys.items()}
        self._requests += 1
        cookie = b"cookie%d" % self._requests
        with trio.fail_after(5):
            reply = await self._exchange(frame(cookie if self._has_cookie else b"", body))
        if not self._has_cookie:
            reply = cookie + b" " + reply
        message = parse(reply)
        assert message.cookie == cookie
        return message.body


@asynccontextmanager
async def over_tcp(served):
    endpoint = served.listeners.tcp_ng[0].endpoint
    async with await trio.open_tcp_stream(endpoint.address, endpoint.port) as stream:

        async def exchange(message):
            await stream.send_all(message)
            received = b""
            while not received.endswith(b"e") or not is_whole(received):
                received += await stream.receive_some()
            return received

        yield Proxy(exchange)


def over_http(path, content_type, *, is_secure=False):
    """The stdlib's client, in a thread, on one connection."""

    @asynccontextmanager
    async def transport(served):
        if is_secure:
            endpoint = served.listeners.https[0].endpoint
            client = HTTPSConnection(endpoint.address, endpoint.port, context=trusting(), timeout=5)
        else:
            endpoint = served.listeners.http[0].endpoint
            client = HTTPConnection(endpoint.address, endpoint.port, timeout=5)

        def post(message):
            client.request("POST", path, message, {"Content-Type": content_type})
            response = client.getresponse()
            assert (response.status, response.headers["Content-Type"]) == (200, content_type)
            return response.read()

        try:
            yield Proxy(partial(trio.to_thread.run_sync, post), has_cookie=path == "/ng")
        finally:
            client.close()

    return transport


def over_websocket(subprotocol, *, is_secure=False):
    @asynccontextmanager
    async def transport(served):
        if is_secure:
            endpoint = served.listeners.https[0].endpoint
            stream = await trio.open_ssl_over_tcp_stream(
                endpoint.address, endpoint.port, ssl_context=trusting(), https_compatible=True
            )
        else:
            endpoint = served.listeners.http[0].endpoint
            stream = await trio.open_tcp_stream(endpoint.address, endpoint.port)
        protocol = WSConnection(ConnectionType.CLIENT)

        async def next_event():
            while True:
                for event in protocol.events():
                    return event
                protocol.receive_data(await stream.receive_some())

        async def exchange(message):
            await stream.send_all(protocol.send(BytesMessage(data=message)))
            received = b""
            while True:
                event = await next_event()
                received += event.data
                if event.message_finished:
                    return received

        async with stream:
            await stream.send_all(protocol.send(Request(host="x", target="/", subprotocols=[subprotocol])))
            assert isinstance(await next_event(), AcceptConnection)
            yield Proxy(exchange, has_cookie=subprotocol == "ng.rtpengine.com")

    return transport


NG = "application/x-rtpengine-ng"
each_transport = pytest.mark.parametrize(
    "transport",
    [
        pytest.param(over_tcp, id="TCP"),
        pytest.param(over_http("/ng", NG), id="HTTP"),
        pytest.param(over_http("/ng-plain", NG), id="HTTP plain"),
        pytest.param(over_http("/ng", NG, is_secure=True), id="HTTPS"),
        pytest.param(over_websocket("ng.rtpengine.com"), id="WebSocket"),
        pytest.param(over_websocket("ng-plain.rtpengine.com"), id="WebSocket plain"),
        pytest.param(over_websocket("ng.rtpengine.com", is_secure=True), id="WebSocket over TLS"),
    ],
)


def is_whole(octets):
    try:
        parse(octets)
    except ValueError:
        return False
    return True


async def hears(phone, datagram):
    with trio.fail_after(5):
        await trio.lowlevel.wait_readable(phone.rtp)
    assert phone.heard() == [datagram]


@each_transport
async def test_a_call_is_set_up_and_its_media_flows(served, transport):
    alice, bob = Phone("127.0.1.1"), Phone("127.0.2.1")
    try:
        async with transport(served) as proxy:
            call = {"call_id": "call-1", "from_tag": "alice"}
            offer = await proxy.ask("offer", **call, sdp=sdp(alice.address, alice.port))
            for_bob = destination_in(offer["sdp"])
            answer = await proxy.ask("answer", **call, to_tag="bob", sdp=sdp(bob.address, bob.port))
            for_alice = destination_in(answer["sdp"])
            alice.rtp.sendto(rtp(1), for_alice.rtp.sockaddr)
            await hears(bob, rtp(1))
            bob.rtp.sendto(rtp(7, ssrc=7), for_bob.rtp.sockaddr)
            await hears(alice, rtp(7, ssrc=7))
            query = await proxy.ask("query", call_id="call-1")
            assert query["totals"]["RTP"]["packets"] == 2
            assert (await proxy.ask("delete", call_id="call-1"))["result"] == "ok"
        assert len(served.calls) == 0
    finally:
        alice.close()
        bob.close()


@each_transport
async def test_a_reply_is_whole_however_long_it_is(served, transport):
    """Over UDP it would shed what is dispensable."""
    async with transport(served) as proxy:
        many = "m=audio 4000 RTP/AVP 0\r\n" * 12
        await proxy.ask("offer", call_id="c", from_tag="f", sdp=sdp("127.0.1.1", 4000) + many)
        reply = await proxy.ask("query", call_id="c")
    assert "truncated" not in reply
    assert len(reply["tags"]["f"]["medias"]) == 13


async def test_a_cookie_is_the_same_request_on_every_transport(served):
    request = frame(
        b"same", {"command": "offer", "call-id": "c", "from-tag": "f", "sdp": sdp("127.0.1.1", 4000)}
    )
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as udp:
        await udp.connect(served.ng_addresses[0].sockaddr)
        await udp.send(request)
        with trio.fail_after(5):
            reply = await udp.recv(65535)
    async with over_tcp(served) as proxy:
        assert await proxy._exchange(request) == reply
    assert len(served.calls) == 1


async def test_a_client_whose_port_is_also_one_of_media_is_served(served):
    """The ports of TCP and UDP are different things: only datagrams can come from a media port of ours."""
    async with over_tcp(served) as proxy:
        offer = await proxy.ask("offer", call_id="c", from_tag="f", sdp=sdp("127.0.1.1", 4000))
        port = destination_in(offer["sdp"]).rtp.port
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_STREAM) as same_port:
            same_port.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
            await same_port.bind(("127.0.0.1", port))
            await same_port.connect(served.listeners.tcp_ng[0].endpoint.sockaddr)
            await same_port.send(b"c1 d7:command4:pinge")
            with trio.fail_after(5):
                assert await same_port.recv(100) == b"c1 d6:result4:ponge"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_is_a_client(served, tmp_path):
    http, https = served.listeners.http[0].endpoint, served.listeners.https[0].endpoint
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")

    async def curl(*words):
        command = ["curl", "--silent", "--show-error", "--max-time", "5", *words]
        return (await trio.run_process(command, capture_stdout=True)).stdout

    assert await curl(f"http://{http}/ping") == b"pong\n"
    assert await curl("--cacert", str(tmp_path / "authority.pem"), f"https://{https}/ping") == b"pong\n"
    assert await curl("-d", "c1 d7:command4:pinge", f"http://{http}/ng") == b"c1 d6:result4:ponge"
    reply = await curl("--json", '{"command": "ping"}', f"http://{http}/ng-plain")
    assert json.loads(reply) == {"result": "pong"}
    # curl waits for leave before it sends as much as this.
    listed = await curl(
        "--json", json.dumps({"command": "list", "x": "x" * 60_000}), f"http://{http}/ng-plain"
    )
    assert json.loads(listed)["calls"] == []


async def test_without_udp_it_can_be_controlled_as_well(nursery, settings):
    served = await nursery.start(app.serve, evolve(settings, listen_ng=()))
    async with over_tcp(served) as proxy:
        assert await proxy.ask("ping") == {"result": "pong"}
