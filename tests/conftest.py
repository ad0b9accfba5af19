"""What holds for all tests: long ones wait to be asked for, and in CI nothing is skipped."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from .kernels import kernel_has

# A machine that others use too is slow now and then; that is no fault of the code.
settings.register_profile("karl-trio", deadline=None)
settings.load_profile("karl-trio")


def pytest_addoption(parser):
    parser.addoption(
        "--long", action="store_true", help="also run the tests marked long: soaks of a minute and more"
    )


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if not _is_wanted(item, config)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _is_wanted(item, config):
    if item.get_closest_marker("long") and not config.getoption("--long"):
        return False
    # No package that could be installed brings this: scripts/kernels brings a kernel.
    return all(kernel_has(*marker.args) for marker in item.iter_markers("kernel_has"))


def _in_ci():
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _refuse_skip(report):
    """Make a skip a failure where every peer has to be there."""
    if report.skipped and not hasattr(report, "wasxfail") and _in_ci():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped in CI. {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report():
    return _refuse_skip((yield))
