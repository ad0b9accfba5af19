"""The table in docs/security.md names the tests that there are, and no others."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_table_of_attacks_is_in_step_with_the_tests():
    rows = dict(re.findall(r"^\| A(\d+) \|.*\| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE))
    named = {(int(row), name) for row, names in rows.items() for name in re.findall(r"`(.+?)`", names)}
    there = {(int(path.name[6:8]), path.name) for path in Path(__file__).parent.glob("test_a*.py")}
    assert named == there
