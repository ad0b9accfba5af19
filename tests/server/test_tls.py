"""TLS: what is agreed on, what is refused, and certificates that are renewed while we run."""

from __future__ import annotations

import ssl

import pytest
import trio
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from trio.testing import memory_stream_one_way_pair, wait_all_tasks_blocked

from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.server.access import Access
from karl_trio.server.hangup import Reason
from karl_trio.server.http import serve_http
from karl_trio.server.sockets import ListenError
from karl_trio.server.streams import StreamListener
from karl_trio.server.tls import HANDSHAKE_WITHIN, Tls, _Paced

AUTHORITY = trustme.CA()


def issue(path, name):
    """Write a certificate with its key, and return the settings that name it."""
    AUTHORITY.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
    return Settings(https_cert=str(path))


@pytest.fixture
def settings(tmp_path):
    return issue(tmp_path / "server.pem", "media.example.net")


@pytest.fixture
def tls(settings, nursery):
    tls = Tls.of(settings)
    nursery.start_soon(tls.run)
    return tls


@pytest.fixture
def counters(dispatcher):
    return dispatcher.daemon.counters


@pytest.fixture
def listener(tls, nursery, dispatcher, counters):
    access = Access.of(Settings(), counters)
    listener = StreamListener.open(Endpoint("127.0.0.1", 0), access, tls.over(serve_http))
    nursery.start_soon(listener.serve, dispatcher)
    return listener


def trusting():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def shake_hands(listener, name="media.example.net", context=None):
    stream = trio.SSLStream(
        await trio.open_tcp_stream(listener.endpoint.address, listener.endpoint.port),
        context or trusting(),
        server_hostname=name,
        https_compatible=True,
    )
    try:
        with trio.fail_after(5):
            await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def test_what_is_said_is_encrypted_and_we_are_who_we_say(listener):
    async with await shake_hands(listener) as stream:
        await stream.send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"pong\n"):
            received += await stream.receive_some()


async def test_a_client_that_is_too_old_is_refused(listener, counters):
    context = trusting()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(trio.BrokenResourceError):
        await shake_hands(listener, context=context)
    await until(lambda: counters.hangups == {Reason.TLS: 1})


async def test_what_is_no_tls_is_hung_up_on(listener, counters):
    async with await trio.open_tcp_stream("127.0.0.1", listener.endpoint.port) as stream:
        await stream.send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        with trio.fail_after(5):
            assert b"pong" not in await stream.receive_some()
    await until(lambda: counters.hangups == {Reason.TLS: 1})


async def test_a_handshake_that_does_not_come_is_hung_up_on(listener, counters, mock_clock):
    mock_clock.autojump_threshold = 0.01
    started = trio.current_time()
    async with await trio.open_tcp_stream("127.0.0.1", listener.endpoint.port) as stream:
        assert await stream.receive_some() == b""
    assert trio.current_time() - started == pytest.approx(HANDSHAKE_WITHIN)
    await until(lambda: counters.hangups == {Reason.SLOW_REQUEST: 1})


async def until(condition):
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.01)


async def test_a_certificate_that_was_renewed_is_shown_after_a_reload(listener, tls, settings, tmp_path):
    before = await shake_hands(listener)
    issue(tmp_path / "server.pem", "renewed.example.net")
    old = tls.context
    tls.follow(settings)
    await until(lambda: tls.context is not old)
    await (await shake_hands(listener, "renewed.example.net")).aclose()
    with pytest.raises(trio.BrokenResourceError):
        await shake_hands(listener, "media.example.net")
    # Connections that there are go on.
    await before.send_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"pong\n" in await before.receive_some()
    await before.aclose()


async def test_a_certificate_that_cannot_be_used_changes_nothing(listener, tls, settings, tmp_path, caplog):
    (tmp_path / "server.pem").write_text("half of it")
    tls.follow(settings)
    await until(lambda: "the certificate stays as it was" in caplog.text)
    assert str(tmp_path / "server.pem") in caplog.text
    await (await shake_hands(listener)).aclose()


def test_certificate_and_key_may_be_two_files(tmp_path):
    issued = AUTHORITY.issue_cert("media.example.net")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate")
    issued.private_key_pem.write_to_path(tmp_path / "key")
    Tls.of(Settings(https_cert=str(tmp_path / "certificate"), https_key=str(tmp_path / "key")))


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        ("nothing", "", "cannot read {path}/nothing: No such file or directory"),
        ("server.pem", "nothing", "cannot read {path}/nothing: No such file or directory"),
        (
            "server.pem",
            "other",
            "cannot use {path}/server.pem with the key in {path}/other: key values mismatch",
        ),
        (
            "server.pem",
            "encrypted",
            "cannot use {path}/server.pem with the key in {path}/encrypted: one is missing, or encrypted",
        ),
        ("empty", "", "cannot use {path}/empty with the key in {path}/empty: one is missing, or encrypted"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(tmp_path, settings, certificate, key, problem):
    issued = AUTHORITY.issue_cert("other.example.net").private_key_pem
    issued.write_to_path(tmp_path / "other")
    encrypted = load_pem_private_key(issued.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "encrypted").write_bytes(encrypted)
    (tmp_path / "empty").touch()
    names = {"https_cert": str(tmp_path / certificate), "https_key": str(tmp_path / key) if key else ""}
    with pytest.raises(ListenError) as caught:
        Tls.of(Settings(**names))
    assert str(caught.value) == problem.format(path=tmp_path)


async def test_clients_that_come_at_once_are_dealt_with_in_turn(nursery):
    """After a restart, so that media gets a turn between two of them."""
    turn, happened = trio.Lock(), []

    async def hand_over(stream):
        assert await _Paced(stream, turn).receive_some() == b"hello"
        happened.append("client")

    async def media():
        while True:
            happened.append("media")
            await trio.lowlevel.checkpoint()

    streams = [memory_stream_one_way_pair() for _ in range(50)]
    for _, receiving in streams:
        nursery.start_soon(hand_over, receiving)
    await wait_all_tasks_blocked()
    nursery.start_soon(media)
    for _, receiving in streams:
        receiving.put_data(b"hello")
    await until(lambda: happened.count("client") == 50)
    # Trio runs what is ready in random order, so media may be first in one turn and last in the next.
    assert "client client client" not in " ".join(happened)
    nursery.cancel_scope.cancel()
