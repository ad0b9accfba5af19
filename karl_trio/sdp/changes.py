"""What is different in the SDP that goes out."""

from __future__ import annotations

from attrs import frozen

from .attributes import Direction
from .extensions import Extension
from .manipulation import AttributeChanges


@frozen
class SessionChanges:
    """What is different in the session section; None leaves what the sender wrote.

    Attributes:
        origin_address: a literal address of either family.
        bundle: the names (a=mid) of the media that share a port; empty for none.
        loop_mark: written as a=rtpengine, so that a later proxy knows we were here.
        attributes: made to the section when it is written.
    """

    origin_address: str | None = None
    origin_username: str | None = None
    origin_session_id: str | None = None
    origin_version: int | None = None
    session_name: str | None = None
    bundle: tuple[str, ...] = ()
    loop_mark: str | None = None
    attributes: AttributeChanges | None = None


@frozen
class MediaChanges:
    """What is different in one media section.

    Attributes:
        address: ours, for the c= line; its family is used even where a zero address is written.
        port: ours for RTP, or for whatever runs there; 0 rejects the media, unless it is bundle-only.
        rtcp_port: for a=rtcp; None leaves that attribute out. In an offer of rtcp-mux it is the
            port for those who do not want to mux; once mux is settled it is the RTP port.
        rtcp_address: for an a=rtcp with an address.
        rtcp_mux: whether a=rtcp-mux is written.
        protocol: for the m= line, None for the sender's.
        mid: another a=mid than the sender's; empty for none, as in the answer to an offer without.
        is_bundle_only: it is there only as long as it is bundled.
        on_hold: write a zero address in c=.
        formats: the formats that are left, in their new order; None for all.
        ptime: milliseconds of audio in a packet, None for what the sender wants.
        extensions: the header extensions that are left; None for all.
        untouched: do not proxy this one: the sender's own address, port and attributes go out.
        direction: another one than the sender's; None for that.
        keep_direction: copy the direction attributes as they were, also when there are none.
        keep_security: copy keys and fingerprints, for SRTP that passes through us unopened.
        attributes: made to the section when it is written.
    """

    address: str
    port: int
    rtcp_port: int | None = None
    rtcp_address: str | None = None
    rtcp_mux: bool = False
    protocol: str | None = None
    mid: str | None = None
    is_bundle_only: bool = False
    on_hold: bool = False
    formats: tuple[str, ...] | None = None
    ptime: int | None = None
    extensions: tuple[Extension, ...] | None = None
    untouched: bool = False
    direction: Direction | None = None
    keep_direction: bool = False
    keep_security: bool = False
    attributes: AttributeChanges | None = None
