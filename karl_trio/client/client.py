"""An NG client for programs under trio: retries, failover over several nodes, one call for each command."""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import trio

from karl_trio.endpoint import Endpoint
from karl_trio.ng import framing

from .addresses import NodeAddress
from .errors import NoNodeAnswered, RequestFailed
from .link import Link, open_link
from .nodes import Node, NodeEvent, NodeState, NodeTable
from .replies import DeleteReply, ListedCall, Reply, SdpReply, is_full, is_success, listed_calls, reason

MAKING_CALLS = frozenset({"offer", "publish", "create", "transform"})
"""Commands that make a call if there is none of that call-id."""


class NgClient:
    """Sends NG requests to the first of several media proxies that answers.

    Use it as an async context manager; requests can be made from any number of tasks at once::

        async with NgClient(["192.0.2.1:22222", "192.0.2.2:22222"]) as client:
            reply = await client.offer(call_id, from_tag, sdp, replace=["origin"], ICE="remove")

    A request that gets no reply is sent again, with the same cookie, up to `attempts` times, `wait`
    seconds apart; over TCP it is sent again only where the connection broke. A node that stays silent
    throughout counts as failed: the request goes to the next node, later ones do not go to it, and it is
    asked with a ping every `probe_every` seconds whether it is back. A node that has no room for a new call
    is passed over for that call only. Requests about a call go to the node that it was made on, unless that
    node has failed.

    Args:
        nodes: addresses in order of preference: `ADDRESS:PORT`, `[ADDRESS]:PORT`, names, or endpoints, over
            UDP; `tcp://ADDRESS:PORT` and so on over TCP.
        attempts: how often a request is sent to a node before the node counts as failed.
        wait: seconds to wait for the reply to each attempt.
        probe_every: seconds between the pings to a failed node.

    Raises:
        ValueError: there is no node, an address is no address, or a number is out of range.
        OSError: on entering, when the name of a node cannot be resolved or no socket is to be had.
    """

    def __init__(
        self,
        nodes: Sequence[str | Endpoint],
        *,
        attempts: int = 3,
        wait: float = 1.0,
        probe_every: float = 10.0,
    ) -> None:
        if not nodes:
            raise ValueError("a client needs at least one node")
        if attempts < 1 or wait <= 0 or probe_every <= 0:
            raise ValueError("attempts, wait and probe_every have to be positive")
        self._addresses = [(str(node), NodeAddress.of(node)) for node in nodes]
        self._attempts = attempts
        self._wait = wait
        self._probe_every = probe_every
        # Nodes keep replies by cookie for a minute, whoever asks: ours must not be those of a former process.
        prefix = secrets.token_hex(4)
        self._cookies = (f"{prefix}_{number}".encode() for number in itertools.count(1))
        self._table = NodeTable((), attempts)
        self._links: dict[Node, Link] = {}
        self._revived: set[Node] = set()
        self._nursery_manager: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._nursery: trio.Nursery | None = None

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes with their states, in order of preference; empty outside the context."""
        return self._table.nodes

    @property
    def drops(self) -> Counter[str]:
        """Replies of all nodes that were thrown away, by reason; see `PendingTable.drops`."""
        return sum((link.pending.drops for link in self._links.values()), Counter())

    async def __aenter__(self) -> Self:
        if self._nursery_manager is not None:
            raise RuntimeError("a client can be entered once")
        try:
            for name, address in self._addresses:
                node = Node(name, await _resolve(name, address))
                self._links[node] = await open_link(node.endpoint, address.transport)
        except BaseException:
            self._close()
            raise
        self._table = NodeTable(tuple(self._links), self._attempts)
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        for link in self._links.values():
            self._nursery.start_soon(link.run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._nursery is not None
        assert self._nursery_manager is not None
        self._nursery.cancel_scope.cancel()
        self._nursery = None
        try:
            # The body's own exception does not pass through the nursery, which would wrap it in a group.
            await self._nursery_manager.__aexit__(None, None, None)
        finally:
            self._close()

    def _close(self) -> None:
        for link in self._links.values():
            link.close()

    async def request(self, body: Mapping[str, object]) -> Reply:
        """Send any request, `{"command": ..., ...}`, and return the reply.

        Raises:
            RequestFailed: a node answered with an error, or every node that answered has no room.
            NoNodeAnswered: no node did.
            ValueError: the request is longer than the node would take.
        """
        if self._nursery is None:
            raise RuntimeError("requests are made inside `async with`")
        call_id = body.get("call-id")
        call_id = call_id if isinstance(call_id, str) else None
        makes_call = body.get("command") in MAKING_CALLS
        is_new_call = makes_call and self._table.holder(call_id) is None
        refusal: Reply | None = None
        for step in self._table.plan(call_id):
            reply = await self._ask(step.node, body, step.attempts)
            if reply is None:
                continue
            if is_new_call and is_full(reply):
                refusal = reply
                continue
            if not is_success(reply):
                raise RequestFailed(reason(reply), reply)
            # A node may have made up the call-id.
            call_id = call_id or reply.get("call-id")
            if makes_call and isinstance(call_id, str):
                self._table.remember(call_id, step.node)
            return reply
        if refusal is not None:
            raise RequestFailed(reason(refusal), refusal)
        raise NoNodeAnswered([f"{node}: {node.trouble or 'no answer'}" for node in self.nodes])

    async def ping(self) -> None:
        """Return when a node answers."""
        await self.request({"command": "ping"})

    async def offer(self, call_id: str, from_tag: str, sdp: str, **parameters: object) -> SdpReply:
        """Pass an SDP offer on; parameters are the page's, with underscores, such as `transport_protocol`."""
        # Said unasked, because failing over is what this client does with it.
        parameters.setdefault("supports", ["load limit"])
        return SdpReply.of(
            await self._command("offer", parameters, call_id=call_id, from_tag=from_tag, sdp=sdp)
        )

    async def answer(
        self, call_id: str, from_tag: str, to_tag: str, sdp: str, **parameters: object
    ) -> SdpReply:
        """Pass an SDP answer on; `from_tag` is still the one of the offer."""
        return SdpReply.of(
            await self._command(
                "answer", parameters, call_id=call_id, from_tag=from_tag, to_tag=to_tag, sdp=sdp
            )
        )

    async def delete(
        self,
        call_id: str,
        from_tag: str | None = None,
        to_tag: str | None = None,
        *,
        delete_delay: int | None = None,
        **parameters: object,
    ) -> DeleteReply:
        """End a call, or one leg of it, at once or after so many seconds."""
        return DeleteReply.of(
            await self._command(
                "delete",
                parameters,
                call_id=call_id,
                from_tag=from_tag,
                to_tag=to_tag,
                delete_delay=delete_delay,
            )
        )

    async def query(self, call_id: str, from_tag: str | None = None, to_tag: str | None = None) -> Reply:
        """Return what a node knows of a call: its legs, media and streams with their counters."""
        return await self._command("query", {}, call_id=call_id, from_tag=from_tag, to_tag=to_tag)

    async def list_calls(self, limit: int | None = None) -> tuple[ListedCall, ...]:
        """Return the calls in progress; without a limit as many as the node sends unasked, usually 32."""
        return listed_calls(await self._command("list", {}, limit=limit))

    async def statistics(self) -> Reply:
        """Return the figures of a whole node."""
        return await self._command("statistics", {})

    async def _command(self, command: str, parameters: Mapping[str, object], **keys: object) -> Reply:
        given = {name.replace("_", "-"): value for name, value in {**parameters, **keys}.items()}
        return await self.request(
            {"command": command, **{name: value for name, value in given.items() if value is not None}}
        )

    async def _ask(self, node: Node, body: Mapping[str, object], attempts: int) -> Reply | None:
        """Ask one node, and note what that tells about it."""
        cookie = next(self._cookies)
        message = framing.frame(cookie, body)
        link = self._links[node]
        if len(message) > link.max_request:
            raise ValueError(f"a request of {len(message)} bytes; {link.max_request} is the most")
        since = trio.current_time()
        reply = await link.ask(cookie, message, attempts=attempts, wait=self._wait)
        if reply is not None:
            node.heard(trio.current_time())
            return reply
        node.trouble = link.trouble
        has_failed = node.was_silent(since=since)
        if has_failed and node not in self._revived and self._nursery is not None:
            self._revived.add(node)
            self._nursery.start_soon(self._revive, node)
        return None

    async def _revive(self, node: Node) -> None:
        """Ping a failed node from time to time until it is up, whoever finds that out."""
        while True:
            await trio.sleep(self._probe_every)
            if node.state is NodeState.FAILED:
                node.on(NodeEvent.PROBED)
                await self._ask(node, {"command": "ping"}, 1)
            if node.state is NodeState.UP:
                self._revived.remove(node)
                return


async def _resolve(name: str, address: NodeAddress) -> Endpoint:
    try:
        return await address.resolve()
    except OSError as error:
        raise OSError(f"{name}: {error.strerror}") from error
