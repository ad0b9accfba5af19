"""One media of a session description: an m= line with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from karl_trio.endpoint import Endpoint

from .addresses import ZERO_ADDRESSES
from .attributes import Attributes, Direction, parse_rtcp
from .codecs import Codec, known_codecs
from .extensions import Extension, parse_extmaps

TRICKLE_PLACEHOLDER_PORT = 9
"""With a zero address and ICE, "candidates will follow", not hold (RFC 8840, 4.1.1)."""

RTP_PROTOCOLS = frozenset(
    {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"}
)
"""The transport protocols of m= lines under which RTP runs on UDP."""

BANDWIDTH_TYPES = ("AS", "RR", "RS", "CT", "TIAS")
"""The types of b= that go through a proxy, in the order in which they are written."""

Fields = Mapping[str, Sequence[str]]
"""Values of the lines of a section other than a=, by their letter."""


@frozen
class MediaSection:
    """One m= line with what belongs to it.

    Attributes:
        kind: audio, video, image, application, message or whatever was written.
        port: 0 when the sender rejects this media.
        port_count: consecutive port pairs, 1 unless ``m=audio 5000/2`` says otherwise.
        protocol: as it was written, such as ``RTP/AVP``.
        formats: as they were written; for RTP, payload types from 0 to 127, each once.
        address: of its own c= line, else of the session's, in canonical spelling; None only
            when the media is rejected and there is no c= line.
        fields: its lines other than m= and a=.
        attributes: its own a= lines.
        session: the a= lines of the session, which hold for all its media.
    """

    kind: str
    port: int
    port_count: int
    protocol: str
    formats: tuple[str, ...]
    address: str | None
    fields: Fields = field(repr=False)
    attributes: Attributes = field(repr=False)
    session: Attributes = field(repr=False)

    @property
    def mid(self) -> str | None:
        return self.attributes.first("mid")

    @property
    def direction(self) -> Direction:
        """What the sender of this SDP says: here, else for the session, else sendrecv."""
        return self.attributes.direction or self.session.direction or Direction.SENDRECV

    @property
    def effective_direction(self) -> Direction:
        """The direction with hold by zero address in it: nobody can send to that (RFC 3264, 8.4)."""
        direction = self.direction
        return Direction.of(sends=direction.sends, receives=False) if self.is_on_hold else direction

    @property
    def is_on_hold(self) -> bool:
        """Whether it is put on hold in the old way, by a zero address."""
        if self.address not in ZERO_ADDRESSES or not self.port:
            return False
        return not (self.port == TRICKLE_PLACEHOLDER_PORT and self.has_ice)

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the sender wants the media; None if it is rejected."""
        return Endpoint(self.address, self.port) if self.port and self.address is not None else None

    @property
    def rtcp_endpoint(self) -> Endpoint | None:
        """Where the sender wants RTCP when it is not muxed: by a=rtcp, else one port above RTP.

        None if there is no RTP here, or no such port.
        """
        if not self.is_rtp or not self.port or self.address is None:
            return None
        return self._rtcp or (Endpoint(self.address, self.port + 1) if self.port < 65535 else None)

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTP and RTCP may share a port: by a=rtcp-mux, or an a=rtcp with the port of RTP."""
        if not self.is_rtp or not self.port:
            return False
        if "rtcp-mux" in self.attributes:
            return True
        rtcp = self._rtcp
        return rtcp is not None and rtcp.port == self.port and rtcp.address not in ZERO_ADDRESSES

    @property
    def _rtcp(self) -> Endpoint | None:
        # With several port pairs a=rtcp would be ambiguous, so it does not count.
        value = self.attributes.first("rtcp")
        if value is None or self.address is None or self.port_count != 1:
            return None
        return parse_rtcp(value, self.address)

    @property
    def is_rtp(self) -> bool:
        return self.protocol.upper() in RTP_PROTOCOLS

    @property
    def is_secure(self) -> bool:
        """Whether the protocol says SRTP."""
        return self.is_rtp and "/SAVP" in f"/{self.protocol.upper()}"

    @property
    def has_security(self) -> bool:
        """Whether keys or a fingerprint are offered; with a plain protocol that is OSRTP (RFC 8643)."""
        return (
            "crypto" in self.attributes or "fingerprint" in self.attributes or "fingerprint" in self.session
        )

    @property
    def has_dtls(self) -> bool:
        """Whether keys are to come from DTLS (RFC 5763)."""
        return "fingerprint" in self.attributes or "fingerprint" in self.session

    @property
    def is_bundle_only(self) -> bool:
        """Whether port 0 does not mean that it is rejected, as long as it is bundled (RFC 9143, 6)."""
        return not self.port and "bundle-only" in self.attributes

    @property
    def sources(self) -> tuple[int, ...]:
        """The SSRCs that are named here (RFC 5576, 4.1), each once."""
        named = [value.partition(" ")[0] for value in self.attributes.every("ssrc")]
        numbers = [int(text) for text in named if text.isascii() and text.isdigit() and len(text) <= 10]
        return tuple(dict.fromkeys(numbers))

    @property
    def has_ice(self) -> bool:
        return "ice-ufrag" in self.attributes or "ice-ufrag" in self.session

    @cached_property
    def codecs(self) -> tuple[Codec, ...]:
        """What is known of the formats, in their order; those that nobody explained are left out."""
        if not self.is_rtp:
            return ()
        attributes = self.attributes
        return known_codecs(self.formats, attributes.every("rtpmap"), attributes.every("fmtp"))

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The header extensions that are mapped here, else for the session."""
        return parse_extmaps(self.attributes.every("extmap") or self.session.every("extmap"))

    @property
    def clock_rates(self) -> Mapping[int, int]:
        """Clock rates in Hz by payload type."""
        return {codec.payload_type: codec.clock_rate for codec in self.codecs}


def bandwidths(fields: Fields) -> dict[str, str]:
    """Return the bandwidths of a section by type; what is no number is left out."""
    found = {}
    for value in fields.get("b", ()):
        kind, _, amount = value.partition(":")
        if amount.isascii() and amount.isdigit():
            found[kind] = amount
    return found
