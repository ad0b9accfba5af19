"""Asking a daemon many things over NG, a given number of them outstanding at any time."""

from __future__ import annotations

import contextlib
import math
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from karl_trio.ng.framing import Format, frame, parse

from . import phones
from .errors import MeasurementError
from .namespaces import Namespace

Address = tuple[str, int]
Messages = Sequence[bytes]
"""The requests of one call, framed; each is sent when the one before it is answered."""

RETRY_AFTER = 1.0
MAX_RETRIES = 5
RECEIVE_BUFFER = 4 << 20
MAX_DATAGRAM = 65535
OK = b"6:result2:ok"
_MEDIA_PORT = re.compile(rb"m=audio (\d+) ")


@dataclass
class Outcome:
    """How a load was served.

    Attributes:
        seconds: from the first request to the last reply.
        latencies: of every message, in seconds, in the order of the replies.
        replies: by call and place in the call.
        refused: replies other than ok.
        repeated: requests sent again because no reply had come.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    replies: dict[tuple[int, int], bytes] = field(default_factory=dict)
    refused: int = 0
    repeated: int = 0

    def percentile_us(self, share: float) -> float:
        """Return the latency, in microseconds, that this share of the messages did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, math.floor(len(ordered) * share))] * 1e6


class Controller:
    """An NG client that waits for nobody but the daemon: one plain socket, blocking."""

    def __init__(self, address: Address, namespace: Namespace | None = None) -> None:
        with namespace.entered() if namespace else contextlib.nullcontext():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._prefix = os.urandom(4).hex()
        self._rounds = 0

    def close(self) -> None:
        self._socket.close()

    def request(self, body: Mapping[str, object], timeout: float = RETRY_AFTER) -> dict[str, Any] | None:
        """Ask once and return the reply, or None if there was none in time."""
        cookie = f"{self._prefix}_{time.monotonic_ns()}".encode()
        self._socket.settimeout(timeout)
        try:
            self._socket.send(frame(cookie, body, Format.BENCODE))
            while True:
                datagram = self._socket.recv(MAX_DATAGRAM)
                if datagram.startswith(cookie + b" "):
                    return dict(parse(datagram).body)
        except (TimeoutError, ConnectionRefusedError):
            return None

    def wait_until_ready(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while self.request({"command": "ping"}, timeout=0.05) is None:
            if time.monotonic() > deadline:
                raise MeasurementError("the daemon does not answer a ping")
            time.sleep(0.01)

    def framed(self, calls: Sequence[Sequence[phones.NgBody]]) -> list[Messages]:
        """Frame the requests of some calls beforehand, so that it costs nothing while time counts."""
        self._rounds += 1
        return [
            [
                frame(f"{self._prefix}.{self._rounds}_{call}_{place}".encode(), body, Format.BENCODE)
                for place, body in enumerate(bodies)
            ]
            for call, bodies in enumerate(calls)
        ]

    def run(self, calls: Sequence[Messages], outstanding: int, *, keep_replies: bool = False) -> Outcome:
        """Send the requests of all calls, at most `outstanding` of them unanswered at a time."""
        outcome = Outcome()
        connection, clock = self._socket, time.perf_counter
        connection.settimeout(RETRY_AFTER)
        waiting: dict[int, int] = {}
        sent_at: dict[int, float] = {}
        following, retries = 0, 0
        started = clock()
        while waiting or following < len(calls):
            while len(waiting) < outstanding and following < len(calls):
                waiting[following] = 0
                sent_at[following] = clock()
                connection.send(calls[following][0])
                following += 1
            try:
                reply = connection.recv(MAX_DATAGRAM)
            except TimeoutError:
                retries += 1
                if retries > MAX_RETRIES:
                    raise MeasurementError(f"the daemon left {len(waiting)} requests unanswered") from None
                outcome.repeated += len(waiting)
                for call, place in waiting.items():
                    connection.send(calls[call][place])
                continue
            now = clock()
            _, call_text, place_text = reply[: reply.index(b" ")].split(b"_")
            call, place = int(call_text), int(place_text)
            if waiting.get(call) != place:
                continue  # the reply to a request that was repeated meanwhile
            outcome.latencies.append(now - sent_at[call])
            if OK not in reply:
                outcome.refused += 1
            if keep_replies:
                outcome.replies[call, place] = reply
            if place + 1 < len(calls[call]):
                waiting[call] = place + 1
                sent_at[call] = clock()
                connection.send(calls[call][place + 1])
            else:
                del waiting[call]
        outcome.seconds = clock() - started
        return outcome

    def establish(
        self, calls: range, direction: Sequence[str] = (), outstanding: int = 4
    ) -> list[tuple[int, int]]:
        """Set up calls and return the relay's port on leg A and on leg B of each."""
        bodies = [
            [phones.offer(f"bench-{call}", call, direction), phones.answer(f"bench-{call}", call)]
            for call in calls
        ]
        outcome = self.run(self.framed(bodies), outstanding, keep_replies=True)
        if outcome.refused:
            reply = next(reply for reply in outcome.replies.values() if OK not in reply)
            raise MeasurementError(f"the daemon refuses a call: {reply[reply.index(b' ') + 1 :][:300]!r}")
        # The reply to the offer goes on to the callee, the one to the answer back to the caller.
        return [
            (media_port(outcome.replies[number, 1]), media_port(outcome.replies[number, 0]))
            for number in range(len(calls))
        ]

    def end(self, calls: range, outstanding: int = 4) -> Outcome:
        """Delete calls that `establish` has set up."""
        return self.run(self.framed([[phones.delete(f"bench-{call}")] for call in calls]), outstanding)


def media_port(reply: bytes) -> int:
    """Return the port of the first audio section in a reply's SDP."""
    found = _MEDIA_PORT.search(reply)
    if found is None:
        raise MeasurementError(f"no media port in {reply[:300]!r}")
    return int(found[1])
