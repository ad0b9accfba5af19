"""Literal addresses, and those that media must not go to."""

import pytest

from karl_trio.endpoint import canonical
from karl_trio.errors import InvalidSdp
from karl_trio.sdp.addresses import connection_address, danger, zero_address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("IN IP4 192.0.2.1", "192.0.2.1"),
        ("in ip4 192.0.2.1 ", "192.0.2.1"),
        ("IN IP6 2001:0DB8:0::0:1", "2001:db8::1"),
        ("IN IP4 0.0.0.0", "0.0.0.0"),
        ("IN IP6 ::", "::"),
    ],
)
def test_connection_address_is_canonical(value, address):
    assert connection_address(value) == address


@pytest.mark.parametrize(
    "value",
    [
        "",
        "IN IP4",
        "IN IP4 phone.example.com",
        "IN IP4 192.0.2.1/127",
        "IN IP4 192.0.2.1 extra",
        "IN IP4 2001:db8::1",
        "IN IP6 192.0.2.1",
        "IN IP6 fe80::1%eth0",
        "IN IPX 192.0.2.1",
        "ATM NSAP 47.0091",
        "IN IP4 3221225985",
        "IN IP4 0xc0000201",
        "IN IP4 0300.0.2.1",
        "IN IP4 192.0.2",
        "IN IP4 192.0.2.1\udcff",
        "IN IP6 " + "0" * 10_000,
    ],
)
def test_anything_but_a_literal_address_of_its_family_is_refused(value):
    with pytest.raises(InvalidSdp):
        connection_address(value)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "2001:db8::1",
        "fd00::1",
        "64:ff9b::c000:201",
    ],
)
def test_addresses_of_phones_are_harmless(address):
    assert danger(address) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "0:0::0"])
def test_hold_is_harmless(address):
    assert danger(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.1", "this network"),
        ("0.255.255.255", "this network"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata service"),
        ("100.100.100.200", "metadata service"),
        ("fd00:ec2::254", "metadata service"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:192.0.2.1", "IPv4-mapped"),
        ("::ffff:7f00:1", "IPv4-mapped"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata service"),
        ("64:ff9b::", "this network"),
        ("2002:7f00:1::", "loopback"),
        ("phone.example.com", "no address"),
        ("2130706433", "no address"),
    ],
)
def test_dangerous_targets_are_told_by_their_reason(address, reason):
    assert danger(address) == reason


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_can_be_allowed(address):
    assert danger(address, allow_loopback=True) is None


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "169.254.1.1", "0.0.0.1"])
def test_allowing_loopback_allows_nothing_else(address):
    assert danger(address, allow_loopback=True) is not None


def test_zero_address_of_each_family():
    assert (zero_address("IP4"), zero_address("IP6")) == ("0.0.0.0", "::")
    assert canonical(zero_address("IP6")) == zero_address("IP6")
