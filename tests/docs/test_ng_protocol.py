"""docs/ng-protocol.md says what is so: every example is carried out, every table is the one of the code."""

from __future__ import annotations

import re
import shlex
from random import Random

import pytest

from karl_trio import errors
from karl_trio.calls.table import CallTable
from karl_trio.cli.pairs import request_of
from karl_trio.cli.screen import Screen
from karl_trio.config import Settings, parse_interface
from karl_trio.endpoint import Endpoint
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.poller import Poller
from karl_trio.media.ports import open_udp_socket
from karl_trio.server import commands  # noqa: F401 - registers the handlers
from karl_trio.server.counters import ControlCounters
from karl_trio.server.daemon import Daemon
from karl_trio.server.dispatch import Dispatcher
from scripts.tables import filled

from ..server.conftest import Client
from .examples import DOCUMENT, DOCUMENTS, chapters

INTERFACES = ("external/203.0.113.1", "internal/10.0.0.1", "external/2001:db8::1")
"""The media addresses of the server in the examples."""

CHAPTERS = chapters()


class Ascending(Random):
    """Leaves ports in the order of their numbers, so that examples have the same ones every time."""

    def shuffle(self, x):
        pass


def open_on_loopback(endpoint):
    return open_udp_socket(Endpoint("127.0.0.1", 0))


@pytest.fixture
async def client(nursery):
    interfaces = Interfaces.build(
        [parse_interface(text) for text in INTERFACES],
        low=30_000,
        high=30_999,
        rest=5.0,
        random=Ascending(1),
        open_socket=open_on_loopback,
    )
    calls = CallTable(settings=Settings(), interfaces=interfaces, poller=Poller(), loop_mark="0123456789ab")
    await nursery.start(calls.serve)
    return Client(Dispatcher(Daemon(calls, ControlCounters(), started=0.0)))


def carry_out(client, example, files, capsys):
    """Send the request of an example; return what is printed, and the SDP that came back.

    Args:
        files: what each file held when it was last named.
    """

    def read(name):
        if example.sent is not None:
            files[name] = "".join(f"{line}\r\n" for line in example.sent)
        return files[name].encode()

    command, *pairs = shlex.split(example.line)
    is_dry_run = "--dry-run" in pairs
    request = request_of(command, [pair for pair in pairs if pair != "--dry-run"], read)
    if is_dry_run:
        request["dry-run"] = "yes"
    request.pop("command")
    reply = client.ask(command, **request)
    returned = reply.pop("sdp", None)
    capsys.readouterr()
    Screen().tree(reply)
    return capsys.readouterr().out, returned


def pattern(lines):
    """Return the expression for lines of which some may be left out."""
    return "".join(
        "(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n" for line in lines
    )


@pytest.mark.parametrize("heading", CHAPTERS)
async def test_the_examples_of_a_chapter_come_out_as_they_stand_there(client, capsys, heading):
    files = {}
    for example in CHAPTERS[heading]:
        printed, returned = carry_out(client, example, files, capsys)
        assert re.fullmatch(pattern(example.printed), printed), printed
        if example.returned is None:
            assert returned is None
        else:
            assert returned.count("\n") == returned.count("\r\n")
            assert re.fullmatch(pattern(example.returned), returned.replace("\r\n", "\n")), returned


def test_every_example_is_seen():
    shown = sum(document.read_text().count("$ karl-trio ng") for document in DOCUMENTS)
    assert shown == sum(map(len, CHAPTERS.values()))


def test_the_tables_are_those_of_the_code():
    text = DOCUMENT.read_text()
    assert text == filled(text), "run: python -m scripts.tables"


def reasons():
    """Every text of an error that can stand in a reply."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.NgError):
            yield kind.reason
            if issubclass(kind, errors.CapacityError) and kind is not errors.CapacityError:
                yield kind.opensips_reason


def test_every_error_has_its_row():
    _, *rows = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text().partition("## Errors")[2], re.MULTILINE)
    assert {row.removesuffix(": ...") for row in rows} == {*reasons()}
