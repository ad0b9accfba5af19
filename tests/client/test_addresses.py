"""How the addresses of nodes are written."""

import pytest

from karl_trio.client.addresses import NodeAddress, Transport, parse_node


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1:2223", ("192.0.2.1", 2223)),
        ("192.0.2.1", ("192.0.2.1", 22222)),
        ("media.example.net:65535", ("media.example.net", 65535)),
        ("[2001:db8::1]:2223", ("2001:db8::1", 2223)),
        ("[2001:db8::1]", ("2001:db8::1", 22222)),
        ("::1", ("::1", 22222)),
    ],
)
def test_addresses_of_nodes_over_udp_and_over_tcp(text, expected):
    assert parse_node(text) == NodeAddress(*expected)
    assert parse_node(f"tcp://{text}") == NodeAddress(*expected, Transport.TCP)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":2223", "host:", "host:0", "host:65536", "host:ng", "host:²", "host:0022222", "1:2:3"),
        *("http://host:80", "tcp:host:80", "tcp://", "tcp://host:80/", "tcp://tcp://host:80", "TCP://host"),
        *("[::1", "[::1]2223", "[::1]:", "[]:2223", "[::1]:2223:1", "[host]:2223"),
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"is not|has no port"):
        parse_node(text)
