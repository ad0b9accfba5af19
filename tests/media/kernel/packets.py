"""Ethernet frames with RTP in them, made and read apart from the code under test."""

from __future__ import annotations

import socket
import struct

from attrs import evolve, frozen

from karl_trio.endpoint import Endpoint

ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
UDP = 17
DF = 0x4000


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    """The internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source, destination, length):
    if ":" in source:
        return packed(source) + packed(destination) + struct.pack(">II", length, UDP)
    return packed(source) + packed(destination) + struct.pack(">HH", UDP, length)


@frozen(kw_only=True)
class Frame:
    """A frame of one UDP packet; what is None is as it has to be.

    Attributes:
        padding: octets behind the IP packet.
        options: behind the fixed IPv4 header.
        extension: between the IPv6 header and UDP: the protocol number that says so.
    """

    source: Endpoint
    destination: Endpoint
    payload: bytes
    tos: int = 0
    ttl: int = 64
    fragment: int = DF
    protocol: int = UDP
    options: bytes = b""
    padding: bytes = b""
    udp_length: int | None = None
    udp_checksum: int | None = None
    ip_checksum: int | None = None
    ethertype: bytes | None = None

    def build(self):
        source, destination = self.source.address, self.destination.address
        length = 8 + len(self.payload)
        udp = struct.pack(">HHHH", self.source.port, self.destination.port, self._udp_length, 0)
        summed = checksum(pseudo_header(source, destination, self._udp_length) + udp + self.payload) or 0xFFFF
        udp = udp[:6] + struct.pack(">H", summed if self.udp_checksum is None else self.udp_checksum)
        if ":" in source:
            assert not self.options
            ip = struct.pack(">IHBB", 6 << 28 | self.tos << 20, length, self.protocol, self.ttl)
            ip += packed(source) + packed(destination)
        else:
            header = 20 + len(self.options)
            ip = struct.pack(
                ">BBHHHBBH",
                *(
                    0x40 | header // 4,
                    self.tos,
                    header + length,
                    0,
                    self.fragment,
                    self.ttl,
                    self.protocol,
                    0,
                ),
            )
            ip += packed(source) + packed(destination) + self.options
            summed = checksum(ip) if self.ip_checksum is None else self.ip_checksum
            ip = ip[:10] + struct.pack(">H", summed) + ip[12:]
        ethertype = self.ethertype or ETHERTYPES[ip[0] >> 4]
        return bytes(12) + ethertype + ip + udp + self.payload + self.padding

    @property
    def _udp_length(self):
        return 8 + len(self.payload) if self.udp_length is None else self.udp_length

    def but(self, **changes):
        return evolve(self, **changes)


def read(frame):
    """Take a frame apart whose checksums are right."""
    kind = {value: version for version, value in ETHERTYPES.items()}[frame[12:14]]
    ip = frame[14:]
    assert ip[0] >> 4 == kind
    if kind == 6:
        word, length, protocol, ttl = struct.unpack_from(">IHBB", ip)
        tos, fragment = word >> 20 & 0xFF, DF
        source, destination = (socket.inet_ntop(socket.AF_INET6, ip[at : at + 16]) for at in (8, 24))
        udp = ip[40:]
        assert len(udp) == length
    else:
        first, tos, length, _, fragment, ttl, protocol = struct.unpack_from(">BBHHHBB", ip)
        assert first == 0x45
        assert checksum(ip[:20]) == 0, "the IP checksum is wrong"
        assert len(ip) == length
        source, destination = (socket.inet_ntop(socket.AF_INET, ip[at : at + 4]) for at in (12, 16))
        udp = ip[20:]
    source_port, destination_port, length, summed = struct.unpack_from(">HHHH", udp)
    assert protocol == UDP
    assert length == len(udp)
    if summed:
        assert checksum(pseudo_header(source, destination, length) + udp) == 0, "the UDP checksum is wrong"
    return Frame(
        source=Endpoint(source, source_port),
        destination=Endpoint(destination, destination_port),
        payload=udp[8:],
        tos=tos,
        ttl=ttl,
        fragment=fragment,
        udp_checksum=None if summed else 0,
    )
