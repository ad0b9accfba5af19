"""The rules for all tests, tried on a small suite of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_passes():
    pass

@pytest.mark.skipif(True, reason="no peer here")
def test_needs_a_peer():
    pass

def test_finds_no_peer():
    pytest.skip("none in sight")

@pytest.mark.xfail
def test_is_known_to_fail():
    assert False

@pytest.mark.long
def test_soaks():
    pass

@pytest.mark.kernel_has("all of it")
def test_needs_another_kernel():
    pass
"""

KERNELS = "def kernel_has(feature):\n    return False\n"

MODULE_OF_PEER = "import pytest\npytest.skip('no peer at all', allow_module_level=True)\n"


@pytest.fixture
def run(tmp_path):
    """Run the suite in a process of its own and return its exit status and what it printed."""
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(Path(__file__).with_name("conftest.py"), tests)
    markers = "long: x\n    kernel_has(feature): x"
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\naddopts = --import-mode=importlib\nmarkers =\n    {markers}\n"
    )
    (tests / "kernels.py").write_text(KERNELS)
    (tests / "test_suite.py").write_text(SUITE)
    (tests / "test_peer.py").write_text(MODULE_OF_PEER)

    def run_suite(*options, ci):
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST", "COV"))
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:trio", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ | {"CI": ci}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    return run_suite


def test_what_is_skipped_at_home_fails_in_ci(run):
    status, printed = run(ci="")
    assert status == 0
    assert "1 passed, 3 skipped, 2 deselected, 1 xfailed" in printed
    status, printed = run("--continue-on-collection-errors", ci="true")
    assert status == 1
    assert "1 failed, 1 passed, 2 deselected, 1 xfailed, 2 errors" in printed
    for reason in ("no peer here", "none in sight", "no peer at all"):
        assert reason in printed


def test_long_tests_run_when_asked_for(run):
    status, printed = run("--long", "tests/test_suite.py", ci="false")
    assert status == 0
    assert "2 passed, 2 skipped, 1 deselected, 1 xfailed" in printed
