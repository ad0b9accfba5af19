"""Named interfaces: which one a leg gets, and which addresses are our own."""

from random import Random

import pytest
from attrs import frozen

from karl_trio.config import PortRange
from karl_trio.endpoint import Endpoint
from karl_trio.errors import InvalidParameters
from karl_trio.media.interfaces import Interfaces
from karl_trio.media.routes import Routes


@frozen
class Spec:
    name: str
    address: str
    advertised: str
    ports: PortRange | None = None


OUTSIDE_4 = Spec("outside", "10.0.0.5", "198.51.100.5")
OUTSIDE_6 = Spec("outside", "2001:db8::5", "2001:db8::5")
INSIDE_4 = Spec("inside", "192.168.0.5", "192.168.0.5")


def make(*specs, **options):
    return Interfaces.build(specs, low=30_000, high=30_099, rest=5.0, random=Random(1), **options)


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


def test_of_several_addresses_of_a_family_the_first_is_used():
    interfaces = make(Spec("many", "10.0.0.1", "10.0.0.1"), Spec("many", "10.0.0.2", "10.0.0.2"), OUTSIDE_6)
    assert interfaces.find("many", "IP4").address == "10.0.0.1"
    assert interfaces.find(None, "IP4").address == "10.0.0.1"


@pytest.mark.parametrize("name", [None, "inside", "nowhere"])
def test_family_that_we_have_no_address_of_is_refused(name):
    with pytest.raises(InvalidParameters, match="no interface has an address of family IP6"):
        make(OUTSIDE_4, INSIDE_4).find(name, "IP6")


def test_known_names_are_those_configured(interfaces):
    assert interfaces.serves("inside")
    assert not interfaces.serves("inside", "IP6")
    assert interfaces.serves("outside", "IP6")
    assert not interfaces.serves("nowhere")
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


POOL = [Spec(f"pool:{number}", f"127.0.0.{number}", f"127.0.0.{number}") for number in (1, 2, 3)]


def take_turns(interfaces, times, name="pool"):
    """Give so many legs an interface of the name; return the names that they got."""
    names = []
    for _ in range(times):
        interface = interfaces.find(name, "IP4")
        interfaces.took_turn(interface)
        names.append(interface.name)
    return names


def test_interfaces_of_one_base_take_turns():
    assert take_turns(make(*POOL), 4) == ["pool:1", "pool:2", "pool:3", "pool:1"]


def test_a_search_alone_takes_no_turn():
    interfaces = make(*POOL)
    assert {interfaces.find("pool", "IP4").name for _ in range(3)} == {"pool:1"}


def test_a_suffix_names_one_of_them_and_the_next_one_follows():
    interfaces = make(*POOL)
    assert take_turns(interfaces, 2, "pool:2") == ["pool:2", "pool:2"]
    assert take_turns(interfaces, 2) == ["pool:3", "pool:1"]


def test_the_default_interface_takes_turns_if_it_is_named_so():
    assert take_turns(make(*POOL), 3, None) == ["pool:1", "pool:2", "pool:3"]
    assert take_turns(make(INSIDE_4, *POOL), 2, None) == ["inside", "inside"]


def test_an_interface_without_free_ports_loses_its_turn():
    full, *others = POOL
    interfaces = make(Spec(full.name, full.address, full.advertised, PortRange(30_000, 30_001)), *others)
    assert take_turns(interfaces, 2) == ["pool:1", "pool:2"]
    pair = interfaces.find("pool:1", "IP4").pool.take_pair(0.0)
    try:
        assert take_turns(interfaces, 3) == ["pool:3", "pool:2", "pool:3"]
        # Who insists gets it, and hears that there are no ports.
        assert interfaces.find("pool:1", "IP4").name == "pool:1"
    finally:
        pair.close(0.0)


def test_members_without_an_address_of_the_family_are_passed_over():
    interfaces = make(*POOL[:2], Spec("pool:6", "::1", "::1"))
    assert interfaces.find("pool", "IP6").name == "pool:6"
    assert interfaces.find(None, "IP6").name == "pool:6"


def test_an_alias_stands_for_a_name_or_a_base():
    interfaces = make(INSIDE_4, *POOL, aliases={"lan": "inside", "public": "pool"})
    assert interfaces.find("lan", None).name == "inside"
    assert interfaces.serves("lan", "IP4")
    assert take_turns(interfaces, 2, "public") == ["pool:1", "pool:2"]
    assert interfaces.goes_by("pool:2", "public")
    assert interfaces.goes_by("inside", "lan")
    assert not interfaces.goes_by("inside", "pool")


def test_an_interface_may_have_ports_of_its_own():
    interfaces = make(INSIDE_4, Spec("narrow", "192.168.0.5", "192.168.0.5", PortRange(40_000, 40_009)))
    wide, narrow = interfaces.pools
    assert (wide.low, wide.high, wide.size) == (30_000, 30_099, 100)
    assert (narrow.low, narrow.high, narrow.size) == (40_000, 40_009, 10)


async def test_the_interface_towards_a_peer_is_the_one_whose_address_the_kernel_chooses():
    routes = Routes({"198.51.100.9": "192.168.0.5", "2001:db8::9": "2001:db8::5"}.get)
    interfaces = make(OUTSIDE_4, OUTSIDE_6, INSIDE_4, routes=routes)
    assert interfaces.name_towards("198.51.100.9") == "inside"
    assert interfaces.name_towards("2001:db8::9") == "outside"
    assert interfaces.name_towards("203.0.113.1") is None
