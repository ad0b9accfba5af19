"""Offers and answers as they must come out, one folder a topic.

`golden/<topic>/` has `offer.in.sdp`, `offer.out.sdp`, the same for the answer where there is one,
and `changes.toml` with the arguments of `rewrite`. Lines end in LF in these files only. The
`kamailio-` folders are what Kamailio really sent.
"""

import tomllib
from pathlib import Path

import pytest

from karl_trio.sdp.description import parse
from karl_trio.sdp.rewrite import MediaChanges, SessionChanges, rewrite

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(
    path.relative_to(GOLDEN).as_posix().removesuffix(".in.sdp") for path in GOLDEN.glob("*/*.in.sdp")
)


def changes_for(case):
    topic, step = case.split("/")
    table = tomllib.loads((GOLDEN / topic / "changes.toml").read_text())[step]
    session = SessionChanges(**table.get("session", {}))
    media = []
    for fields in table["media"]:
        if "formats" in fields:
            fields["formats"] = tuple(fields["formats"])
        media.append(MediaChanges(**fields))
    return session, media


def crlf(case, side):
    return (GOLDEN / f"{case}.{side}.sdp").read_text().replace("\n", "\r\n")


@pytest.mark.parametrize("case", CASES)
def test_sdp_comes_out_as_the_reference_says(case):
    written = rewrite(parse(crlf(case, "in")), *changes_for(case))
    assert written == crlf(case, "out")


@pytest.mark.parametrize("case", CASES)
def test_line_endings_of_the_input_make_no_difference(case):
    text = crlf(case, "in").replace("\r\n", "\n").removesuffix("\n")
    assert rewrite(parse(text), *changes_for(case)) == crlf(case, "out")


@pytest.mark.parametrize("case", CASES)
def test_second_proxy_in_the_path_changes_nothing_but_addresses(case):
    session, media = changes_for(case)
    once = rewrite(parse(crlf(case, "in")), session, media)
    twice = rewrite(parse(once), session, media)
    # The first proxy adds its mark; a second one replaces it by its own, here the same.
    assert twice == once
