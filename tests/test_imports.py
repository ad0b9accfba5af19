"""The house of DESIGN, section 1: imports go downwards only, and below the line there is no I/O.

Read from the syntax trees, so that imports inside functions and for types count as well.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import karl_trio

ROOT = Path(karl_trio.__file__).parent
MAX_LINES = 500

_BOTTOM = {"errors", "endpoint", "escaping"}
_PROTOCOLS = {"ng", "sdp", "rtp"}
_GROUND = {"config", "logs"} | _PROTOCOLS | _BOTTOM

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "endpoint": set(),
    "escaping": set(),
    "rtp": _BOTTOM,
    "sdp": _BOTTOM,
    "ng": _BOTTOM,
    "config": _PROTOCOLS | _BOTTOM,
    "logs": {"config"} | _PROTOCOLS | _BOTTOM,
    "media": _GROUND,
    "calls": {"media"} | _GROUND,
    "server": {"calls", "media"} | _GROUND,
    "client": {"ng"} | _BOTTOM,
    "console": {"client"} | _BOTTOM,
    "cli": {"client", "console", "server", "calls"} | _GROUND,
    "__main__": {"cli"},
}
"""Which parts of karl_trio each part may import, besides itself."""

PURE = _PROTOCOLS | _BOTTOM
"""The parts below the line: bytes and time in, bytes and events out."""

IMPURE_MODULES = {
    *("trio", "trio_util", "asyncio", "socket", "select", "selectors", "ssl", "time", "datetime", "logging"),
    *("threading", "multiprocessing", "subprocess", "signal", "os", "pathlib", "tempfile", "secrets", "uuid"),
}
"""What gives access to the network, the clock, the machine or the log."""


def modules() -> dict[str, Path]:
    """Return every module of karl_trio with its file."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def part_of(module: str) -> str:
    """Return the part that a module belongs to, empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def imports(tree: ast.AST, module: str, *, is_package: bool = False) -> list[str]:
    """Return the full names of what a syntax tree imports; names imported from a module included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[
                    : None if is_package and node.level == 1 else is_package - node.level
                ]
                base = ".".join([*above, *([base] if base else [])])
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


def upward_imports(names: list[str], module: str) -> list[str]:
    """Return the imports that the direction of the house does not allow."""
    part = part_of(module)
    allowed = MAY_IMPORT.get(part, set()) | {part}
    own = [name for name in names if name.startswith("karl_trio.") and name != "karl_trio.__version__"]
    return [name for name in own if part_of(name) not in allowed]


def impurities(tree: ast.AST, names: list[str]) -> list[str]:
    """Return what a module below the line must not have: I/O, clocks, logs, unseeded randomness."""
    found = [name for name in names if name.partition(".")[0] in IMPURE_MODULES]
    found += [name for name in names if name.startswith("random.") and name != "random.Random"]
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=attr) if attr != "Random":
                found.append(f"random.{attr}")
            case ast.Call(func=ast.Name(id="Random") | ast.Attribute(attr="Random"), args=[], keywords=[]):
                found.append("Random() without a seed")
            case ast.Call(func=ast.Name(id="print" | "open" | "input" as name)):
                found.append(f"{name}()")
    return found


def imports_when_loaded(tree: ast.Module, module: str, *, is_package: bool = False) -> set[str]:
    """Return the modules of karl_trio that are imported while the module itself is loaded."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import() | ast.ImportFrom():
                found.update(imports(node, module, is_package=is_package))
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += node.orelse
            case ast.If() | ast.Try() | ast.ExceptHandler() | ast.With() | ast.ClassDef():
                waiting += ast.iter_child_nodes(node)
    return {name if name in MODULES else name.rpartition(".")[0] for name in found} & set(MODULES) - {module}


def read(module: str) -> tuple[ast.Module, bool]:
    path = MODULES[module]
    return ast.parse(path.read_text(encoding="utf-8"), str(path)), path.name == "__init__.py"


each_module = pytest.mark.parametrize("module", MODULES)


@each_module
def test_imports_go_downwards(module):
    tree, is_package = read(module)
    assert upward_imports(imports(tree, module, is_package=is_package), module) == []


@each_module
def test_every_module_has_a_place_in_the_house(module):
    assert part_of(module) in {*MAY_IMPORT, ""}, "give it a row in MAY_IMPORT"


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in PURE])
def test_below_the_line_there_is_no_io_no_clock_and_no_log(module):
    tree, is_package = read(module)
    assert impurities(tree, imports(tree, module, is_package=is_package)) == []


@each_module
def test_asyncio_is_nowhere(module):
    tree, is_package = read(module)
    names = imports(tree, module, is_package=is_package)
    assert [name for name in names if name.partition(".")[0] == "asyncio"] == []


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) != "__main__"])
def test_every_module_can_be_imported(module):
    importlib.import_module(module)


@each_module
def test_no_file_is_too_long_to_have_one_idea(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_no_modules_import_each_other_in_a_circle():
    graph = {}
    for module in MODULES:
        tree, is_package = read(module)
        graph[module] = imports_when_loaded(tree, module, is_package=is_package)
    graphlib.TopologicalSorter(graph).prepare()


def test_the_table_itself_goes_downwards():
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [
        (
            "from karl_trio.cli import main, serve; from karl_trio.server import app",
            {"h11", "wsproto", "rich"},
        ),
        ("from karl_trio.cli import main, control", {"h11", "wsproto", "rich", "cattrs", "karl_trio.server"}),
    ],
    ids=["serve without HTTP", "ping"],
)
def test_what_only_some_need_is_not_imported_by_all(program, unneeded):
    """Whoever restarts the daemon waits for each of its imports."""
    listing = f"import sys; {program}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    assert unneeded.isdisjoint(done.stdout.split())


# The tests above would pass as well if what they rely on saw nothing, so it is tried on offenders.


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("karl_trio.ng.bencode", "from karl_trio.sdp import lines"),
        ("karl_trio.ng.bencode", "from karl_trio import server"),
        ("karl_trio.ng.bencode", "from ..media.ports import Port"),
        ("karl_trio.ng.bencode", "def late():\n    import karl_trio.media.ports"),
        ("karl_trio.errors", "from .endpoint import Endpoint"),
        ("karl_trio.client.nodes", "if TYPE_CHECKING:\n    from karl_trio.config import Settings"),
        ("karl_trio.media.relay", "from karl_trio.calls.call import Call"),
    ],
)
def test_an_import_upwards_is_seen(module, source):
    assert len(upward_imports(imports(ast.parse(source), module), module)) == 1


def test_imports_inside_a_part_and_downwards_are_allowed():
    source = "import trio\nfrom . import lines\nfrom .lines import Line\nfrom ..errors import Malformed\n"
    source += "from karl_trio import __version__"
    names = imports(ast.parse(source), "karl_trio.sdp.description")
    assert names[1:4] == ["karl_trio.sdp.lines", "karl_trio.sdp.lines.Line", "karl_trio.errors.Malformed"]
    assert upward_imports(names, "karl_trio.sdp.description") == []


def test_relative_imports_of_a_package_start_at_the_package():
    source = "from .lines import Line\nfrom ..errors import Malformed"
    names = imports(ast.parse(source), "karl_trio.sdp", is_package=True)
    assert names == ["karl_trio.sdp.lines.Line", "karl_trio.errors.Malformed"]


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import time as clock",
        "from time import monotonic",
        "from trio import sleep",
        "import logging.handlers",
        "import random\nx = random.random()",
        "from random import choice",
        "from random import Random\nx = Random()",
        "import random\nx = random.Random()",
        "print('x')",
        "x = open('x')",
    ],
)
def test_what_does_not_belong_below_the_line_is_seen(source):
    tree = ast.parse(source)
    assert len(impurities(tree, imports(tree, "karl_trio.rtp.header"))) == 1


def test_randomness_with_a_seed_is_allowed_below_the_line():
    tree = ast.parse("import random\nfrom random import Random\nx = Random(1), random.Random(x=2)")
    assert impurities(tree, imports(tree, "karl_trio.rtp.header")) == []


def test_a_circle_is_only_what_happens_while_loading():
    source = "import karl_trio.errors\nif TYPE_CHECKING:\n    from . import endpoint\n"
    source += "try:\n    from karl_trio.config import settings\nexcept ImportError:\n    pass\n"
    source += "def late():\n    from . import logs\n"
    source += "class Late:\n    def method(self):\n        from . import logs\n"
    assert imports_when_loaded(ast.parse(source), "karl_trio.x") == {
        "karl_trio.errors",
        "karl_trio.config.settings",
    }
