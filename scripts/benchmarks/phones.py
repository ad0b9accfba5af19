"""The phones of the measured calls: their addresses, what they say over NG, and their packets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .namespaces import LEGS, Leg

FIRST_PORT = 20000
MAX_CALLS = (0x10000 - FIRST_PORT) // 2
PACKETS_PER_SECOND = 50
"""Of one flow, unless told otherwise: G.711 in packets of 20 ms, the most usual RTP stream there is."""
PAYLOAD = 160
TICKS_PER_PACKET = 160
STAMP_SHIFT = 6
"""Send times are monotonic nanoseconds without their lowest bits, so that 32 bits last four minutes."""

FRAME_SPACE = 252
"""Of one record of the generator, after leg, a spare byte and the frame's length."""

RECORD = 4 + FRAME_SPACE

NgBody = dict[str, object]

# A desk phone's offer: seven codecs, most of them never used.
_SDP = """\
v=0\r
o=- 1545997027 1 IN IP4 {address}\r
s=-\r
c=IN IP4 {address}\r
t=0 0\r
m=audio {port} RTP/AVP 0 8 9 18 111 101\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:9 G722/8000\r
a=rtpmap:18 G729/8000\r
a=fmtp:18 annexb=no\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=ptime:20\r
a=ssrc:1234567 cname:user@host\r
a=sendrecv\r
"""


def port_of(call: int) -> int:
    """Return the UDP port of both phones of a call."""
    return FIRST_PORT + 2 * call % (0x10000 - FIRST_PORT)


def sdp(leg: Leg, call: int) -> str:
    return _SDP.format(address=leg.phone_address, port=port_of(call))


def offer(call_id: str, call: int, direction: Sequence[str] = ()) -> NgBody:
    """Return the request that Kamailio makes of an INVITE; `direction` names the two interfaces."""
    body: NgBody = {
        "sdp": sdp(LEGS[0], call),
        "replace": ["origin", "session-connection"],
        "call-id": call_id,
        "received-from": ["IP4", LEGS[0].phone_address],
        "from-tag": f"{call_id}-caller",
        "command": "offer",
    }
    if direction:
        body["direction"] = list(direction)
    return body


def answer(call_id: str, call: int) -> NgBody:
    return {
        "sdp": sdp(LEGS[1], call),
        "replace": ["origin", "session-connection"],
        "call-id": call_id,
        "received-from": ["IP4", LEGS[1].phone_address],
        "from-tag": f"{call_id}-caller",
        "to-tag": f"{call_id}-callee",
        "command": "answer",
    }


def delete(call_id: str) -> NgBody:
    return {"call-id": call_id, "from-tag": f"{call_id}-caller", "command": "delete"}


@dataclass(frozen=True)
class Flow:
    """One direction of a call.

    Attributes:
        number: twice the call's number, plus the sending leg's; it is the SSRC as well.
        port: where the phone sends to.
        address: the same; the relay's address on the sending leg.
    """

    number: int
    address: str
    port: int

    @property
    def leg(self) -> int:
        return self.number & 1

    def frame(self) -> bytes:
        """Return the Ethernet frame of its first packet, sequence number, timestamp and send time zero."""
        leg = LEGS[self.leg]
        rtp = struct.pack(">BBHII", 0x80, 0, 0, 0, self.number) + bytes(4) + b"\xff" * (PAYLOAD - 4)
        addresses = socket.inet_aton(leg.phone_address) + socket.inet_aton(self.address)
        length = 8 + len(rtp)
        ports = struct.pack(">HHH", port_of(self.number >> 1), self.port, length)
        pseudo_header = addresses + struct.pack(">HH", socket.IPPROTO_UDP, length)
        udp = ports + struct.pack(">H", checksum(pseudo_header + ports + rtp) or 0xFFFF) + rtp
        header = struct.pack(">BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, 64, socket.IPPROTO_UDP)
        ip = header + struct.pack(">H", checksum(header + addresses)) + addresses
        return mac(leg.relay_mac) + mac(leg.phone_mac) + b"\x08\x00" + ip + udp


def flow_table(flows: Iterable[Flow]) -> bytes:
    """Write flows as the records that the generator reads."""
    frames = ((flow.leg, flow.frame()) for flow in flows)
    return b"".join(
        struct.pack("=BxH", leg, len(frame)) + frame.ljust(FRAME_SPACE, b"\0") for leg, frame in frames
    )


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) & 1)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
