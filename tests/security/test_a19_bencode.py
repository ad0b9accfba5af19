"""A19: bencode that overflows lengths, nests without end or counts beyond all numbers."""

import pytest
import trio

from karl_trio.ng.framing import parse

LARGEST = 60_000

BOMBS = {
    "length of 63 bits": b"d9223372036854775807:ae",
    "length of 64 bits": b"d18446744073709551616:ae",
    "length of 1000 digits": b"d" + b"9" * 1000 + b":ae",
    "length beyond the end": b"d7:command4000:pinge",
    "negative length": b"d-1:ae",
    "signed length": b"d+7:command4:pinge",
    "length with a zero in front": b"d07:command4:pinge",
    "length without a colon": b"d7",
    "lists without end": b"l" * LARGEST,
    "lists within lists": b"d1:a" + b"l" * 20_000 + b"e" * 20_001,
    "dictionaries within dictionaries": b"d1:a" * 12_000 + b"e" * 12_000,
    "integer of 10 000 digits": b"d7:commandi" + b"9" * 10_000 + b"ee",
    "integer of 20 digits": b"d7:commandi99999999999999999999ee",
    "integer without digits": b"d7:commandiee",
    "integer with a zero in front": b"d7:commandi01ee",
    "negative zero": b"d7:commandi-0ee",
    "integer that is a word": b"d7:commandi0x10ee",
    "key that is a number": b"di1e4:pinge",
    "key without a value": b"d7:commande",
    "the same key twice": b"d7:command4:ping7:command6:deletee",
    "no dictionary": b"l7:command4:pinge",
    "ten thousand keys": b"d" + b"".join(b"5:%05d0:" % number for number in range(6000)),
    "JSON within JSON": b'{"a":' * 10_000,
    "JSON lists": b'{"a":' + b"[" * 30_000,
    "JSON number of 10 000 digits": b'{"command":' + b"9" * 10_000 + b"}",
    "JSON that is not finite": b'{"command": NaN}',
}


async def ask(proxy, datagram):
    await proxy.send(datagram)
    with trio.fail_after(60):
        return await proxy.recv(65535)


@pytest.fixture
async def proxy(daemon):
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as connected:
        await connected.connect(daemon.ng_addresses[0].sockaddr)
        yield connected


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_a_parse_error_and_a_ping_is_answered_after_it(autojump_clock, proxy, name):
    reply = await ask(proxy, b"cookie " + BOMBS[name])
    assert len(reply) < 300
    message = parse(reply)
    assert message.cookie == b"cookie"
    assert message.body["result"] == "error"
    assert message.body["error-reason"].startswith("Parse error: ")
    assert await ask(proxy, b"next d7:command4:pinge") == b"next d6:result4:ponge"
