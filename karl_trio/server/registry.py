"""Which handler carries out which command."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

from attrs import define, field, frozen

from karl_trio.errors import NotSupported

from .daemon import Daemon

Reply = Mapping[str, object]
"""What a handler returns: the keys of the reply, without `result` if that is `ok`."""

RequestT = TypeVar("RequestT")
Handler = Callable[[RequestT, Daemon], Reply] | Callable[[RequestT, Daemon], Awaitable[Reply]]
"""A plain function is run at once; a coroutine function in a task of its own, while copies of the request
wait. The first is many times cheaper, the second is for what really has to wait for something."""


@frozen
class Command:
    """One NG command and what carries it out."""

    name: str
    handler: Callable[[Any, Daemon], Any]
    is_async: bool


@define(eq=False)
class Registry:
    """The commands that there are, by the type of their request."""

    _commands: dict[type, Command] = field(factory=dict, init=False)
    _names: set[str] = field(factory=set, init=False)

    def command(self, name: str, request: type[RequestT]) -> Callable[[Handler[RequestT]], Handler[RequestT]]:
        """Register the decorated function as the handler of one command."""

        def register(handler: Handler[RequestT]) -> Handler[RequestT]:
            assert request not in self._commands, f"two handlers for {request.__name__}"
            self._commands[request] = Command(name, handler, inspect.iscoroutinefunction(handler))
            self._names.add(name)
            return handler

        return register

    def find(self, request: object) -> Command:
        """Return the command that carries out a typed request.

        Raises:
            NotSupported: nothing here does.
        """
        try:
            return self._commands[type(request)]
        except KeyError:
            raise NotSupported(f"no handler for {type(request).__name__}") from None

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the commands, in the order of their registration."""
        return (command.name for command in self._commands.values())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._names


COMMANDS = Registry()
"""All commands of the daemon, once `karl_trio.server.commands` is imported."""

command = COMMANDS.command
