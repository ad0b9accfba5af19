"""What the commands that ask a running node have in common: their options, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import trio
from attrs import frozen
from cyclopts import Parameter

from karl_trio.client import NgClient, NoNodeAnswered, Reply, RequestFailed
from karl_trio.client.replies import warning

from .screen import Screen, as_json, printable
from .status import ExitStatus, complain


@Parameter(name="*")
@frozen(kw_only=True)
class Asking:
    """Which nodes to ask, and how to show what they say."""

    node: Annotated[tuple[str, ...], Parameter(env_var="KARL_TRIO_NODE", show_default=", ".join)] = (
        "127.0.0.1:22222",
    )
    """ADDRESS:PORT of a node, or tcp://ADDRESS:PORT; may be repeated, the next one is asked when one does not
    answer."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print the reply as JSON."""

    attempts: int = 3
    """How often to send a request to a node."""

    wait: float = 1.0
    """Seconds to wait for a reply each time."""

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes one by one; KARL_TRIO_NODE may part them by commas or spaces."""
        return [name for names in self.node for name in names.replace(",", " ").split()]

    def client(self, nodes: Sequence[str] | None = None) -> NgClient:
        """Return a client for all nodes, or for some."""
        return NgClient(self.nodes if nodes is None else nodes, attempts=self.attempts, wait=self.wait)


DEFAULT = Asking()


def ask(
    asking: Asking, request: Mapping[str, object], show: Callable[[Screen, Reply], None] | None = None
) -> ExitStatus:
    """Send one request, show its reply, and return how the command ends.

    Args:
        show: prints a good reply for people; nothing is printed without it. With `--json` every
            reply goes to standard output whole, an error too.
    """

    async def exchange() -> Reply:
        async with asking.client() as client:
            return await client.request(request)

    screen = Screen()
    try:
        reply = trio.run(exchange)
    except RequestFailed as error:
        if asking.json:
            screen.line(as_json(error.reply))
        complain(printable(error.reason))
        return ExitStatus.FAILED
    except NoNodeAnswered as error:
        for line in error.tried:
            complain(line)
        return ExitStatus.NO_ANSWER
    except OSError as error:
        complain(str(error))
        return ExitStatus.NO_ANSWER
    except ValueError as error:
        complain(str(error))
        return ExitStatus.USAGE
    if lines := warning(reply):
        for line in lines.splitlines():
            complain(f"warning: {printable(line)}")
    if left_out := reply.get("truncated"):
        complain(f"the node left out {printable(left_out)}, for its reply to fit into one packet")
    if asking.json:
        screen.line(as_json(reply))
    elif show is not None:
        show(screen, reply)
    return ExitStatus.OK
