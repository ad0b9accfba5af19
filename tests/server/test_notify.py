"""What the service manager hears, over a real socket as systemd listens on it."""

from __future__ import annotations

import os
import socket
import time

import pytest
import trio

from karl_trio.server.notify import Notifier


class Manager:
    """The socket of a service manager."""

    def __init__(self, address, path):
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(path)

    def heard(self):
        """Return the messages that came since the last time, each as its lines."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return messages

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    path = str(tmp_path / "notify")
    manager = Manager(path, path)
    yield manager
    manager.close()


def notifier_for(manager, **environ):
    return Notifier.from_environ({"NOTIFY_SOCKET": manager.address} | environ)


def test_ready_and_status(manager):
    notifier = notifier_for(manager)
    notifier.ready()
    notifier.ready("serving on 127.0.0.1:22222")
    notifier.status("3 calls")
    assert manager.heard() == [
        ["READY=1"],
        ["READY=1", "STATUS=serving on 127.0.0.1:22222"],
        ["STATUS=3 calls"],
    ]


def test_a_status_cannot_bring_lines_of_its_own(manager):
    notifier_for(manager).status("three\nSTOPPING=1\udcff")
    assert manager.heard() == [["STATUS=three STOPPING=1\\udcff"]]


def test_a_reload_tells_the_monotonic_time_it_began(manager):
    before = time.monotonic_ns() // 1000
    notifier_for(manager).reloading()
    ((first, second),) = manager.heard()
    name, _, microseconds = second.partition("=")
    assert (first, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000


def test_stopping(manager):
    notifier_for(manager).stopping()
    assert manager.heard() == [["STOPPING=1"]]


def test_an_abstract_socket_is_reached():
    name = f"karl-trio-test-{os.getpid()}"
    manager = Manager(f"@{name}", f"\0{name}")
    notifier_for(manager).ready()
    assert manager.heard() == [["READY=1"]]
    manager.close()


async def test_without_a_manager_nothing_happens():
    notifier = Notifier.from_environ({"WATCHDOG_USEC": "1000000"})
    notifier.ready("serving")
    notifier.reloading()
    notifier.stopping()
    notifier.status("x")
    with trio.fail_after(1):
        await notifier.watchdog()


def test_a_manager_that_went_away_is_one_warning(tmp_path, caplog):
    Notifier(str(tmp_path / "gone")).ready()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "READY=1: [Errno 2]" in record.getMessage()


def test_a_manager_that_does_not_read_does_not_block_us(manager, caplog):
    notifier = notifier_for(manager)
    for _ in range(10_000):
        notifier.status("x" * 100)
        if caplog.records:
            break
    assert "Resource temporarily unavailable" in caplog.text


async def test_the_watchdog_is_fed_twice_in_its_time(manager, autojump_clock, nursery):
    nursery.start_soon(notifier_for(manager, WATCHDOG_USEC="10000000").watchdog)
    await trio.sleep(14)
    assert manager.heard() == [["WATCHDOG=1"]] * 3
    await trio.sleep(5)
    assert manager.heard() == [["WATCHDOG=1"]]


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}],
)
async def test_a_watchdog_that_does_not_watch_us_is_not_fed(manager, environ):
    with trio.fail_after(1):
        await notifier_for(manager, **environ).watchdog()
    assert manager.heard() == []


async def test_a_watchdog_that_names_us_is_fed(manager, autojump_clock, nursery):
    nursery.start_soon(notifier_for(manager, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid())).watchdog)
    await trio.sleep(0.1)
    assert manager.heard() == [["WATCHDOG=1"]]
