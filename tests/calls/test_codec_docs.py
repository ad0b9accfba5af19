"""The table in docs/codecs.md says what happens."""

import re
from pathlib import Path

import pytest

from karl_trio.errors import NgError

from .test_codecs import body, names

DOCUMENT = Path(__file__).parents[2] / "docs" / "codecs.md"
ROWS = re.findall(r"^\| (`.*`) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
CASES = [(flags, outcome) for cell, outcome in ROWS for flags in re.findall(r"`(.*?)`", cell)]


@pytest.mark.parametrize(("flags", "outcome"), CASES)
async def test_an_offer_comes_out_as_the_table_says(proxy, flags, outcome):
    offer = body(4000, "0 8 9 101")
    if outcome.startswith("error"):
        with pytest.raises(NgError) as refused:
            proxy.offer(offer, flags=flags.split())
        assert outcome == f"error `{refused.value.reason}`"
        return
    offered = proxy.offer(offer, flags=flags.split())
    assert proxy.warnings == ()
    if outcome == "rejected":
        assert offered.media[0].port == 0
    else:
        assert " ".join(names(offered)[0]) == outcome


def test_the_table_was_found():
    assert len(CASES) > 15
