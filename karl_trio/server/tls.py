"""TLS for connections: our certificate, read again whenever the settings are."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import trio
from attrs import define, field

from karl_trio.config import Settings

from .hangup import HangUp, Reason, hang_up_after
from .sockets import ListenError
from .streams import Connection, Protocol

log = logging.getLogger(__name__)

HANDSHAKE_WITHIN = 10.0
"""Seconds until TLS has to be agreed on: it takes two round trips."""


@define(eq=False)
class Tls:
    """What we show to those who connect over TLS.

    Attributes:
        context: for connections that begin now.
    """

    context: ssl.SSLContext
    _settings: Settings
    _changed: trio.Event = field(factory=trio.Event, init=False, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Tls:
        """Read the certificate that is set.

        Raises:
            ListenError: it cannot be used.
        """
        return cls(_read(settings), settings)

    def follow(self, settings: Settings) -> None:
        """Have the certificate read again: another file is set, or the file is another one by now."""
        self._settings = settings
        self._changed.set()

    async def run(self) -> None:
        """Read the certificate whenever that is asked for; one that cannot be used changes nothing."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            try:
                # In a thread: media shall not wait for the disk.
                self.context = await trio.to_thread.run_sync(_read, self._settings, abandon_on_cancel=True)
            except ListenError as error:
                log.error("the certificate stays as it was: %s", error)  # noqa: TRY400 - the file is at fault
            else:
                log.info("certificate read from %s", self._settings.https_cert or self._settings.https_key)

    def over(self, protocol: Protocol) -> Protocol:
        """Return the same protocol spoken over TLS."""

        async def serve(connection: Connection) -> None:
            paced = _Paced(connection.stream, connection.dispatcher.turn)
            stream = trio.SSLStream(paced, self.context, server_side=True, https_compatible=True)
            connection.stream = stream
            try:
                with hang_up_after(HANDSHAKE_WITHIN, Reason.SLOW_REQUEST):
                    await stream.do_handshake()
            except trio.BrokenResourceError:
                raise HangUp(Reason.TLS) from None
            await protocol(connection)

        return serve


@define(eq=False)
class _Paced(trio.abc.Stream):
    """A stream that hands over what came when it is its turn.

    To shake hands takes up to a millisecond of computing, and after a restart all clients do so at once.
    """

    _stream: trio.abc.Stream
    _turn: trio.Lock

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        octets = await self._stream.receive_some(max_bytes)
        async with self._turn:
            return octets

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _read(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Each file may hold both, and one of them is enough then.
    certificate = settings.https_cert or settings.https_key
    key = settings.https_key or settings.https_cert
    for path in dict.fromkeys((certificate, key)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ListenError(error.errno, f"cannot read {path}: {error.strerror}") from None
    try:
        # An empty password, or OpenSSL would ask the terminal for one if the key is encrypted.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        what = (error.reason or "one is missing, or encrypted").replace("_", " ").lower()
        raise ListenError(0, f"cannot use {certificate} with the key in {key}: {what}") from None
    return context
