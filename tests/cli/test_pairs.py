import pytest

from karl_trio.cli.pairs import PairError, request_of


def read(name):
    return {"-": b"from stdin", "offer.sdp": b"v=0\r\n\xff\r\n"}[name]


def request(*pairs):
    built = request_of("offer", pairs, read)
    assert built.pop("command") == "offer"
    return built


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((), {}),
        (("call-id=a=b",), {"call-id": "a=b"}),
        (("call-id=a,b",), {"call-id": "a,b"}),
        (("call-id=",), {"call-id": ""}),
        (("flags=trust-address",), {"flags": "trust-address"}),
        (("flags=a,b",), {"flags": ["a", "b"]}),
        (("x=1", "x=2", "x=3"), {"x": ["1", "2", "3"]}),
        (("flags=a,b", "flags=c"), {"flags": ["a", "b", "c"]}),
        (("limit:=5",), {"limit": 5}),
        (('codec:={"strip": ["G729"]}',), {"codec": {"strip": ["G729"]}}),
        (("sdp=@offer.sdp",), {"sdp": "v=0\r\n\udcff\r\n"}),
        (("sdp=@-",), {"sdp": "from stdin"}),
        (("x=@@handle",), {"x": "@handle"}),
    ],
)
def test_what_is_typed_becomes_a_request(pairs, expected):
    assert request(*pairs) == expected


@pytest.mark.parametrize(
    "pair", ["", "word", "=value", ":=1", "x:=", "x:={", "x:=1.5", "x:=null", "x:=[1, null]", "command=ping"]
)
def test_what_makes_no_sense_is_named(pair):
    with pytest.raises(PairError) as caught:
        request(pair)
    assert repr(pair) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named():
    def missing(name):
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(PairError, match=r"'sdp=@x': No such file or directory"):
        request_of("offer", ["sdp=@x"], missing)
