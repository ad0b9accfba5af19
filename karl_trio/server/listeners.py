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
from .streams import FILES_FOR_MEDIA, MAX_CONNECTIONS, Protocol, StreamListener
from .tcp import serve_ng
from .udp import UdpListener

log = logging.getLogger(__name__)

Listener = UdpListener | StreamListener


@frozen
class Listeners:
    """Those that are open, by what is spoken there."""

    ng: tuple[UdpListener, ...]
    tcp_ng: tuple[StreamListener, ...]

    def __iter__(self) -> Iterator[Listener]:
        return chain(self.ng, self.tcp_ng)

    def __str__(self) -> str:
        """Where requests are taken, for a person: "at ADDRESS, over TCP at ADDRESS"."""
        kinds: dict[str, tuple[Listener, ...]] = {"at": self.ng, "over TCP at": self.tcp_ng}
        return ", ".join(
            f"{kind} {listener.endpoint}" for kind, listeners in kinds.items() for listener in listeners
        )


@contextmanager
def listening(settings: Settings, access: Access, open_files: int) -> Iterator[Listeners]:
    """Open all listeners, or none; they are closed in the end whether they were served or not.

    Args:
        open_files: how many files the process may have open.

    Raises:
        ListenError: an address is taken, or not ours.
    """
    most = min(MAX_CONNECTIONS, open_files // FILES_FOR_MEDIA)
    tos = settings.control_tos
    with ExitStack() as opened:

        def opened_at(endpoint: Endpoint, protocol: Protocol) -> StreamListener:
            listener = StreamListener.open(endpoint, access, protocol, tos=tos, max_connections=most)
            return opened.enter_context(closing(listener))

        yield Listeners(
            ng=tuple(
                opened.enter_context(closing(UdpListener.open(endpoint, access, tos=tos)))
                for endpoint in _endpoints(settings.listen_ng)
            ),
            tcp_ng=tuple(opened_at(endpoint, serve_ng) for endpoint in _endpoints(settings.listen_tcp_ng)),
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


def _endpoints(addresses: tuple[str, ...]) -> Iterator[Endpoint]:
    # Port 0, which neither file nor command line can say, has the kernel choose one.
    return (parse_listen(text, lowest_port=0) for text in addresses)
