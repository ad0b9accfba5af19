"""Who used the processor: the measured core, the measured process, and everybody else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import MeasurementError

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PF_KTHREAD = 0x00200000
PR_SET_PDEATHSIG = 1
NICENESS = -15
"""Of relay and generator alike: what else the machine does waits, instead of taking turns with them."""

QUIET_LOOK = 0.6
QUIET_SHARE = 0.12
"""Of one core: how much others may use while a run is about to begin."""
DIRTY_SHARE = 0.06
DIRTY_FORKS_PER_SECOND = 40
"""A run during which others used more than these is measured again."""

_libc = ctypes.CDLL(None, use_errno=True)


def choose_cores() -> tuple[int, int]:
    """Return the core for what is measured and the core for everything that measures."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MeasurementError("needs two processor cores: one for the relay, one for the generator")
    return cores[0], cores[1]


def pinned(core: int, open_files: int | None = None) -> Callable[[], None]:
    """Return what a child process has to call: it gets its core and dies with this process."""

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})
        with contextlib.suppress(PermissionError):
            os.nice(NICENESS)
        if open_files is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            allowed = min(open_files, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))

    return prepare


@dataclass(frozen=True)
class Usage:
    """Processor time, in seconds, since some moment; differences of two are what counts.

    Attributes:
        clock: the time itself.
        core: not idle, of the relay's core; interrupts and the work of the kernel included.
        process: of the measured process.
        others: of each process that has nothing to do with the measurement.
        forks: processes started on the machine.
    """

    clock: float
    core: float
    process: float
    others: dict[int, float]
    forks: int


@dataclass(frozen=True)
class Spent:
    """What was used between two looks; all in seconds of processor time but `seconds` itself."""

    seconds: float
    core: float
    process: float
    others: float
    forks: int

    @property
    def is_dirty(self) -> bool:
        """Whether somebody else on the machine had a hand in it."""
        return (
            self.others > DIRTY_SHARE * self.seconds + 2 / TICKS_PER_SECOND
            or self.forks > DIRTY_FORKS_PER_SECOND * self.seconds
        )


def look(core: int, pid: int | None) -> Usage:
    """Note the processor times of now; `pid` is the measured process, if there is one."""
    now = time.monotonic()
    ours = {os.getpid(), pid}
    return Usage(
        clock=now,
        core=now - idle_seconds(core),
        process=process_seconds(pid) if pid else 0.0,
        others={process: used for process, used in _processes() if process not in ours},
        forks=_forks(),
    )


def spent(before: Usage, after: Usage) -> Spent:
    others = sum(used - before.others.get(pid, 0.0) for pid, used in after.others.items())
    return Spent(
        seconds=after.clock - before.clock,
        core=after.core - before.core,
        process=after.process - before.process,
        others=others,
        forks=after.forks - before.forks,
    )


class Patience:
    """How long a whole measurement may wait for the rest of the machine to be quiet.

    Attributes:
        left: seconds; once they are used up, nothing is waited for and results are as noisy as they are.
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait_until_quiet(self, core: int, pid: int | None) -> bool:
        """Wait until nobody else does much; return whether that came about in time."""
        while True:
            before = look(core, pid)
            time.sleep(QUIET_LOOK)
            if spent(before, look(core, pid)).others < QUIET_SHARE * QUIET_LOOK:
                return True
            if self.left <= 0:
                return False
            self.left -= QUIET_LOOK


def idle_seconds(core: int) -> float:
    """Return how long a core has been idle, waiting for disks included."""
    for line in _lines("/proc/stat"):
        if line.startswith(f"cpu{core} "):
            fields = line.split()
            return (int(fields[4]) + int(fields[5])) / TICKS_PER_SECOND
    raise MeasurementError(f"the kernel tells nothing of core {core}")


def process_seconds(pid: int) -> float:
    """Return what all threads of a process have used, by the scheduler's nanoseconds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory; what its sockets use in the kernel is not part of it."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise MeasurementError(f"process {pid} has ended")


def _processes() -> list[tuple[int, float]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                values = fields.rpartition(")")[2].split()
                if not int(values[6]) & PF_KTHREAD:
                    found.append((int(entry.name), (int(values[11]) + int(values[12])) / TICKS_PER_SECOND))
    return found


def _forks() -> int:
    return int(next(line for line in _lines("/proc/stat") if line.startswith("processes")).split()[1])


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="ascii").splitlines()
