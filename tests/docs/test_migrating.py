"""What docs/migrating.md shows can be used as it stands there, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from karl_trio.cli.main import COMMANDS
from karl_trio.config import Settings, load

TEXT = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()


def test_the_configurations_are_understood(tmp_path):
    path = tmp_path / "karl-trio.toml"
    loaded = []
    for example in re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        path.write_text(example)
        loaded.append(load(path))
    rtpengine, karl = loaded
    assert rtpengine.interface == ("internal/10.0.0.1", "external/10.0.0.2!203.0.113.7")
    assert (rtpengine.delete_delay, rtpengine.port_max, rtpengine.log_level) == (30, 39999, "info")
    assert karl.listen_ng == ("0.0.0.0:22222",)
    assert karl.control_allow == ("127.0.0.0/8", "192.0.2.10")


def test_the_options_that_are_said_to_be_the_same_are_there():
    names = {name.replace("_", "-") for name in attrs.fields_dict(Settings)}
    rows = re.findall(
        r"^\| (`[^|]+) \| [^|]* \| ([^|]+) \|$", TEXT.partition("### What differs")[0], re.MULTILINE
    )
    assert len(rows) > 10
    for theirs, ours in rows:
        if ours.startswith("the same"):
            assert set(re.findall(r"`([\w-]+)`", theirs)) <= names
        elif ours.startswith("`"):
            assert ours.split("`")[1] in names


def test_the_defaults_that_differ_differ_as_it_says():
    default = Settings()
    assert (default.delete_delay, default.port_min, default.port_max) == (0, 30000, 40000)
    assert (default.timeout, default.silent_timeout, default.offer_timeout) == (60, 3600, 3600)
    assert (default.final_timeout, default.tos, default.control_tos, default.max_sessions) == (0, 0, 0, -1)
    assert (default.endpoint_learning, default.strict_source, default.log_level) == (
        "heuristic",
        True,
        "info",
    )


def test_the_commands_are_there():
    named = set(re.findall(r"karl-trio ([a-z]+)", TEXT))
    assert named <= {*COMMANDS, "tells"}
