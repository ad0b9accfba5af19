"""Named interfaces: which one a leg gets, and which addresses are our own."""

from random import Random

import pytest
from attrs import frozen

from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidParameters
from karl_trio.media.interfaces import Interfaces


@frozen
class Spec:
    name: str
    address: str
    advertised: str


OUTSIDE_4 = Spec("outside", "10.0.0.5", "198.51.100.5")
OUTSIDE_6 = Spec("outside", "2001:db8::5", "2001:db8::5")
INSIDE_4 = Spec("inside", "192.168.0.5", "192.168.0.5")


def make(*specs):
    return Interfaces.build(specs, low=30_000, high=30_099, rest=5.0, random=Random(1))


@pytest.fixture
def interfaces():
    return make(OUTSIDE_4, OUTSIDE_6, INSIDE_4)


@pytest.mark.parametrize(
    ("name", "family", "address"),
    [
        (None, None, "10.0.0.5"),
        (None, "IP4", "10.0.0.5"),
        (None, "IP6", "2001:db8::5"),
        ("outside", None, "10.0.0.5"),
        ("outside", "IP6", "2001:db8::5"),
        ("inside", None, "192.168.0.5"),
        ("inside", "IP4", "192.168.0.5"),
        # There is no such interface: the default one of the family.
        ("inside", "IP6", "2001:db8::5"),
        ("nowhere", None, "10.0.0.5"),
        ("nowhere", "IP6", "2001:db8::5"),
    ],
)
def test_interface_is_the_first_of_its_name_and_family(interfaces, name, family, address):
    assert interfaces.find(name, family).address == address


@pytest.mark.parametrize("name", [None, "inside", "nowhere"])
def test_family_that_we_have_no_address_of_is_refused(name):
    with pytest.raises(InvalidParameters, match="no interface has an address of family IP6"):
        make(OUTSIDE_4, INSIDE_4).find(name, "IP6")


def test_known_names_are_those_configured(interfaces):
    assert interfaces.is_known("inside")
    assert not interfaces.is_known("nowhere")
    assert [interface.name for interface in interfaces] == ["outside", "outside", "inside"]
    assert len(interfaces) == 3


def test_interface_keeps_what_it_binds_to_apart_from_what_it_advertises(interfaces):
    interface = interfaces.find("outside", "IP4")
    assert (interface.address, interface.advertised, interface.family) == ("10.0.0.5", "198.51.100.5", "IP4")
    assert interface.pool.address == "10.0.0.5"
    assert not interface.is_loopback
    assert make(Spec("default", "127.0.0.1", "127.0.0.1")).find(None, None).is_loopback


def test_interfaces_with_the_same_address_share_their_ports():
    interfaces = make(OUTSIDE_4, Spec("other", "10.0.0.5", "203.0.113.9"), INSIDE_4)
    first, second, third = interfaces
    assert first.pool is second.pool
    assert first.pool is not third.pool
    assert interfaces.pools == (first.pool, third.pool)


def test_no_interface_at_all_is_refused():
    with pytest.raises(ValueError, match="no interface"):
        make()


def test_a_media_port_of_ours_is_known_while_it_is_in_use():
    interfaces = make(Spec("loopback", "127.0.0.1", "127.0.0.1"))
    pool = next(iter(interfaces)).pool
    pair = pool.take_pair(0.0)
    port = pair.rtp.endpoint.port
    assert interfaces.has_open_port(pair.rtp.endpoint)
    assert interfaces.has_open_port(pair.rtcp.endpoint)
    assert not interfaces.has_open_port(Endpoint("192.0.2.77", port))
    assert not interfaces.has_open_port(Endpoint(pool.address, 1024))
    pair.close(1.0)
    assert not interfaces.has_open_port(pair.rtp.endpoint)
