"""The committed bytecode is what the source gives, and what the rest of the code takes it for."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from karl_trio.media.kernel import bytecode, flows
from karl_trio.media.kernel.program import Program, Rejected

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "karl_trio" / "media" / "kernel" / "relay.bpf.c"
COMPILER = "clang-14"


def test_it_was_made_of_the_source_as_it_is():
    assert hashlib.sha256(SOURCE.read_bytes()).hexdigest() == bytecode.SOURCE_SHA256, "run scripts/build-bpf"


def test_building_it_again_gives_the_same(tmp_path):
    if shutil.which(COMPILER) is None:
        pytest.skip(f"needs {COMPILER} (a Debian package)")
    told = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    if told.splitlines()[0].strip() != bytecode.COMPILER:
        pytest.skip(f"needs {bytecode.COMPILER}")
    command = [sys.executable, ROOT / "scripts" / "bytecode.py", "--output", tmp_path / "bytecode.py"]
    subprocess.run(command, check=True)
    assert (tmp_path / "bytecode.py").read_bytes() == SOURCE.with_name("bytecode.py").read_bytes()


def test_python_and_c_agree_on_the_layouts():
    _, key_size, value_size, _ = bytecode.MAPS["flows"]
    assert key_size == flows._KEY.size
    # C fills a structure up to the alignment of its largest member.
    assert value_size == flows._FLOW.size + -flows._FLOW.size % 8
    assert bytecode.MAPS["counters"][1:3] == (4, flows.COUNTER_SIZE)


def test_what_the_verifier_refuses_is_told_with_its_reason(loaded):
    leave_without_a_result = struct.pack("=BBhi", 0x95, 0, 0, 0)
    with pytest.raises(Rejected, match="R0 !read_ok"):
        Program.load("bad", leave_without_a_result, (), {}, "GPL")


def test_no_map_can_be_made_without_a_right_to(loaded):
    """What a daemon without the capabilities meets, so that it is an OSError and nothing worse."""
    code = (
        "from karl_trio.media.kernel import bytecode\n"
        "from karl_trio.media.kernel.maps import Map\n"
        "try: Map.create('flows', bytecode.MAPS['flows'], 10)\n"
        "except PermissionError: print('refused')"
    )
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (Debian: util-linux)")
    told = subprocess.run(
        [setpriv, "--bounding-set=-all", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert told.stdout == "refused\n"
