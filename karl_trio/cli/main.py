"""The command line: which commands there are, and how each of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

import karl_trio

from .status import ExitStatus, complain

COMMANDS = {
    "serve": ("karl_trio.cli.serve:serve", "Run the media proxy."),
    "demo": (
        "karl_trio.cli.demo:demo",
        "Place a few synthetic calls with real RTP and show what was relayed.",
    ),
    "ping": ("karl_trio.cli.control:ping", "Find out whether nodes answer."),
    "list": ("karl_trio.cli.control:list_calls", "List the calls in progress."),
    "query": (
        "karl_trio.cli.control:query",
        "Show one call: its legs, media and streams, with their counters.",
    ),
    "delete": ("karl_trio.cli.control:delete", "End a call, or one leg of it."),
    "statistics": ("karl_trio.cli.control:statistics", "Show the figures of a whole node."),
    "ng": ("karl_trio.cli.control:ng", "Send any request of the NG protocol."),
    "explain": ("karl_trio.cli.explain:explain", "Say what the flags in a SIP proxy's script do."),
}
"""Where each command is, by import path: only the module of the one that runs is imported."""


def build_app() -> App:
    """Return the command line's parser."""
    app = App(
        name="karl-trio",
        help="A media proxy for SIP, and the commands to look after it.",
        version=karl_trio.__version__,
        default_parameter=Parameter(negative_iterable=()),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for number, (name, (path, about)) in enumerate(COMMANDS.items()):
        app.command(path, name=name, help=about, sort_key=number)
    app.register_install_completion_command(help="Install completion for your shell.")
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `karl-trio` and return its exit status.

    Args:
        arguments: those after the program's name; by default those that the process was started with.
    """
    try:
        status = build_app()(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except CycloptsError as error:
        complain(" ".join(str(error).split()))
        return ExitStatus.USAGE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BaseExceptionGroup as group:
        # Ctrl-C arrives in whatever task was running, and comes wrapped by each nursery above it.
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough; the last flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.OK
    return status if isinstance(status, int) else ExitStatus.OK


if __name__ == "__main__":
    sys.exit(main())
