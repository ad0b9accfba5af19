"""What the parties of a random call say: numbered packets, which may have the name of their media."""

from __future__ import annotations

from ..media.fakes import rtp

RTCP_TYPES = range(200, 208)


def speech(number, ssrc, payload_type):
    """A numbered RTP packet."""
    return rtp(number, ssrc=ssrc, payload_type=payload_type)


def fax(number):
    """A numbered UDPTL packet (ITU-T T.38, 9.1), or what looks like one."""
    return number.to_bytes(2) + b"\x01\x06\x00\x00"


def numbered_report(number, ssrc):
    """An empty RTCP receiver report (RFC 3550, 6.1), with a number for a name."""
    sdes = b"\x81\xca\x00\x03" + ssrc.to_bytes(4) + b"\x01\x02" + number.to_bytes(2) + bytes(4)
    return b"\x80\xc9\x00\x01" + ssrc.to_bytes(4) + sdes


def named(packet, name):
    """Put the name of its media into an RTP packet (RFC 9143, 15), given as an extension and a name."""
    if name is None:
        return packet
    identifier, text = name
    element = bytes((identifier << 4 | len(text) - 1,)) + text.encode()
    words = -(-len(element) // 4)
    extension = b"\xbe\xde" + words.to_bytes(2) + element.ljust(4 * words, b"\0")
    return bytes((packet[0] | 0x10,)) + packet[1:12] + extension + packet[12:]


def told_apart(packet):
    """Return a packet without the name of its media, and that."""
    if packet[0] & 0xD0 != 0x90 or packet[1] in RTCP_TYPES:
        return packet, None
    end = 16 + 4 * int.from_bytes(packet[14:16])
    head, size = packet[16] >> 4, 1 + (packet[16] & 0xF)
    assert not any(packet[17 + size : end])
    return bytes((packet[0] & ~0x10,)) + packet[1:12] + packet[end:], (head, packet[17 : 17 + size].decode())
