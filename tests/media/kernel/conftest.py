"""The program, loaded but attached to nothing."""

from __future__ import annotations

import pytest

from karl_trio.media.kernel import bytecode
from karl_trio.media.kernel.maps import Map, SharedArray
from karl_trio.media.kernel.program import Program


@pytest.fixture(scope="session")
def loaded():
    """The program with its two maps, of room for a thousand flows."""
    try:
        flows = Map.create("flows", bytecode.MAPS["flows"], 1000)
    except OSError as error:
        pytest.skip(f"needs CAP_BPF and CAP_NET_ADMIN, and a kernel with eBPF: {error.strerror}")
    counters = SharedArray(Map.create("counters", bytecode.MAPS["counters"], 1000))
    maps = {"flows": flows.fd, "counters": counters.map.fd}
    program = Program.load("test", bytecode.INSTRUCTIONS, bytecode.RELOCATIONS, maps, bytecode.LICENCE)
    yield program, flows, counters
    program.close()
    counters.close()
    flows.close()
