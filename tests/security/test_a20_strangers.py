"""A20: somebody who is no SIP proxy of ours reaches the NG port and gives commands."""

import pytest
from trio.testing import wait_all_tasks_blocked

from .hosts import begin, everything, open_socket

PROXY = "127.0.0.1"


@pytest.fixture
async def daemon(start):
    return await start(control_allow=(PROXY,))


COMMANDS = [
    b"a1 d7:call-id6:call-17:command6:deletee",
    b"a2 d7:command4:pinge",
    b"a3 d7:command4:liste",
    b'a4 {"command": "list"}',
    b"a5 nonsense",
    b"no-cookie",
]


async def test_a_stranger_is_not_obeyed_and_hears_nothing(
    autojump_clock, daemon, client, alice, bob, mallory, caplog
):
    talk = await begin(daemon, client, alice, bob)
    ng = daemon.ng_addresses[0]
    for command in COMMANDS * 20:
        mallory.socket.sendto(command, ng.sockaddr)
    await wait_all_tasks_blocked()
    assert mallory.booty() == []
    assert await talk.is_intact()
    assert [call.call_id for call in daemon.calls] == ["call-1"]
    statistics = (await client.request({"command": "statistics"}))["statistics"]["controlstatistics"]
    assert statistics["notallowed"] == 20 * len(COMMANDS)
    assert [entry["proxy"] for entry in statistics["proxies"]] == [PROXY]
    (line,) = [record.getMessage() for record in caplog.records if "control-allow" in record.getMessage()]
    assert mallory.address in line


async def test_a_cookie_of_the_proxy_is_worth_nothing_to_a_stranger(autojump_clock, daemon, mallory):
    """A known cookie is answered from the cache, with whatever the answer says of calls."""
    ng = daemon.ng_addresses[0].sockaddr
    request = b"known d7:command4:liste"
    with open_socket(PROXY) as proxy:
        proxy.sendto(request, ng)
        await wait_all_tasks_blocked()
        assert len(everything(proxy)) == 1
    mallory.socket.sendto(request, ng)
    await wait_all_tasks_blocked()
    assert mallory.booty() == []
