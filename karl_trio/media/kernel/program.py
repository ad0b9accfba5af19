"""Loading the program, and running it on a packet of one's own."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Mapping

from attrs import define, frozen

from .syscall import NAME_LENGTH, Command, bpf, name_of

SCHED_CLS = 3
"""The program type (BPF_PROG_TYPE_SCHED_CLS): it sees packets at an interface."""

INSTRUCTION = 8
"""Octets of an instruction."""

LOG_SIZE = 1 << 20
"""Octets for what the verifier has to say; its log of this program is about a tenth of that."""

LOG_SHOWN = 2000
"""Characters of the end of that log, where the reason is, that an error shows."""

TEST_HEADROOM = 256
"""Octets by which a packet may grow in a test run."""

_PSEUDO_MAP_FD = 1
_LOAD = struct.Struct(f"=IIQQIIQII{NAME_LENGTH}s")
_TEST_RUN = struct.Struct("=4IQQ4IQQ3I4x")
_RETURN_VALUE = 4
_SIZE_OUT = 12


class Rejected(OSError):
    """The verifier does not believe that the program is safe; the message ends with its reason."""


@frozen
class TestRun:
    """What became of a packet.

    Attributes:
        verdict: what the program returned, as a signed number.
        packet: with all that the program did to it, from the Ethernet header on.
    """

    verdict: int
    packet: bytes


@define(eq=False)
class Program:
    """A loaded program."""

    fd: int

    @classmethod
    def load(
        cls,
        name: str,
        instructions: bytes,
        relocations: Iterable[tuple[int, str]],
        maps: Mapping[str, int],
        licence: str,
    ) -> Program:
        """Load a program that works on these maps.

        Args:
            name: for `bpftool prog`.
            relocations: which instruction names which map.
            maps: their file descriptors.

        Raises:
            Rejected: the verifier finds it unsafe.
            OSError: loading is not permitted.
        """
        code = ctypes.create_string_buffer(_relocated(instructions, relocations, maps), len(instructions))
        licence_text = ctypes.create_string_buffer(licence.encode("ascii"))

        def attempt(log: ctypes.Array[ctypes.c_char] | None) -> int:
            attributes = _LOAD.pack(
                SCHED_CLS,
                len(instructions) // INSTRUCTION,
                ctypes.addressof(code),
                ctypes.addressof(licence_text),
                0 if log is None else 1,
                0 if log is None else len(log),
                0 if log is None else ctypes.addressof(log),
                0,
                0,
                name_of(name),
            )
            return bpf(Command.PROG_LOAD, bytearray(attributes))

        try:
            return cls(attempt(None))
        except OSError as error:
            refusal = error
        log = ctypes.create_string_buffer(LOG_SIZE)
        try:
            return cls(attempt(log))
        except OSError as error:
            reason = log.value.decode("ascii", "replace").strip()
            if not reason:
                raise refusal from None
            raise Rejected(error.errno, f"the verifier refuses the program: {reason[-LOG_SHOWN:]}") from None

    def test_run(self, packet: bytes) -> TestRun:
        """Run it on a packet, which is sent nowhere.

        Raises:
            OSError: the kernel cannot make a packet of these octets.
        """
        given = ctypes.create_string_buffer(packet, len(packet))
        made = ctypes.create_string_buffer(len(packet) + TEST_HEADROOM)
        places = ctypes.addressof(given), ctypes.addressof(made)
        attributes = bytearray(
            _TEST_RUN.pack(self.fd, 0, len(given), len(made), *places, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        )
        bpf(Command.PROG_TEST_RUN, attributes)
        (verdict,) = struct.unpack_from("=i", attributes, _RETURN_VALUE)
        (size,) = struct.unpack_from("=I", attributes, _SIZE_OUT)
        return TestRun(verdict, made.raw[:size])

    def close(self) -> None:
        """Let go of it; where it is attached it stays. Harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _relocated(instructions: bytes, relocations: Iterable[tuple[int, str]], maps: Mapping[str, int]) -> bytes:
    """Write the descriptors of the maps into the instructions that load their addresses."""
    code = bytearray(instructions)
    for index, name in relocations:
        place = index * INSTRUCTION
        # The register that is loaded stays in the lower half of this octet.
        code[place + 1] = code[place + 1] & 0x0F | _PSEUDO_MAP_FD << 4
        struct.pack_into("=i", code, place + 4, maps[name])
    return bytes(code)
