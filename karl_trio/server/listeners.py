"""All that the daemon listens on for requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain

from attrs import frozen

from karl_trio.config import Settings, parse_listen
from karl_trio.endpoint import Endpoint

from .access import Access
from .sockets import is_loopback
from .streams import MAX_CONNECTIONS, SHARE_OF_FILES, Protocol, StreamListener
from .tcp import serve_ng
from .tls import Tls
from .udp import UdpListener

log = logging.getLogger(__name__)

Listener = UdpListener | StreamListener


@frozen
class Listeners:
    """Those that are open, by what is spoken there.

    Attributes:
        tls: what `https` shows, if there is any of it.
    """

    ng: tuple[UdpListener, ...]
    tcp_ng: tuple[StreamListener, ...]
    http: tuple[StreamListener, ...]
    https: tuple[StreamListener, ...]
    tls: Tls | None

    def __iter__(self) -> Iterator[Listener]:
        return chain(self.ng, self.tcp_ng, self.http, self.https)

    def __str__(self) -> str:
        """Where requests are taken, for a person: "at ADDRESS, over TCP at ADDRESS"."""
        kinds: dict[str, tuple[Listener, ...]] = {
            "at": self.ng,
            "over TCP at": self.tcp_ng,
            "over HTTP at": self.http,
            "over HTTPS at": self.https,
        }
        return ", ".join(
            f"{kind} {listener.endpoint}" for kind, listeners in kinds.items() for listener in listeners
        )


@contextmanager
def listening(settings: Settings, access: Access, open_files: int) -> Iterator[Listeners]:
    """Open all listeners, or none; they are closed in the end whether they were served or not.

    Args:
        open_files: how many files the process may have open.

    Raises:
        ListenError: an address is taken, or not ours, or the certificate cannot be used.
    """
    most = min(MAX_CONNECTIONS, open_files // SHARE_OF_FILES)
    tos = settings.control_tos
    with ExitStack() as opened:

        def each(addresses: tuple[str, ...], protocol: Protocol) -> Iterator[StreamListener]:
            for endpoint in _endpoints(addresses):
                listener = StreamListener.open(endpoint, access, protocol, tos=tos, max_connections=most)
                yield opened.enter_context(closing(listener))

        tls = Tls.of(settings) if settings.listen_https else None
        yield Listeners(
            ng=tuple(
                opened.enter_context(closing(UdpListener.open(endpoint, access, tos=tos)))
                for endpoint in _endpoints(settings.listen_ng)
            ),
            tcp_ng=tuple(each(settings.listen_tcp_ng, serve_ng)),
            http=tuple(each(settings.listen_http, _http())) if settings.listen_http else (),
            https=tuple(each(settings.listen_https, tls.over(_http()))) if tls else (),
            tls=tls,
        )


def warn_of_unreachable(listeners: Listeners, access: Access) -> None:
    """Say so if nobody is obeyed at an address that others are meant to reach."""
    if not access.is_local:
        return
    for listener in listeners:
        if not is_loopback(listener.endpoint.address):
            log.warning(
                "requests to %s are answered for this host alone; for your SIP proxies on other hosts, "
                "set control-allow to their addresses, beside 127.0.0.1",
                listener.endpoint,
            )


def _http() -> Protocol:
    # Only where it is listened for: h11, wsproto and what is built on them are a tenth of all imports.
    from .http import serve_http

    return serve_http


def _endpoints(addresses: tuple[str, ...]) -> Iterator[Endpoint]:
    # Port 0, which neither file nor command line can say, has the kernel choose one.
    return (parse_listen(text, lowest_port=0) for text in addresses)
