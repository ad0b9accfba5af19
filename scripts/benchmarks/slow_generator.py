"""What generator.c does, for machines without a compiler: the same, at a fraction of the rate."""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from pathlib import Path

RECORD = 256
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
UDP_CHECKSUM, RTP_SEQUENCE, RTP_PAYLOAD = 40, 44, 54
TICKS_PER_PACKET, STAMP_SHIFT = 160, 6


def main(arguments: list[str]) -> None:
    table = Path(arguments[0]).read_bytes()
    flows, first_sequence, burst = int(arguments[1]), int(arguments[4]), int(arguments[5]) * 1000
    interval = 1e9 / float(arguments[2])
    total = int(float(arguments[3]) * 1e9 / interval)
    senders = [outlet(interface).send for interface in arguments[6:8]]
    records = [record(table, number) for number in range(flows)]

    sent = refused = number = 0
    start = release = time.monotonic_ns()
    while number < total:
        now = time.monotonic_ns()
        if now < release:
            continue
        if burst:
            release += ((now - release) // burst + 1) * burst
        due = min(total, int((now - start) / interval) + 1)
        while number < due:
            leg, base, frame = records[number % flows]
            patch(
                frame,
                base,
                first_sequence + number // flows & 0xFFFF,
                time.monotonic_ns() >> STAMP_SHIFT & 0xFFFFFFFF,
            )
            try:
                senders[leg](frame)
                sent += 1
            except OSError:  # no room at the receiving end, or in the send buffer
                refused += 1
            number += 1
    seconds = (time.monotonic_ns() - start) / 1e9
    print(json.dumps({"sent": sent, "refused": refused, "seconds": seconds}))


def outlet(interface: str) -> socket.socket:
    """Return a packet socket that sends without blocking and past the queueing discipline."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    sender.setblocking(False)
    sender.bind((interface, 0))
    return sender


def record(table: bytes, number: int) -> tuple[int, int, bytearray]:
    """Return a flow's leg, the sum of its words without the three that change, and its frame."""
    leg, length = struct.unpack_from("=BxH", table, number * RECORD)
    frame = bytearray(table[number * RECORD + 4 :][:length])
    (checksum,) = struct.unpack_from(">H", frame, UDP_CHECKSUM)
    return leg, ~checksum & 0xFFFF, frame


def patch(frame: bytearray, base: int, sequence: int, stamp: int) -> None:
    """Write what changes from packet to packet and correct the checksum (RFC 1624)."""
    timestamp = sequence * TICKS_PER_PACKET
    struct.pack_into(">HI", frame, RTP_SEQUENCE, sequence, timestamp)
    struct.pack_into(">I", frame, RTP_PAYLOAD, stamp)
    total = base + sequence + (timestamp >> 16) + (timestamp & 0xFFFF) + (stamp >> 16) + (stamp & 0xFFFF)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", frame, UDP_CHECKSUM, (~total & 0xFFFF) or 0xFFFF)


if __name__ == "__main__":
    main(sys.argv[1:])
