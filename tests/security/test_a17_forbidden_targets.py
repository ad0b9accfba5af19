"""A17: SDP that has the daemon send media to where only this host, or nobody, should.

The interfaces are addresses that no port can be bound to, so nothing is ever sent: an address that is not
refused as `Invalid SDP` gets as far as the ports.
"""

import pytest

from karl_trio.client import NgClient, RequestFailed

from .hosts import begin, everything, open_socket, rtp, sdp

LITERAL = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.1",
    "0.255.1.2",
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "192.0.0.8",
    "192.0.0.192",
    "168.63.129.16",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "::ffff:198.51.100.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "fe80::1",
    "ff02::1",
    "ff0e::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "2001:0:c000:201::",  # Teredo
    "64:ff9b:1::127.0.0.1",
    "::ffff:0:127.0.0.1",  # translated (RFC 2765)
    "fec0::1",
    "100::1",
    "2001:db8::5efe:127.0.0.1",  # ISATAP
    "2001:db8::200:5efe:169.254.169.254",
]
SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "127.0.0.1/127",
    "127.0.0.1%lo",
    "fe80::1%eth0",
    "localhost",
    "[::1]",
    "127.0.0.1.",
    "127.0.0.1\u0661",
    "",
]
"""What some libraries take for a dangerous address; here it is none at all."""

HARMLESS = {4: "198.51.100.1", 6: "2001:db8:1::1"}


def family(address):
    return 6 if ":" in address else 4


@pytest.fixture
async def proxy(start):
    daemon = await start(interface=("192.0.2.1", "2001:db8::1"))
    async with NgClient(daemon.ng_addresses) as client:

        async def refusal(body, **keys):
            """Why an offer is refused."""
            with pytest.raises(RequestFailed) as caught:
                await client.offer("call-1", "alice", body, supports=[], **keys)
            return caught.value.reason

        yield refusal


@pytest.mark.parametrize("address", HARMLESS.values())
async def test_a_harmless_address_gets_as_far_as_the_ports(autojump_clock, proxy, address):
    line = f"IN IP{family(address)} {address}"
    assert await proxy(sdp(address, 4000)) == "Port allocation failed"
    assert await proxy(sdp(address, 4000, attributes=(f"c={line}", f"a=rtcp:4001 {line}"))) == (
        "Port allocation failed"
    )


@pytest.mark.parametrize("address", LITERAL)
async def test_a_dangerous_address_is_refused_wherever_it_stands(autojump_clock, proxy, address):
    line = f"IN IP{family(address)} {address}"
    other = HARMLESS[family(address)]
    assert await proxy(sdp(address, 4000)) == "Invalid SDP"
    assert await proxy(sdp(other, 4000, attributes=(f"c={line}",))) == "Invalid SDP"
    assert await proxy(sdp(other, 4000, attributes=(f"a=rtcp:4001 {line}",))) == "Invalid SDP"
    received_from = [f"IP{family(address)}", address]
    reason = await proxy(sdp(other, 4000), flags=["SIP-source-address"], received_from=received_from)
    assert reason == "Invalid SDP"


@pytest.mark.parametrize("address", SPELLINGS)
async def test_another_spelling_of_a_dangerous_address_is_no_address(autojump_clock, proxy, address):
    for number in (4, 6):
        line = f"c=IN IP{number} {address}"
        body = sdp(HARMLESS[number], 4000, attributes=(line,))
        assert await proxy(body) == "Invalid SDP"


async def test_nothing_is_sent_to_the_zero_address_of_hold(autojump_clock, daemon, client, alice, bob):
    """To the kernel it means this host."""
    service = open_socket("127.0.0.1")
    with service:
        held = sdp("0.0.0.0", service.getsockname()[1])
        talk = await begin(daemon, client, alice, bob, alice_says=held)
        for number in range(5):
            bob.rtp.sendto(rtp(number), ("127.0.0.1", talk.for_bob.rtp.port))
            await talk.settle()
        assert everything(service) == []
