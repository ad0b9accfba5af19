"""A few eBPF instructions and the bpf(2) calls that the sink needs.

The sink is a dozen instructions long, so it is written down instruction by instruction: a
measurement then needs neither a compiler nor a library.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

from .errors import MeasurementError

SYSCALL_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
MAP_CREATE, MAP_LOOKUP, PROGRAM_LOAD = 0, 1, 5
SOCKET_FILTER = 1
PER_CPU_ARRAY = 6
LOG_SIZE = 1 << 20

# Helper functions, by their numbers in linux/bpf.h.
MAP_LOOKUP_ELEMENT, KTIME_GET_NS, SKB_LOAD_BYTES = 1, 5, 26

# Instruction classes, sizes, sources and operations, as in linux/bpf_common.h and linux/bpf.h.
_LD, _LDX, _STX, _ALU, _JMP, _ALU64 = 0x00, 0x01, 0x03, 0x04, 0x05, 0x07
_WORD, _HALF, _BYTE, _DOUBLE = 0x00, 0x08, 0x10, 0x18
_IMM, _MEM = 0x00, 0x60
_REGISTER = 0x08
_SIZES = {1: _BYTE, 2: _HALF, 4: _WORD, 8: _DOUBLE}
_OPERATIONS = {"+": 0x00, "-": 0x10, "<<": 0x60, "&": 0x50, ">>": 0x70, "=": 0xB0}
_JUMPS = {"==": 0x10, ">=": 0x30, "!=": 0x50, "<": 0xA0}
_CALL, _EXIT, _BYTE_SWAP = 0x80, 0x90, 0xD0
_PSEUDO_MAP = 1

_libc = ctypes.CDLL(None, use_errno=True)


class Program:
    """An eBPF program in the making. Registers are numbers, labels are names."""

    def __init__(self) -> None:
        self._instructions: list[bytes] = []
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []

    def label(self, name: str) -> None:
        self._labels[name] = len(self._instructions)

    def compute(self, register: int, operation: str, value: int) -> None:
        self._emit(_ALU64 | _OPERATIONS[operation], register, immediate=value)

    def combine(self, register: int, operation: str, other: int) -> None:
        self._emit(_ALU64 | _REGISTER | _OPERATIONS[operation], register, other)

    def from_network(self, register: int, size: int) -> None:
        """Turn a number of so many bytes from network into host order."""
        self._emit(_ALU | _REGISTER | _BYTE_SWAP, register, immediate=8 * size)

    def truncate(self, register: int) -> None:
        """Keep the lower 32 bits of a register."""
        self._emit(_ALU | _REGISTER | _OPERATIONS["="], register, register)

    def jump(self, register: int, condition: str, value: int, label: str) -> None:
        self._jumps.append((len(self._instructions), label))
        self._emit(_JMP | _JUMPS[condition], register, immediate=value)

    def jump_compared(self, register: int, condition: str, other: int, label: str) -> None:
        self._jumps.append((len(self._instructions), label))
        self._emit(_JMP | _REGISTER | _JUMPS[condition], register, other)

    def load(self, size: int, register: int, base: int, offset: int = 0) -> None:
        self._emit(_LDX | _MEM | _SIZES[size], register, base, offset)

    def store(self, size: int, base: int, offset: int, register: int) -> None:
        self._emit(_STX | _MEM | _SIZES[size], base, register, offset)

    def load_map(self, register: int, descriptor: int) -> None:
        self._emit(_LD | _IMM | _DOUBLE, register, _PSEUDO_MAP, immediate=descriptor)
        self._emit(0)

    def call(self, helper: int) -> None:
        self._emit(_JMP | _CALL, immediate=helper)

    def leave(self) -> None:
        self._emit(_JMP | _EXIT)

    def load_as_socket_filter(self) -> int:
        """Return the descriptor of the program once the kernel has verified it."""
        for place, label in self._jumps:
            code, registers, _, immediate = struct.unpack("=BBhi", self._instructions[place])
            distance = self._labels[label] - place - 1
            self._instructions[place] = struct.pack("=BBhi", code, registers, distance, immediate)
        code = ctypes.create_string_buffer(b"".join(self._instructions))
        licence = ctypes.create_string_buffer(b"GPL")
        log = ctypes.create_string_buffer(LOG_SIZE)
        attributes = struct.pack(
            "=IIQQIIQII",
            *(SOCKET_FILTER, len(self._instructions), ctypes.addressof(code), ctypes.addressof(licence)),
            *(1, LOG_SIZE, ctypes.addressof(log), 0, 0),
        )
        try:
            return _bpf(PROGRAM_LOAD, attributes)
        except OSError as error:
            raise MeasurementError(
                f"the kernel refuses the sink: {error.strerror}\n{log.value.decode()}"
            ) from error

    def _emit(
        self, code: int, register: int = 0, other: int = 0, offset: int = 0, immediate: int = 0
    ) -> None:
        self._instructions.append(struct.pack("=BBhi", code, register | other << 4, offset, immediate))


class PerCpuCounters:
    """A fixed number of 64-bit counters, one set for each processor core."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._cores = _possible_cores()
        self.descriptor = _bpf(MAP_CREATE, struct.pack("=IIIII", PER_CPU_ARRAY, 4, 8, count, 0))

    def read(self) -> list[int]:
        """Return every counter's sum over all cores."""
        key, values = ctypes.c_uint32(), (ctypes.c_uint64 * self._cores)()
        sums = []
        for index in range(self._count):
            key.value = index
            _bpf(
                MAP_LOOKUP,
                struct.pack("=IIQQQ", self.descriptor, 0, ctypes.addressof(key), ctypes.addressof(values), 0),
            )
            sums.append(sum(values))
        return sums

    def close(self) -> None:
        os.close(self.descriptor)


def _bpf(command: int, attributes: bytes) -> int:
    try:
        number = SYSCALL_NUMBERS[platform.machine()]
    except KeyError:
        raise MeasurementError(f"no bpf system call known for {platform.machine()}") from None
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(
        ctypes.c_long(number), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes))
    )
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result)


def _possible_cores() -> int:
    ranges = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip()
    return int(ranges.replace(",", "-").rpartition("-")[2]) + 1
