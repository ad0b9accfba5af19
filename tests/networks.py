"""Network namespaces that a test makes for itself, so that no packet of it leaves the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
OWN = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Network:
    """A network namespace with its loopback interface up; it is gone when nothing in it is left open."""

    def __init__(self):
        here = os.open(OWN, os.O_RDONLY)
        try:
            _check(_libc.unshare(CLONE_NEWNET))
        except OSError as error:
            os.close(here)
            pytest.skip(f"needs CAP_SYS_ADMIN, for network namespaces: {error.strerror}")
        try:
            self.fd = os.open(OWN, os.O_RDONLY)
            self._ip("link", "set", "lo", "up")
        finally:
            _check(_libc.setns(here, CLONE_NEWNET))
            os.close(here)

    @contextlib.contextmanager
    def entered(self):
        """Let this thread, and what it starts, be inside."""
        here = os.open(OWN, os.O_RDONLY)
        _check(_libc.setns(self.fd, CLONE_NEWNET))
        try:
            yield
        finally:
            _check(_libc.setns(here, CLONE_NEWNET))
            os.close(here)

    def ip(self, *words):
        """Run the command `ip` inside."""
        with self.entered():
            return self._ip(*words)

    @staticmethod
    def _ip(*words):
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout

    def join(self, interface, other, other_interface, addresses=(), other_addresses=()):
        """Lay a cable to another namespace."""
        place = f"/proc/{os.getpid()}/fd/{other.fd}"
        self.ip("link", "add", interface, "type", "veth", "peer", "name", other_interface, "netns", place)
        for network, name, own in (
            (self, interface, addresses),
            (other, other_interface, other_addresses),
        ):
            for address in own:
                network.ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
            network.ip("link", "set", name, "up")

    def close(self):
        os.close(self.fd)


@contextlib.contextmanager
def inside():
    """Be in a network namespace of one's own."""
    network = Network()
    try:
        with network.entered():
            yield network
    finally:
        network.close()
