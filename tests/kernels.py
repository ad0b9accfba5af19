"""What this machine's kernel has that not every kernel has that karl-trio runs on."""

from __future__ import annotations

import platform
import re
import subprocess
from functools import cache

TCX_SINCE = 6, 6
"""The version of Linux that tcx came with."""

ADD_VLAN = """
link add trunk type veth peer name other-end
link add link trunk name phones type vlan id 5
"""


@cache
def kernel_has(feature):
    """Tell whether it has "tcx", or "vlan" (interfaces for VLANs, its module 8021q)."""
    return {"tcx": _has_tcx, "vlan": _has_vlan}[feature]()


def _has_tcx():
    major, minor = re.findall(r"\d+", platform.release())[:2]
    return (int(major), int(minor)) >= TCX_SINCE


def _has_vlan():
    words = ["unshare", "--net", "ip", "-batch", "-"]
    try:
        return not subprocess.run(
            words, input=ADD_VLAN, check=False, capture_output=True, text=True
        ).returncode
    except FileNotFoundError:
        return False
