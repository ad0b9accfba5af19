"""Attaching the program by a filter of the clsact queueing discipline, for kernels before 6.6.

Such a filter outlives the process, so each is named as ours and has a number of its own. While its daemon
lives, that holds a socket of the same number, whose name goes with the process and is known to the whole
network namespace; a filter without such a socket was left behind by a daemon that was killed, and is removed.
"""

from __future__ import annotations

import errno
import secrets
import socket
import struct
from collections.abc import Iterator

from attrs import define, field

from .netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Message, Netlink, attribute, attributes

NAME = "karl-trio"
"""What our filters are called in `tc filter show`."""

PRIORITY = 49152
"""That of filters which `tc` is given no other for: those that somebody meant to come first do."""

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
RTM_NEWQDISC, RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 36, 44, 45, 46
CLSACT_HANDLE, CLSACT_PARENT, INGRESS_PARENT = 0xFFFF0000, 0xFFFFFFF1, 0xFFFFFFF2
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_BPF_FD, TCA_BPF_NAME, TCA_BPF_FLAGS = 6, 7, 8
BPF_ACT_DIRECT = 1
ETH_P_ALL = 3

_TCMSG = struct.Struct("=BBHiIII")


@define(eq=False)
class Clsact:
    """Attaches filters under one number, and removes those of the dead.

    Attributes:
        number: of our filters and our socket, in this network namespace.
    """

    number: int = field(init=False)
    _netlink: Netlink = field(factory=Netlink, init=False, repr=False)
    _claim: socket.socket = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        while True:
            self.number = 1 + secrets.randbelow(0x7FFFFFFF)
            claimed = _claim(self.number)
            if claimed is not None:
                self._claim = claimed
                return

    def attach(self, program: int, interface: int) -> ClsactFilter:
        """Run a program on what comes in at an interface.

        Raises:
            OSError: the interface is gone, it is not permitted, or the kernel has no clsact or cls_bpf.
        """
        qdisc = _TCMSG.pack(0, 0, 0, interface, CLSACT_HANDLE, CLSACT_PARENT, 0)
        try:
            self._do(RTM_NEWQDISC, qdisc + attribute(TCA_KIND, b"clsact\0"), NLM_F_CREATE | NLM_F_EXCL)
        except FileExistsError:
            self._remove_abandoned(interface)
        options = attribute(TCA_BPF_FD, struct.pack("=I", program))
        options += attribute(TCA_BPF_NAME, NAME.encode() + b"\0")
        options += attribute(TCA_BPF_FLAGS, struct.pack("=I", BPF_ACT_DIRECT))
        body = _filter(interface, self.number) + attribute(TCA_OPTIONS, options)
        self._do(RTM_NEWTFILTER, body, NLM_F_CREATE | NLM_F_EXCL)
        return ClsactFilter(self, interface)

    def remove(self, interface: int, number: int) -> None:
        """Take a filter of ours away; harmless when it or the interface is gone."""
        try:
            self._do(RTM_DELTFILTER, _filter(interface, number))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EINVAL):
                raise

    def close(self) -> None:
        self._netlink.close()
        self._claim.close()

    def _remove_abandoned(self, interface: int) -> None:
        for number in list(self._filters(interface)):
            claimed = _claim(number)
            if claimed is not None:
                with claimed:
                    self.remove(interface, number)

    def _filters(self, interface: int) -> Iterator[int]:
        """Go through the numbers of the filters at an interface that carry our name."""
        body = _TCMSG.pack(0, 0, 0, interface, 0, INGRESS_PARENT, 0)
        for answer in self._netlink.ask(Message(RTM_GETTFILTER, body), NLM_F_DUMP):
            handle = _TCMSG.unpack_from(answer.body)[4]
            options = attributes(attributes(answer.body[_TCMSG.size :]).get(TCA_OPTIONS, b""))
            if options.get(TCA_BPF_NAME, b"").rstrip(b"\0").decode("utf-8", "replace") == NAME:
                yield handle

    def _do(self, kind: int, body: bytes, flags: int = 0) -> None:
        for _ in self._netlink.ask(Message(kind, body), flags):
            pass


@define(eq=False)
class ClsactFilter:
    """The program at one interface."""

    _clsact: Clsact
    interface: int

    def close(self) -> None:
        """Detach it; harmless when repeated."""
        self._clsact.remove(self.interface, self._clsact.number)


def _claim(number: int) -> socket.socket | None:
    """Bind the socket that belongs to a number; None while a living process has it."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        opened.bind(f"\0{NAME}/clsact/{number}")
    except OSError:
        opened.close()
        return None
    return opened


def _filter(interface: int, number: int) -> bytes:
    info = PRIORITY << 16 | socket.htons(ETH_P_ALL)
    return _TCMSG.pack(0, 0, 0, interface, number, INGRESS_PARENT, info) + attribute(TCA_KIND, b"bpf\0")
