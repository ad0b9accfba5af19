"""Where the program runs, and that it is gone from there when it should be."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from karl_trio.media.kernel import attachments
from karl_trio.media.kernel.attachments import Attachments
from karl_trio.media.kernel.clsact import Clsact
from karl_trio.media.kernel.routes import Route, Routes
from karl_trio.media.kernel.tcx import TcxLink

from ...networks import inside

ROOT = Path(__file__).parents[3]


@pytest.fixture
def network(loaded):
    with inside() as made:
        made.ip("link", "add", "phones", "type", "veth", "peer", "name", "far-end")
        made.ip("address", "add", "192.0.2.1/24", "dev", "phones")
        made.ip("address", "add", "2001:db8::1/64", "dev", "phones", "nodad")
        for interface in ("phones", "far-end"):
            made.ip("link", "set", interface, "up")
        yield made


@pytest.fixture
def before_tcx(monkeypatch):
    """A kernel that does not know tcx yet."""

    def attach(program, interface):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(attachments.TcxLink, "attach", attach)


def filters(interface="phones"):
    shown = subprocess.run(
        ["tc", "filter", "show", "dev", interface, "ingress"], check=True, capture_output=True, text=True
    ).stdout
    return shown.count("karl-trio direct-action")


def links():
    """How many tcx links the process holds."""
    found = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        # That of the directory itself is gone by then.
        with contextlib.suppress(OSError):
            found += "link_type:\ttcx" in path.read_text()
    return found


def times_attached():
    """How often the program runs at interfaces, in whichever way this kernel has."""
    return links() + sum(filters(name) for _, name in socket.if_nameindex())


def attach_and_be_killed(module, attacher, program):
    """Let another process attach the program and die without a chance to detach it."""
    code = f"import os\nfrom karl_trio.media.kernel.{module} import *\n"
    code += f"kept = {attacher}.attach({program}, {index('phones')})\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], check=False, pass_fds=[program], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL


def index(name):
    return socket.if_nametoindex(name)


def test_the_program_comes_and_goes_with_the_interfaces(loaded, network):
    attached = Attachments(loaded[0].fd)
    attached.settle([index("lo"), index("phones")])
    assert attached.interfaces == {index("lo"), index("phones")}
    assert times_attached() == 2
    network.ip("link", "del", "phones")
    attached.settle([index("lo"), 4711])
    assert attached.interfaces == {index("lo")}
    assert times_attached() == 1
    attached.close()
    attached.close()
    assert times_attached() == 0


def test_before_linux_6_6_filters_do_the_same(loaded, network, before_tcx):
    attached = Attachments(loaded[0].fd)
    attached.settle([index("lo"), index("phones")])
    other_daemon = Attachments(loaded[0].fd)
    other_daemon.settle([index("phones")])
    assert (filters("lo"), filters()) == (1, 2)
    attached.settle([index("phones")])
    assert (filters("lo"), filters()) == (0, 2)
    attached.close()
    assert filters() == 1
    network.ip("link", "del", "phones")
    other_daemon.close()


def test_the_filter_of_a_daemon_that_was_killed_is_removed_at_the_next_start(loaded, network):
    living = Clsact()
    living.attach(loaded[0].fd, index("phones"))
    attach_and_be_killed("clsact", "Clsact()", loaded[0].fd)
    assert filters() == 2
    started = Clsact()
    started.attach(loaded[0].fd, index("phones"))
    assert filters() == 2
    for each in (living, started):
        each.close()


@pytest.mark.kernel_has("tcx")
def test_a_link_goes_with_the_process_however_it_ends(loaded, network):
    program = loaded[0].fd
    attach_and_be_killed("tcx", "TcxLink", program)
    link = TcxLink.attach(program, index("phones"))
    link.close()
    link.close()
    assert links() == 0


def test_routes_tell_where_packets_leave(network):
    routes = Routes()
    phones = index("phones")
    assert routes.find("192.0.2.1", "192.0.2.9") == Route(phones, "192.0.2.9", 1500, is_local=False)
    assert routes.find("2001:db8::1", "2001:db8::9") == Route(phones, "2001:db8::9", 1500, is_local=False)
    assert routes.find("192.0.2.1", "203.0.113.5") is None
    network.ip("route", "add", "203.0.113.0/24", "via", "192.0.2.254", "mtu", "1300")
    assert routes.find("192.0.2.1", "203.0.113.5") == Route(phones, "192.0.2.254", 1300, is_local=False)
    network.ip("route", "add", "203.0.114.0/24", "via", "inet6", "2001:db8::fe", "dev", "phones")
    assert routes.find("192.0.2.1", "203.0.114.5") == Route(phones, "2001:db8::fe", 1500, is_local=False)
    network.ip("route", "add", "blackhole", "198.51.100.0/24")
    assert routes.find("192.0.2.1", "198.51.100.5") is None
    for address in ("192.0.2.1", "127.0.0.1", "2001:db8::1", "::1"):
        assert routes.find(address, address) == Route(index("lo"), address, 65536, is_local=True)
    routes.close()


def test_routes_tell_which_interface_has_an_address(network):
    routes = Routes()
    found = routes.interfaces()
    assert {found[address] for address in ("192.0.2.1", "2001:db8::1")} == {index("phones")}
    assert found["127.0.0.1"] == found["::1"] == index("lo")
    routes.close()


def test_an_interface_without_ethernet_headers_is_told_apart(network):
    network.ip("tuntap", "add", "tunnel", "mode", "tun")
    routes = Routes()
    assert routes.is_ethernet(index("phones"))
    assert routes.is_ethernet(index("lo"))
    assert not routes.is_ethernet(index("tunnel"))
    assert not routes.is_ethernet(4711)
    routes.close()
