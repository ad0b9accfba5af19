"""The files that a newcomer and an operator start from say what is so."""

from __future__ import annotations

import configparser
import json
import os
import re
import tomllib
from pathlib import Path

import attrs
import pytest

from karl_trio.config import Settings, descriptions, load

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "conf" / "karl-trio.toml"
SETTINGS = attrs.fields(Settings)

each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


def option(setting):
    return setting.name.replace("_", "-")


def as_toml(value):
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


@each_setting
def test_the_sample_has_every_setting_with_its_meaning_and_default(setting):
    lines = f"\n\n# {descriptions()[setting.name]}\n# {option(setting)} = {as_toml(setting.default)}\n"
    assert lines in SAMPLE.read_text()


def test_the_sample_changes_nothing_and_neither_do_its_comments_uncommented(tmp_path):
    assert load(SAMPLE) == Settings()
    lines = SAMPLE.read_text().splitlines()
    uncommented = [line[2:] for line in lines if line.startswith("# ") and line[2:].partition(" = ")[1]]
    path = tmp_path / "all.toml"
    path.write_text("\n".join(uncommented))
    assert len(tomllib.loads(path.read_text())) == len(SETTINGS)
    assert load(path) == Settings()


@each_setting
def test_the_documentation_has_a_row_for_every_setting(setting):
    reload = "restart" if setting.metadata["restart"] else "now"
    cells = [f"`{option(setting)}`", f"`{as_toml(setting.default)}`", reload, descriptions()[setting.name]]
    assert f"| {' | '.join(cells)} |\n" in (ROOT / "docs" / "configuration.md").read_text()


def test_the_documentation_has_no_other_rows():
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert sum(line.startswith("| `") for line in text.splitlines()) == len(SETTINGS)


def test_the_examples_of_the_documentation_are_understood(tmp_path):
    text = (ROOT / "docs" / "configuration.md").read_text()
    examples = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    understood = []
    for example in examples:
        path = tmp_path / "example.toml"
        path.write_text(example)
        understood.append(load(path).interface)
    assert understood[0] == ("internal/10.0.0.1", "external/10.0.0.2!203.0.113.7")
    assert len(understood[1]) == 7
    assert understood[2] == ("trunk/192.0.2.5!203.0.113.5:40000-44999",)


@pytest.fixture
def unit():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string((ROOT / "conf" / "karl-trio.service").read_text())
    return parser


def test_the_service_notifies_reloads_and_is_watched(unit):
    service = unit["Service"]
    assert service["Type"] == "notify-reload"
    assert int(service["WatchdogSec"]) > 0
    assert service["ExecStart"].endswith("/karl-trio serve --config /etc/karl-trio/karl-trio.toml")
    # Exit status 2 is what `serve` ends with when the configuration is at fault.
    assert service["RestartPreventExitStatus"] == "2"


def test_the_service_has_no_power_it_does_not_need(unit):
    service = unit["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert set(service["RestrictAddressFamilies"].split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    assert int(service["LimitNOFILE"]) >= 4 * 65536


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
    ],
)
def test_links_and_commands_of_a_document_lead_somewhere(document):
    path = ROOT / document
    text = path.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[\w-]+)?\)", text)
    scripts = re.findall(r"(?<!python -m )scripts/[\w-]+", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [script for script in scripts if not (ROOT / script).exists()] == []


def test_every_dependency_has_its_reason():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = table["dependency-groups"].values()
    required = [*table["project"]["dependencies"], *(name for group in groups for name in group)]
    rows = "\n".join(
        line.split("|")[1]
        for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines()
        if line.startswith("| ")
    )
    named = set(re.findall(r"[\w-]+", rows))
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in required} - named == set()


@pytest.mark.parametrize(
    "script", ["scripts/run", "scripts/test", "scripts/check", "scripts/environment", ".ci/run"]
)
def test_a_script_can_be_executed(script):
    assert os.access(ROOT / script, os.X_OK)
