"""`delete`."""

from __future__ import annotations

import trio

from karl_trio.calls.deletion import delete as delete_legs
from karl_trio.ng.requests import DeleteRequest
from karl_trio.server.daemon import Daemon
from karl_trio.server.registry import Reply, command


@command("delete", DeleteRequest)
def delete(request: DeleteRequest, daemon: Daemon) -> Reply:
    """End a call or one leg of it, and return its last figures."""
    return delete_legs(daemon.calls, request, trio.current_time())
