"""The daemon as a whole, in this process: it starts, reloads, stops, and leaves nothing behind."""

import contextlib
import gc
import logging
import os
import signal
import socket
import ssl
import threading

import pytest
import trio
import trio.testing
import trustme
from attrs import evolve

from karl_trio.config import ConfigError, Settings
from karl_trio.endpoint import Endpoint
from karl_trio.ng.framing import Format, frame, parse
from karl_trio.server import app
from karl_trio.server.dispatch import Dispatcher
from karl_trio.server.sockets import ListenError

from .conftest import Client

SETTINGS = Settings(
    listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), port_min=35000, port_max=35099, port_rest=0.0
)

SDP = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n"
)
OFFER = {"command": "offer", "call-id": "c", "from-tag": "f", "sdp": SDP}


async def ask(served, body):
    """Send one request to the daemon's first address."""
    cookie = os.urandom(8).hex().encode()
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy, trio.fail_after(5):
        await proxy.sendto(frame(cookie, body, Format.BENCODE), served.ng_addresses[0].sockaddr)
        reply = parse(await proxy.recv(65535))
    assert reply.cookie == cookie
    return reply.body


def is_bound(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.fixture
def start(nursery):
    """Run a daemon of its own process, as `karl-trio serve` does."""
    ended = trio.Event()

    async def start(settings=SETTINGS, reload=None):
        async def run(task_status):
            await app.serve(settings, reload=reload, handle_signals=True, task_status=task_status)
            ended.set()

        return await nursery.start(run), ended

    yield start
    gc.unfreeze()


async def until(condition):
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.01)


async def test_it_serves_on_every_address_that_is_set(nursery):
    settings = Settings(listen_ng=("127.0.0.1:0", "[::1]:0"), interface=("127.0.0.1",))
    served = await nursery.start(app.serve, settings)
    assert [endpoint.address for endpoint in served.ng_addresses] == ["127.0.0.1", "::1"]
    assert await ask(served, {"command": "ping"}) == {"result": "pong"}


async def test_an_address_that_is_taken_is_told_and_nothing_stays_open(nursery):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = Endpoint.from_sockaddr(other.getsockname())
        with pytest.raises(ListenError, match=f"{taken}: Address already in use"):
            await app.serve(Settings(listen_ng=("127.0.0.1:0", str(taken)), interface=("127.0.0.1",)))


async def test_a_floating_media_address_that_is_elsewhere_now_is_no_reason_to_give_up(nursery, caplog):
    served = await nursery.start(app.serve, Settings(listen_ng=("127.0.0.1:0",), interface=("192.0.2.1",)))
    assert "no media can be relayed at 192.0.2.1 yet" in caplog.text
    reply = await ask(served, OFFER)
    assert (reply["result"], reply["error-reason"]) == ("error", "Port allocation failed")


async def test_room_for_calls_and_settings_without_effect_are_logged(nursery, caplog):
    caplog.set_level(logging.INFO)
    settings = Settings(listen_ng=("127.0.0.1:0",), interface=("127.0.0.1",), recording_dir="/srv")
    await nursery.start(app.serve, settings)
    assert "room for about" in caplog.text
    assert "recording-dir is set, but has no effect" in caplog.text


@pytest.mark.parametrize(
    ("address", "allow", "is_told"),
    [
        ("0.0.0.0:0", ("127.0.0.0/8", "::1"), True),
        ("0.0.0.0:0", ("127.0.0.0/8", "192.0.2.0/24"), False),
        ("127.0.0.1:0", ("127.0.0.0/8", "::1"), False),
    ],
)
async def test_an_address_that_nobody_is_obeyed_at_is_told_with_the_remedy(
    nursery, caplog, address, allow, is_told
):
    await nursery.start(app.serve, evolve(SETTINGS, listen_ng=(address,), control_allow=allow))
    assert ("for your SIP proxies on other hosts, set control-allow" in caplog.text) == is_told


async def test_who_is_obeyed_can_be_changed_while_it_runs(start):
    reloaded = evolve(SETTINGS, control_allow=("192.0.2.1",))
    served, _ = await start(reload=lambda: reloaded)
    assert await ask(served, {"command": "ping"}) == {"result": "pong"}
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: served.daemon.settings == reloaded)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as proxy:
        await proxy.sendto(b"c d7:command4:pinge", served.ng_addresses[0].sockaddr)
        await until(lambda: served.daemon.counters.not_allowed == 1)


async def test_cancelling_it_ends_calls_and_closes_their_ports():
    async with trio.open_nursery() as nursery:
        served = await nursery.start(app.serve, SETTINGS)
        await ask(served, OFFER)
        (call,) = served.calls
        ports = [stream.port.endpoint.port for stream in call.streams]
        assert ports
        assert all(map(is_bound, ports))
        nursery.cancel_scope.cancel()
    assert not any(map(is_bound, [*ports, served.ng_addresses[0].port]))
    assert len(served.calls) == 0


async def test_a_call_begun_at_the_last_moment_ends_without_a_fault(caplog):
    async with trio.open_nursery() as nursery:
        served = await nursery.start(app.serve, SETTINGS)
        Client(Dispatcher(served.daemon)).ask("offer", call_id="c", from_tag="f", sdp=SDP)
        assert len(served.calls) == 1
        nursery.cancel_scope.cancel()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_calls_and_the_daemon(start, caplog, number):
    caplog.set_level(logging.INFO)
    served, ended = await start()
    await ask(served, OFFER)
    os.kill(os.getpid(), number)
    with trio.fail_after(5):
        await ended.wait()
    assert len(served.calls) == 0
    assert served.calls.totals.managed == 1
    assert f"{number.name}: stopping, 1 calls end" in caplog.text


async def test_a_reload_applies_what_can_change_and_logs_the_differences(start, caplog):
    caplog.set_level(logging.INFO)
    served, _ = await start(reload=lambda: reloaded)
    reloaded = Settings(listen_ng=("127.0.0.1:9",), interface=("127.0.0.1",), max_sessions=0)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: "listen-ng" in caplog.text)
    assert "max-sessions: -1 -> 0 for new calls" in caplog.text
    assert "127.0.0.1:9 after a restart" in caplog.text
    reply = await ask(served, OFFER)
    assert reply["error-reason"] == "Session limit reached"


async def test_a_renewed_certificate_is_shown_after_a_reload(start, tmp_path):
    authority, path = trustme.CA(), tmp_path / "server.pem"

    def issue(name):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)

    async def names_loopback():
        context = ssl.create_default_context()
        authority.configure_trust(context)
        stream = await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", served.listeners.https[0].endpoint.port, ssl_context=context, https_compatible=True
        )
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.do_handshake()
                return True
        return False

    issue("127.0.0.1")
    settings = evolve(SETTINGS, listen_https=("127.0.0.1:0",), https_cert=str(path))
    served, _ = await start(settings, reload=lambda: settings)
    assert await names_loopback()
    issue("192.0.2.1")
    os.kill(os.getpid(), signal.SIGHUP)
    with trio.fail_after(5):
        while await names_loopback():
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    "error", [ConfigError(["timeout: expected a number", "tos: too large"]), OSError("disk on fire")]
)
async def test_settings_that_cannot_be_used_change_nothing(start, caplog, error):
    def read():
        raise error

    served, _ = await start(reload=read)
    before = served.daemon.settings
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: "configuration not reloaded" in caplog.text)
    for problem in getattr(error, "problems", ["disk on fire"]):
        assert problem in caplog.text
    assert served.daemon.settings is before
    assert await ask(served, {"command": "ping"}) == {"result": "pong"}


async def test_a_reload_without_anything_to_read_is_survived(start, caplog):
    served, _ = await start()
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: "no configuration to read again" in caplog.text)
    assert await ask(served, {"command": "ping"}) == {"result": "pong"}


async def test_a_reload_that_hangs_does_not_keep_it_from_stopping(start):
    reading, disk = threading.Event(), threading.Event()

    def read():
        reading.set()
        disk.wait()
        return SETTINGS

    _, ended = await start(reload=read)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(reading.is_set)
        os.kill(os.getpid(), signal.SIGTERM)
        with trio.fail_after(5):
            await ended.wait()
    finally:
        disk.set()


async def test_a_fault_in_the_reaper_is_logged_and_does_not_end_the_calls(nursery, caplog, monkeypatch):
    sweeps = []

    async def reap(calls):
        sweeps.append(trio.current_time())
        raise RuntimeError("broken sweep")

    monkeypatch.setattr(app, "reap", reap)
    monkeypatch.setattr(app, "RESTART_AFTER", 0.01)
    served = await nursery.start(app.serve, SETTINGS)
    await ask(served, OFFER)
    await until(lambda: len(sweeps) > 1)
    assert "broken sweep" in caplog.text
    assert len(served.calls) == 1


async def test_the_service_manager_hears_of_start_reload_and_stop(start, monkeypatch, tmp_path):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        heard = trio.socket.from_stdlib_socket(manager)
        _, ended = await start(reload=lambda: SETTINGS)
        with trio.fail_after(5):
            assert b"READY=1" in await heard.recv(1000)
            os.kill(os.getpid(), signal.SIGHUP)
            assert b"RELOADING=1" in await heard.recv(1000)
            assert b"READY=1" in await heard.recv(1000)
            os.kill(os.getpid(), signal.SIGTERM)
            assert b"STOPPING=1" in await heard.recv(1000)
            await ended.wait()
