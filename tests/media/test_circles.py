"""Which streams hear themselves, told from destinations and sinks alone."""

import pytest
from attrs import define, field

from karl_trio.endpoint import Endpoint
from karl_trio.media.circles import Circles


@define(eq=False)
class Stream:
    """As far as circles look into one."""

    number: int
    is_muted: bool = False
    shares_port: bool = False
    aimed: object = None
    port: object = field(init=False)
    latch: object = field(init=False)
    endpoint: object = field(init=False)
    destination: object = field(init=False, default=None)

    def __attrs_post_init__(self):
        self.port = self.latch = self
        self.endpoint = Endpoint("192.0.2.1", self.number)

    def mute(self, *, is_muted):
        self.is_muted = is_muted


@pytest.fixture
def circles():
    return Circles()


@pytest.fixture
def streams(circles):
    """Five streams; the first two are a call's, the next two another's."""
    made = [Stream(number) for number in range(5)]
    for stream in made:
        circles.add(stream, Endpoint("198.51.100.1", stream.number))
    for one, another in ((0, 1), (2, 3)):
        circles.lead(made[one], [made[another]])
        circles.lead(made[another], [made[one]])
    return made


def muted(circles, streams):
    circles.settle(streams)
    return [stream.number for stream in streams if stream.is_muted]


def send(streams, *pairs):
    for one, another in pairs:
        streams[one].destination = streams[another].endpoint


async def test_a_chain_is_no_circle(circles, streams):
    send(streams, (1, 2), (2, 1))
    assert muted(circles, streams) == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        # One side of a call is sent to the port of the other: what leaves there arrives where it leaves by.
        ([(0, 1)], [0]),
        ([(0, 1), (1, 0)], [0, 1]),
        ([(1, 2), (3, 0)], [1, 3]),
        ([(0, 3), (2, 1)], [0, 2]),
        # To its own port: from there it goes to the other side, which sends it to somebody else.
        ([(0, 0)], []),
        ([(0, 0), (1, 1)], [0, 1]),
        # A tail that leads into a circle is none.
        ([(4, 0), (0, 1)], [0]),
    ],
)
async def test_whoever_sends_and_hears_it_again_is_muted(circles, streams, pairs, expected):
    send(streams, *pairs)
    assert muted(circles, streams) == expected


async def test_the_advertised_address_of_a_port_means_it_too(circles, streams):
    streams[0].destination = Endpoint("198.51.100.1", 1)
    assert muted(circles, streams) == [0]


async def test_a_circle_is_opened_by_a_change_anywhere_in_it(circles, streams):
    send(streams, (1, 2), (3, 0))
    assert muted(circles, streams) == [1, 3]
    streams[3].destination = Endpoint("203.0.113.1", 9)
    circles.settle([streams[3]])
    circles.look_again()
    assert not any(stream.is_muted for stream in streams)


async def test_a_circle_is_opened_when_a_stream_in_it_ends(circles, streams):
    send(streams, (1, 2), (3, 0))
    circles.settle(streams)
    circles.remove(streams[2])
    circles.look_again()
    assert not streams[1].is_muted


async def test_an_echo_of_an_echo_is_a_circle(circles, streams):
    circles.lead(streams[0], [streams[0]])
    circles.lead(streams[2], [streams[2]])
    send(streams, (0, 2), (2, 0))
    assert muted(circles, streams) == [0, 2]
    # An echo to somebody else is not.
    streams[2].destination = Endpoint("203.0.113.1", 9)
    assert muted(circles, streams) == []
