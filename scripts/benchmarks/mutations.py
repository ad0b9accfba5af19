"""Bad input in endless variety, the same for the same seed: NG datagrams and media packets."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any, TypeVar

from karl_trio.ng.bencode import encode
from karl_trio.ng.flags import FLAGS
from karl_trio.ng.keys import KEYS
from karl_trio.ng.words import CODEC_OPERATIONS, WORDS

from . import phones

Tree = dict[str, Any]
Way = TypeVar("Way")

LONGEST_DATAGRAM = 65000
CALLS = 12
"""Calls that requests are about: few, so that many requests meet in one."""
DEEPEST = 3000
"""Levels of nesting: far more than any decoder that recurses survives."""

_ODD_BYTES = (
    b"",
    b"\0",
    b"\n",
    b"\x1b[2J",
    b"\xff\xfe",
    b"%s%n",
    b"../../etc/passwd",
    "Ä€".encode(),
    b"e" * 300,
)
_ODD_NUMBERS = (0, -1, 1, 65535, 65536, 2**31, -(2**31), 2**63, -(2**63), 10**40)
_ODD_LENGTHS = (
    b"0",
    b"00",
    b"-1",
    b"4294967296",
    b"9223372036854775807",
    b"99999999999999999999",
    b"+5",
    b" 5",
)
_ODD_SDP = (
    *("0", "-1", "65536", "99999999999", "*", "", "\0", "\udcff", "a" * 500, "1 " * 400),
    *("IN IP6 ::", "IN IP4 0.0.0.0", "IN IP4 256.1.1.1", "IN IP6 fe80::1%lo"),
    *("RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "udptl t38"),
)
_SENDS_BY_ITSELF = frozenset({"pierce-NAT"})
"""Flags that make the daemon send to the phones' addresses before it has heard anything: off this machine."""

_FLAGS = (
    *(flag for flag in FLAGS if flag not in _SENDS_BY_ITSELF),
    *(f"{key}={word.replace('*', 'x')}" for key, words in WORDS.items() for word in words),
    *(f"codec-{operation}-{codec}" for operation in CODEC_OPERATIONS for codec in ("all", "PCMA", "x/8000")),
    *("media-timeout=x", "direction=[a b]", "sdp-attr-add-audio-x:1", "x" * 200),
)
_KEYS = (*KEYS, "no-such-key")
_COMMANDS = (
    *("delete", "delete", "query", "query", "list", "statistics", "ping", "", "x" * 99),
    *("block media", "unblock media", "silence media", "unsilence media", "block DTMF", "unblock DTMF"),
    *("start forwarding", "stop forwarding", "start recording", "play DTMF", "play media"),
    *("subscribe request", "subscribe request", "subscribe request", "subscribe answer", "unsubscribe"),
    *("publish", "create", "create answer", "connect", "mesh", "transform", "inject start", "inject stop"),
)


class Mutator:
    """Makes bad requests out of good ones, and packets that are not what they seem.

    The requests never name a call that carries media: what they tell the daemon to send, and where
    to, would otherwise leave this machine.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0

    def datagram(self) -> bytes:
        """Return one NG datagram, most of them wrong somewhere."""
        self._count += 1
        body = self._request()
        for _ in range(self._random.choice((0, 0, 1, 1, 2, 4))):
            self._choose(
                self._alter_value, self._alter_value, self._alter_sdp, self._drop_key, self._add_key
            )(body)
        cookie = f"{self._random.getrandbits(32):x}_{self._count}".encode()
        if self._random.random() < 0.15:
            message = cookie + b" " + json.dumps(body, default=repr).encode("utf-8", "replace")
        elif self._random.random() < 0.05:
            message = cookie + b" " + self._nested()
        else:
            message = cookie + b" " + encode(body)
        for _ in range(self._random.choice((0, 0, 0, 0, 1, 2, 8))):
            message = self._choose(
                self._flip, self._cut, self._insert, self._repeat, self._swap_number, self._truncate
            )(message)
        return message[:LONGEST_DATAGRAM]

    def packet(self) -> bytes:
        """Return one packet for a media port, at best an unusual one."""
        packet = self._choose(
            self._rtp, self._rtp, self._rtcp, self._rtcp, self._stun, self._dtls, self._noise
        )()
        if self._random.random() < 0.4 and packet:
            packet = self._choose(self._flip, self._truncate, self._insert)(packet)
        return packet[:LONGEST_DATAGRAM]

    def _choose(self, *ways: Way) -> Way:
        return self._random.choice(ways)

    def _request(self) -> Tree:
        number = self._random.randrange(CALLS)
        call_id = f"fuzz-{number}"
        make = self._random.choice(
            (phones.offer, phones.offer, phones.offer, phones.answer, phones.answer, None, None, None)
        )
        if make is not None:
            body = dict(make(call_id, number))
            if self._random.random() < 0.5:
                body["flags"] = self._random.sample(_FLAGS, self._random.randrange(4))
            if self._random.random() < 0.2:
                body["via-branch"] = self._random.choice(("", "z9hG4bK1", "1"))
            return body
        return self._command(call_id, number)

    def _command(self, call_id: str, number: int) -> Tree:
        """Return a request for any other command, with what most of them look at."""
        random = self._random
        other = f"fuzz-{random.randrange(CALLS)}"
        tags = (f"{call_id}-caller", f"{call_id}-callee", f"listener-{number}")
        body: Tree = {
            "command": random.choice(_COMMANDS),
            "call-id": call_id,
            "from-tag": random.choice(tags),
        }
        choices: Tree = {
            "to-tag": random.choice(tags),
            "to-call-id": other,
            "source-call-id": other,
            "source-tag": random.choice(tags),
            "from-tags": list(random.sample(tags, 2)),
            "sdp": phones.answer(call_id, number)["sdp"],
            "flags": random.sample(_FLAGS, random.randrange(3)),
            "direction": [random.choice(("from-tag", "to-tag", "both"))],
            "calls": [call_id, other],
            "tags": [{"from": tags[0], "to": [tags[1]]}],
            "medias": [{"type": "audio", "codecs": ["PCMA", "opus"]}],
            "media": [{"id": "1", "address": "127.0.0.1", "port": 4000}],
        }
        for key in random.sample(list(choices), random.randrange(len(choices))):
            body[key] = choices[key]
        return body

    def _value(self, depth: int = 0) -> Any:
        kind = self._random.randrange(7 if depth < 3 else 4)
        if kind == 0:
            return self._random.choice(_ODD_NUMBERS)
        if kind == 1:
            return self._random.choice(_ODD_BYTES).decode("utf-8", "surrogateescape")
        if kind == 2:
            return self._random.choice(_FLAGS)
        if kind == 3:
            return self._random.choice(_ODD_SDP)
        if kind == 4:
            return {
                self._random.choice(_KEYS): self._value(depth + 1) for _ in range(self._random.randrange(4))
            }
        return [self._value(depth + 1) for _ in range(self._random.randrange(5))]

    def _alter_value(self, body: Tree) -> None:
        if body:
            body[self._random.choice(list(body))] = self._value()

    def _add_key(self, body: Tree) -> None:
        body[self._random.choice(_KEYS)] = self._value()

    def _drop_key(self, body: Tree) -> None:
        if body:
            del body[self._random.choice(list(body))]

    def _alter_sdp(self, body: Tree) -> None:
        text = body.get("sdp")
        if not isinstance(text, str):
            return
        lines = text.split("\r\n")
        at = self._random.randrange(len(lines))
        way = self._random.randrange(6)
        if way == 0:
            del lines[at]
        elif way == 1:
            lines.insert(at, self._random.choice(lines))
        elif way == 2:
            self._random.shuffle(lines)
        elif way == 3:
            lines[at] *= self._random.choice((2, 50, 2000))
        elif way == 4:
            lines[at:at] = [f"m=audio {self._random.choice(_ODD_SDP)} RTP/AVP 0"] * self._random.choice(
                (1, 3, 200)
            )
        else:
            words = lines[at].split(" ")
            words[self._random.randrange(len(words))] = self._random.choice(_ODD_SDP)
            lines[at] = " ".join(words)
        body["sdp"] = self._random.choice(("\r\n", "\r\n", "\n", "\r")).join(lines)[:20000]

    def _nested(self) -> bytes:
        depth = self._random.choice((5, 40, DEEPEST))
        opening, closing = self._random.choice(
            ((b"l", b"e"), (b"d1:a", b"e"), (b'{"a":', b"}"), (b"[", b"]"))
        )
        return opening * depth + self._random.choice((b"", closing * depth, b"i1e" + closing * depth))

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(min(len(data), self._random.choice((1, 1, 2, 10)))):
            changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        start = self._place(data)
        return data[:start] + data[start + self._random.choice((1, 2, 10, 100)) :]

    def _insert(self, data: bytes) -> bytes:
        start = self._place(data)
        return data[:start] + self._random.choice(_ODD_BYTES) + data[start:]

    def _repeat(self, data: bytes) -> bytes:
        start, end = sorted((self._place(data), self._place(data)))
        return data[:end] + data[start:end] * self._random.choice((1, 2, 20)) + data[end:]

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _swap_number(self, data: bytes) -> bytes:
        """Replace one run of digits, which is often a length, by an odd one."""
        start = self._place(data)
        while start < len(data) and not data[start : start + 1].isdigit():
            start += 1
        end = start
        while end < len(data) and data[end : end + 1].isdigit():
            end += 1
        return data[:start] + self._random.choice(_ODD_LENGTHS) + data[end:]

    def _rtp(self) -> bytes:
        random = self._random
        first = 0x80 | random.choice((0, 0, 0, random.randrange(64)))
        header = struct.pack(
            ">BBHII",
            *(first, random.randrange(256), random.randrange(65536), random.getrandbits(32)),
            random.choice((1, 2, random.getrandbits(32))),
        )
        return header + random.randbytes(random.choice((0, 1, 3, 160, 160, 1400, 9000)))

    def _rtcp(self) -> bytes:
        random = self._random
        packets = []
        for _ in range(random.choice((1, 1, 2, 9))):
            count, kind = random.randrange(32), random.choice((200, 201, 202, 203, 204, 205, 206, 207, 223))
            body = random.randbytes(4 * random.randrange(14))
            length = random.choice((len(body) // 4, len(body) // 4, 0, 65535, random.randrange(65536)))
            packets.append(struct.pack(">BBH", 0x80 | count, kind, length) + body)
        return b"".join(packets)

    def _stun(self) -> bytes:
        random = self._random
        attributes = b"".join(
            struct.pack(
                ">HH", random.choice((1, 6, 8, 0x20, 0x24, 0x25, 0x8028, random.randrange(65536))), length
            )
            + random.randbytes(min(length, 64))
            for length in (random.choice((0, 4, 8, 20, 65535)) for _ in range(random.randrange(5)))
        )
        kind, length = random.choice((1, 0x101, 0x111, 0x3FFF)), random.choice((len(attributes), 0, 65535))
        return struct.pack(">HHI", kind, length, 0x2112A442) + random.randbytes(12) + attributes

    def _dtls(self) -> bytes:
        random = self._random
        version = random.choice((b"\xfe\xff", b"\xfe\xfd"))
        return bytes([random.randrange(20, 64)]) + version + random.randbytes(random.choice((0, 8, 10, 200)))

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.choice((0, 1, 2, 3, 4, 11, 12, 13, 100, 1500, 30000)))
