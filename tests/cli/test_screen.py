import json

import pytest

from karl_trio.cli.screen import Screen, as_json, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü ☎", "plain äöü ☎"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("\u202eturned", "\\u202eturned"),
        (b"\xff".decode(errors="surrogateescape"), "\\udcff"),
        (7, "7"),
    ],
)
def test_nothing_but_text_reaches_the_terminal(text, shown):
    assert printable(text) == shown


def test_json_is_sorted_and_ascii():
    value = {"b": "ä\udcff", "a": [1, {}]}
    assert as_json(value).isascii()
    assert list(json.loads(as_json(value)).items()) == [("a", [1, {}]), ("b", "ä\udcff")]


def test_columns_in_a_pipe_are_aligned_whole_and_plain(capsys):
    long = "x" * 300
    Screen().table(("name", ">count"), [("[red]one[/red]", 1), (long, 1000)])
    header, first, second = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert second.split() == [long, "1000"]
    assert first.split() == ["[red]one[/red]", "1"]
    assert header.split() == ["name", "count"]
    assert len({len(line) for line in (header, first, second)}) == 1


def test_a_dictionary_of_any_depth(capsys):
    Screen().tree(
        {
            "result": "ok",
            "sdp": "v=0\r\ns=\x1b\r\n",
            "tags": {"a": {"n": 1}},
            "flags": ["x", "y"],
            "list": [{"k": 2}],
            "none": {},
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "result: ok",
        "sdp:",
        "  v=0",
        "  s=\\x1b",
        "tags:",
        "  a:",
        "    n: 1",
        "flags: x, y",
        "list:",
        "  -",
        "    k: 2",
        "none:",
    ]
