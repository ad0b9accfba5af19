"""Offers and answers as they must come out, one folder a topic.

`golden/<topic>/` has `offer.in.sdp`, `offer.out.sdp`, the same for the answer where there is one,
and `changes.toml` with the arguments of `rewrite`. Instead of `formats` a media may have the arguments of
`CodecWishes` as `codecs`; an answer is then also held against the offer that went out. Attributes are
changed by a table `sdp-attr` as in a request. Lines end in LF in these files only. The `kamailio-`
folders are what Kamailio really sent.
"""

import tomllib
from pathlib import Path

import pytest

from karl_trio.sdp.description import parse
from karl_trio.sdp.manipulation import SESSION, manipulations
from karl_trio.sdp.rewrite import MediaChanges, SessionChanges, rewrite
from karl_trio.sdp.selection import CodecWishes, OfferedCodecs, answered, select

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(
    path.relative_to(GOLDEN).as_posix().removesuffix(".in.sdp") for path in GOLDEN.glob("*/*.in.sdp")
)


def table_for(case):
    topic, step = case.split("/")
    return tomllib.loads((GOLDEN / topic / "changes.toml").read_text())[step]


def changes_for(case, description):
    table = table_for(case)
    attributes = manipulations(table.get("sdp-attr", {}))
    session = SessionChanges(**table.get("session", {}), attributes=attributes.get(SESSION))
    media = []
    for number, (fields, section) in enumerate(zip(table["media"], description.media, strict=True)):
        wishes = fields.pop("codecs", None)
        if wishes is not None:
            fields["formats"] = chosen(case, number, section, wishes)
        elif "formats" in fields:
            fields["formats"] = tuple(fields["formats"])
        media.append(MediaChanges(**fields, attributes=attributes.get(section.kind)))
    return session, media


def chosen(case, number, section, wishes):
    formats = section.formats
    if case.endswith("/answer"):
        offer = parse(crlf(case.replace("/answer", "/offer"), "out")).media[number]
        names = {codec.payload_type: f"{codec.name}/{codec.clock_rate}" for codec in offer.codecs}
        formats = answered(section, OfferedCodecs(offer.formats, names))
    return select(section, formats, CodecWishes(**wishes))


def crlf(case, side):
    return (GOLDEN / f"{case}.{side}.sdp").read_text().replace("\n", "\r\n")


@pytest.mark.parametrize("case", CASES)
def test_sdp_comes_out_as_the_reference_says(case):
    description = parse(crlf(case, "in"))
    written = rewrite(description, *changes_for(case, description))
    assert written == crlf(case, "out")


@pytest.mark.parametrize("case", CASES)
def test_line_endings_of_the_input_make_no_difference(case):
    text = crlf(case, "in").replace("\r\n", "\n").removesuffix("\n")
    description = parse(text)
    assert rewrite(description, *changes_for(case, description)) == crlf(case, "out")


# To a second proxy, an attribute that the first one added is one of the sender's, and not the last.
@pytest.mark.parametrize("case", [case for case in CASES if "sdp-attr" not in table_for(case)])
def test_second_proxy_in_the_path_changes_nothing_but_addresses(case):
    description = parse(crlf(case, "in"))
    session, media = changes_for(case, description)
    once = rewrite(description, session, media)
    twice = rewrite(parse(once), session, media)
    # The first proxy adds its mark; a second one replaces it by its own, here the same.
    assert twice == once
