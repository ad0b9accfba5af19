"""Network namespaces in which a relay is measured, apart from everything else on the machine.

Two namespaces are joined by two veth pairs: the relay has one interface towards the callers
(leg A) and one towards the callees (leg B), and the phones on both legs live in the other
namespace, where the generator sends and the sink counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .errors import MeasurementError

PREFIX = "karl-bench"
RUN_DIRECTORY = Path("/run/netns")

SIOCETHTOOL = 0x8946
# linux/ethtool.h: ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO
TX_CHECKSUM, TCP_SEGMENTATION, SEGMENTATION, RECEIVE_MERGING = 0x17, 0x1F, 0x24, 0x2C
CLONE_NEWNET = 0x40000000

BACKLOG = Path("/proc/sys/net/core/netdev_max_backlog")
LONG_BACKLOG = 20_000
"""Packets that may wait for the relay's core while the bench runs, as in the ring of a network card. With the
usual 1,000 some are lost in the few milliseconds for which the host of a virtual machine may hold a core up,
whatever relays; a relay that is too slow shows in the median delay all the same."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Leg:
    """One side of every call: the veth pair between its phones and the relay.

    The phones' link-layer address belongs to no interface. The kernel drops what is sent to it as
    soon as the sink has seen it, so that the receiving end costs the measured core next to nothing.
    """

    name: str
    phone_address: str
    relay_address: str
    phone_mac: str
    relay_mac: str

    @property
    def phone_interface(self) -> str:
        return f"{self.name}-phones"

    @property
    def relay_interface(self) -> str:
        return f"{self.name}-relay"


# Addresses from the range kept for benchmarks (RFC 2544, appendix C.2.2).
LEGS = (
    Leg("a", "198.18.1.2", "198.18.1.1", "02:00:00:00:01:02", "02:00:00:00:01:01"),
    Leg("b", "198.18.2.2", "198.18.2.1", "02:00:00:00:02:02", "02:00:00:00:02:01"),
)


class Namespace:
    """One named network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)

    def command(self, *command: str) -> list[str]:
        """Return the command that runs `command` inside, under the same process id."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> None:
        run(*self.command(*command))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calling thread open sockets inside; what it opened stays there."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as here,
            (RUN_DIRECTORY / self.name).open("rb") as there,
        ):
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(here.fileno())


class Testbed:
    """Both namespaces and the two veth pairs between them.

    Attributes:
        phones: where the generator and the sink are.
        relay: where the relay is.
        relay_core: the processor core that also has to receive the relay's packets, as the core
            of a one-queue network card would.
    """

    def __init__(self, relay_core: int) -> None:
        _require_tools()
        self.relay_core = relay_core
        self._namespaces: list[Namespace] = []
        self._backlog = BACKLOG.read_text(encoding="ascii")
        remove_stale()
        try:
            self.phones = self._namespace("phones")
            self.relay = self._namespace("relay")
            for leg in LEGS:
                self._join(leg)
            self.relay.run("ip", "link", "set", "lo", "up")
            # There is one for the whole machine.
            BACKLOG.write_text(str(LONG_BACKLOG), encoding="ascii")
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        BACKLOG.write_text(self._backlog, encoding="ascii")
        for namespace in self._namespaces:
            namespace.remove()

    def forward(self, *, enabled: bool) -> None:
        """Switch the relay namespace's own IPv4 forwarding."""
        self.relay.run("sysctl", "-qw", f"net.ipv4.ip_forward={int(enabled)}")

    def _namespace(self, role: str) -> Namespace:
        namespace = Namespace(f"{PREFIX}-{os.getpid()}-{role}")
        self._namespaces.append(namespace)
        # No neighbour discovery or multicast reports between the packets that are counted.
        namespace.run(
            "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"
        )
        return namespace

    def _join(self, leg: Leg) -> None:
        near, far = leg.phone_interface, leg.relay_interface
        run(
            *("ip", "link", "add", near, "netns", self.phones.name, "type", "veth"),
            *("peer", "name", far, "address", leg.relay_mac, "netns", self.relay.name),
        )
        self.relay.run("ip", "address", "add", f"{leg.relay_address}/24", "dev", far)
        self.phones.run("ip", "link", "set", near, "up")
        self.relay.run("ip", "link", "set", far, "up")
        self.relay.run(
            *("ip", "neighbour", "replace", leg.phone_address, "lladdr", leg.phone_mac),
            *("dev", far, "nud", "permanent"),
        )
        for namespace, interface in ((self.phones, near), (self.relay, far)):
            with namespace.entered():
                # Merged or segmented later, many packets would pass for the price of one.
                for offload in (RECEIVE_MERGING, SEGMENTATION, TCP_SEGMENTATION):
                    set_offload(interface, offload, enabled=False)
        with self.phones.entered():
            set_offload(near, TX_CHECKSUM, enabled=False)
        steering = f"/sys/class/net/{far}/queues/rx-0/rps_cpus"
        self.relay.run("sh", "-c", f"echo {cpu_mask(self.relay_core)} > {steering}")


def remove_stale() -> None:
    """Remove the namespaces of runs that were killed before they could."""
    for path in RUN_DIRECTORY.glob(f"{PREFIX}-*-*"):
        pid = path.name.removeprefix(f"{PREFIX}-").partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            subprocess.run(["ip", "netns", "del", path.name], check=False, capture_output=True)


def set_offload(interface: str, offload: int, *, enabled: bool) -> None:
    """Switch one offload of an interface, by its ethtool command number."""
    value = ctypes.create_string_buffer(struct.pack("=II", offload, enabled))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, request)


def cpu_mask(core: int) -> str:
    """Write the set of one core the way sysfs wants it: groups of 32 bits, most significant first."""
    return ",".join([f"{1 << core % 32:x}", *["00000000"] * (core // 32)])


def run(*command: str) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise MeasurementError(f"{' '.join(command)}: {result.stderr.strip()}")


def _require_tools(tools: Sequence[str] = ("ip", "sysctl")) -> None:
    if os.geteuid() != 0:
        raise MeasurementError("needs root: it makes network namespaces")
    for tool in tools:
        if shutil.which(tool) is None:
            raise MeasurementError(f"needs the command {tool!r} (Debian: iproute2, procps)")


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
