"""A model of a call: who has said what, which ports they were told, and who must hear whom."""

from __future__ import annotations

from attrs import define, field

from .phones import Phone
from .proxy import sdp

SENDING = {"sendrecv", "sendonly"}
RECEIVING = {"sendrecv", "recvonly"}

ANSWERS = {
    "sendrecv": ("sendrecv", "sendrecv", "sendonly", "recvonly", "inactive"),
    "sendonly": ("recvonly", "inactive"),
    "recvonly": ("sendonly", "inactive"),
    "inactive": ("inactive",),
}
"""How a direction may be answered (RFC 3264, 6.1)."""


@define(eq=False)
class Line:
    """One media of a party, with the phones that it has been at."""

    mid: str
    kind: str
    phones: list[Phone]
    at: int = 0
    direction: str = "sendrecv"
    is_rejected: bool = False
    shares_port: bool = False

    @property
    def phone(self):
        return self.phones[self.at]


@define(eq=False)
class Party:
    """A participant: its tag, and what it says of each media by name."""

    tag: str
    address: str
    lines: dict[str, Line] = field(factory=dict)
    version: int = 0
    prefers_pcma: bool = False

    def line(self, mid, kind):
        """Return a media, taking up a phone for it if there is none yet."""
        if mid not in self.lines:
            self.lines[mid] = Line(mid, kind, [Phone(self.address)])
        return self.lines[mid]

    def say(self, order):
        """Write an SDP with these media in this order."""
        self.version += 1
        media = []
        for mid in order:
            line = self.lines[mid]
            port = 0 if line.is_rejected else line.phone.endpoint.port
            mux = ["rtcp-mux"] if line.shares_port else []
            media.append((line.kind, port, [f"mid:{mid}", line.direction, *mux]))
        body = sdp(0, media=media, address=self.address, version=self.version)
        return body.replace("RTP/AVP 0 8", "RTP/AVP 8 0") if self.prefers_pcma else body

    @property
    def phones(self):
        return [phone for line in self.lines.values() for phone in line.phones]


@define(eq=False)
class Listener:
    """Somebody who hears all that one party says.

    Attributes:
        told: where each media comes from, an address and a port of ours, by name.
    """

    tag: str
    source: Party
    lines: dict[str, Line]
    told: dict[str, tuple[str, int]]

    @property
    def phones(self):
        return [phone for line in self.lines.values() for phone in line.phones]


@define(eq=False)
class Dialogue:
    """What two parties have said to each other.

    Attributes:
        order: the media of the last offer.
        agreed: those of the last one that was answered.
        told: where each party was told to send each media, an address and a port of ours, by tag and name.
        told_rtcp: the same for RTCP.
        sharing: who has RTCP on the port of RTP, by tag and name.
        offerer: whose offer waits for an answer.
        offered_mux: the media of the last offer, as it was passed on, in which RTCP may share the RTP port.
        is_answered: whether there has been one.
    """

    caller: Party
    callee: Party
    branch: str | None
    call_id: str = "call-1"
    order: list[str] = field(factory=list)
    agreed: list[str] = field(factory=list)
    told: dict[tuple[str, str], tuple[str, int]] = field(factory=dict)
    told_rtcp: dict[tuple[str, str], tuple[str, int]] = field(factory=dict)
    sharing: set[tuple[str, str]] = field(factory=set)
    offerer: Party | None = None
    offered_mux: set[str] = field(factory=set)
    is_answered: bool = False

    def media_of(self, party):
        """Return the media that a party starts from when it makes an offer."""
        return self.order if self.offerer is party else self.agreed

    def other(self, party):
        return self.callee if party is self.caller else self.caller

    def tell(self, party, description, local):
        """Take note of the SDP that a party was sent; `local` has the address behind an advertised one."""
        speaker = self.other(party)
        for mid, section in zip(self.order, description.media, strict=True):
            self.told.pop((party.tag, mid), None)
            if section.port:
                self.told[party.tag, mid] = (local[section.address], section.port)
                self.told_rtcp[party.tag, mid] = (local[section.address], section.rtcp_endpoint.port)
            if speaker.lines[mid].is_rejected:
                assert not section.port
                self.told.pop((speaker.tag, mid), None)

    def settle(self, party, description):
        """Take note of who shares ports after an answer, of which a party was sent the description."""
        speaker = self.other(party)
        self.sharing.clear()
        for mid, section in zip(self.order, description.media, strict=True):
            if section.rtcp_mux:
                self.sharing.add((party.tag, mid))
            if speaker.lines[mid].shares_port:
                self.sharing.add((speaker.tag, mid))

    def rtcp_of(self, party, mid):
        """Return the socket that a party has for RTCP of a media, and where it was told to send it."""
        phone = party.lines[mid].phone
        if (party.tag, mid) in self.sharing:
            return phone.rtp, self.told[party.tag, mid]
        return phone.rtcp, self.told_rtcp[party.tag, mid]
