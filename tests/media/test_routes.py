"""Routes: the kernel is asked which address of ours faces a peer, but not for every call."""

import trio

from karl_trio.media.routes import MOST_REMEMBERED, REMEMBERED_FOR, Routes


async def test_the_kernel_knows_the_address_that_faces_this_host():
    routes = Routes()
    assert routes.local_address("127.0.0.9") == "127.0.0.1"
    assert routes.local_address("::1") == "::1"
    # It refuses to connect to the broadcast address as it does to one without a route.
    assert routes.local_address("255.255.255.255") is None


async def test_a_route_is_remembered_for_a_moment_and_then_asked_for_again(autojump_clock):
    asked = []
    routes = Routes(lambda peer: asked.append(peer) or f"192.0.2.{len(asked)}")
    assert [routes.local_address("198.51.100.1") for _ in range(3)] == ["192.0.2.1"] * 3
    await trio.sleep(REMEMBERED_FOR)
    assert routes.local_address("198.51.100.1") == "192.0.2.2"
    assert len(asked) == 2


async def test_what_is_remembered_is_bounded():
    asked = []
    routes = Routes(lambda peer: asked.append(peer))
    for number in range(MOST_REMEMBERED + 1):
        routes.local_address(f"2001:db8::{number:x}")
    routes.local_address(f"2001:db8::{MOST_REMEMBERED:x}")
    assert len(asked) == MOST_REMEMBERED + 1
    routes.local_address("2001:db8::0")
    assert len(asked) == MOST_REMEMBERED + 2
