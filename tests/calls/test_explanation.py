"""What is told of a flag is what happens when an offer has it."""

import re
from pathlib import Path

import pytest

import karl_trio.calls
from karl_trio.calls.capabilities import EFFECTIVE_FLAGS
from karl_trio.calls.explanation import Verdict, judge
from karl_trio.calls.offer_answer import DRY_RUN
from karl_trio.errors import NotSupported
from karl_trio.ng.flags import FLAGS
from karl_trio.ng.meanings import entries
from karl_trio.ng.words import WORDS

from .conftest import make_interfaces
from .proxy import sdp


def verdict(text):
    (entry,) = entries(text)
    return judge(entry).verdict


WORDS_OF_KEYS = [
    f"{key}={word}" for key, words in WORDS.items() for word in words if not {" ", "*"} & {*word}
]
CODECS = ["codec-strip-PCMA", "codec-mask-PCMA", "transcode-G729", "transcode-PCMA"]


@pytest.mark.parametrize("flag", [*FLAGS, *WORDS_OF_KEYS, *CODECS])
async def test_the_verdict_is_that_of_a_real_offer(proxy, calls, flag):
    calls.interfaces = make_interfaces("127.0.0.1", "::1")
    judged = judge(*entries(flag))
    if judged.verdict is Verdict.REFUSED:
        with pytest.raises(NotSupported, match=re.escape(judged.note)):
            proxy.offer(sdp(4000), flags=[flag])
        return
    proxy.offer(sdp(4000), flags=[flag])
    warnings = "; ".join(text for text in proxy.warnings if text != DRY_RUN)
    if judged.verdict is Verdict.OBSOLETE:
        assert warnings == f"flag '{flag}' is obsolete"
    elif judged.note.startswith("only in "):
        assert warnings == f"key '{flag.partition('=')[0]}' has no effect in an offer"
    else:
        assert warnings == judged.note
        assert judged.verdict is (Verdict.NO_EFFECT if warnings else Verdict.WORKS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trust-address", Verdict.WORKS),
        ("media-address=$var(ip)", Verdict.FILLED_IN),
        ("template=browser", Verdict.CONFIGURED),
        ("recording-vsc", Verdict.NO_EFFECT),
        ("repeat-times=3", Verdict.NO_EFFECT),
        ("reorder-codecs", Verdict.OBSOLETE),
        ("transcode-opus", Verdict.REFUSED),
        ("transcode-PCMA", Verdict.WORKS),
        ("codec-strip-all", Verdict.WORKS),
        ("media-timeout=N", Verdict.INVALID),
        ("trust-adress", Verdict.UNKNOWN),
        ("rtcp-mux-ofer", Verdict.UNKNOWN),
    ],
)
def test_verdicts(text, expected):
    assert verdict(text) is expected


def test_a_key_of_other_commands_is_told_to_be_one():
    assert judge(*entries("limit=3")).note == "only in list"
    assert judge(*entries("medias=audio")).note == "only in create"


def test_flags_that_the_calls_look_at_are_counted_as_effective():
    looked_at = set()
    for path in Path(karl_trio.calls.__file__).parent.glob("*.py"):
        looked_at.update(re.findall(r'"([\w-]+)" (?:not )?in \w*\.?request\.flags', path.read_text()))
    assert looked_at
    assert looked_at - EFFECTIVE_FLAGS == set()
