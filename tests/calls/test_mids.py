"""What media are called (a=mid, RFC 5888): unique toward each leg, the same for good, and mapped back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.calls.mids import offered_mids

from .proxy import sdp

names = st.lists(st.tuples(*[st.sampled_from([None, None, "1", "2", "3", "a", "b"])] * 2), max_size=6)


def body(port, *mids):
    media = [("audio", port + 2 * place, ["mid:" + mid] if mid else []) for place, mid in enumerate(mids)]
    return sdp(0, media=media)


def mids(description):
    return [section.mid for section in description.media]


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ([None, None], ["1", "2"]),
        (["a", None], ["a", "2"]),
        (["2", None], ["2", "3"]),
        ([None, "1"], ["3", "1"]),
        ([None, "1", "3"], ["4", "1", "3"]),
    ],
)
async def test_generated_names_do_not_clash_with_those_that_are_there(proxy, own, told):
    assert mids(proxy.offer(body(4000, *own), flags=["generate-mid"])) == told
    assert mids(proxy.answer(body(5000, *told))) == own


async def test_a_name_once_told_stays_without_the_flag_too(proxy):
    proxy.offer(body(4000, None), flags=["generate-mid"])
    assert mids(proxy.answer(body(5000, "1"))) == [None]
    assert mids(proxy.offer(body(4000, None, "1"), to_tag="bob")) == ["1", "2"]
    assert mids(proxy.answer(body(5000, "1", "2"))) == [None, "1"]


async def test_each_leg_keeps_the_names_that_it_gave_itself(proxy):
    proxy.offer(body(4000, "voice"), flags=["generate-mid"])
    proxy.answer(body(5000, "voice"))
    assert mids(proxy.offer(body(5000, "audio"), from_tag="bob", to_tag="alice")) == ["voice"]
    assert mids(proxy.answer(body(4000, "voice"), from_tag="bob", to_tag="alice")) == ["audio"]


async def test_without_the_flag_nothing_gets_a_name(proxy):
    assert mids(proxy.offer(body(4000, None, "x"))) == [None, "x"]
    assert mids(proxy.answer(body(5000, "y", "x"))) == [None, "x"]


@given(names, st.booleans())
def test_no_two_media_are_called_the_same(pairs, generates):
    known = [known for _, known in pairs]
    told = offered_mids([own for own, _ in pairs], known, generates=generates)
    given_names = [mid for mid in told if mid]
    assert len(set(given_names)) == len(given_names)
    firsts = [place for place, before in enumerate(known) if before and before not in known[:place]]
    assert all(told[place] == known[place] for place in firsts)
    assert not generates or all(told)
