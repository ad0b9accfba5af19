"""The list of those who are obeyed."""

import pytest
import trio

from karl_trio.config import Settings
from karl_trio.server.access import LOG_EVERY, Access
from karl_trio.server.counters import ControlCounters


def access(*networks):
    settings = Settings(control_allow=networks) if networks else Settings()
    return Access.of(settings, ControlCounters())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.0.7", "::1"])
def test_this_host_is_obeyed_by_default(address):
    assert access().admits(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fe80::1%eth0"])
def test_nobody_else_is(address):
    assert not access().admits(address)


def test_networks_and_single_addresses_are_admitted():
    proxies = access("192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "fe80::/10")
    admitted = ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8:ffff::1", "fe80::1%eth0"]
    assert all(map(proxies.admits, admitted))
    refused = ["192.0.3.0", "198.51.100.8", "2001:db9::", "127.0.0.1", "::1", "::c000:201"]
    assert not any(map(proxies.admits, refused))


def test_a_list_that_is_read_again_holds_at_once():
    changing = access()
    changing.follow(Settings(control_allow=("192.0.2.1",)))
    assert changing.admits("192.0.2.1")
    assert not changing.admits("127.0.0.1")


@pytest.mark.parametrize(
    ("networks", "is_local"),
    [((), True), (("127.0.0.1",), True), (("127.0.0.1", "10.0.0.1"), False), (("0.0.0.0/0",), False)],
)
def test_it_tells_whether_other_hosts_are_obeyed(networks, is_local):
    assert access(*networks).is_local == is_local


async def test_a_flood_of_refusals_is_a_line_a_minute(caplog, autojump_clock):
    strict = access()
    for number in range(1000):
        strict.refuse(f"192.0.2.{number % 256}")
    assert [record.getMessage() for record in caplog.records] == [
        "1 requests or connections not answered, the last from 192.0.2.0, which is not in control-allow"
    ]
    await trio.sleep(LOG_EVERY)
    strict.refuse("198.51.100.1")
    assert "1000 requests or connections not answered, the last from 198.51.100.1" in caplog.text
    assert len(caplog.records) == 2
    assert strict.counters.not_allowed == 1001
