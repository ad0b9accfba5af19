"""A model of a call: who has said what, which ports they were told, and who must hear whom."""

from __future__ import annotations

from itertools import chain, count

from attrs import define, field

from karl_trio.sdp.extensions import MID

from .phones import Phone
from .speech import fax, named, numbered_report, speech

SENDING = {"sendrecv", "sendonly"}
RECEIVING = {"sendrecv", "recvonly"}

ANSWERS = {
    "sendrecv": ("sendrecv", "sendrecv", "sendonly", "recvonly", "inactive"),
    "sendonly": ("recvonly", "inactive"),
    "recvonly": ("sendonly", "inactive"),
    "inactive": ("inactive",),
}
"""How a direction may be answered (RFC 3264, 6.1)."""

KINDS = {"a": "audio", "v": "video", "w": "video"}
"""The media that a party can have, by our names for them."""

FORMATS = {"a": "0 8", "v": "105", "w": "107"}
RTPMAPS = {"a": ("0 PCMU/8000", "8 PCMA/8000"), "v": ("105 H264/90000",), "w": ("107 VP8/90000",)}

ICE = ("ice-ufrag:F7gI", "ice-pwd:x9cml/YzichV2+XlhiMu8g")
CANDIDATE = "candidate:1 1 UDP 2130706431 {} {} typ host"

_sources = count(0x1000)


@define(eq=False)
class Line:
    """One media of a party, with the phones that it has been at.

    Attributes:
        mid: our own name for it.
        name: what it is called in SDP.
        host: in whose phone it is a guest, since the two are bundled.
        name_id: the header extension in which its packets are to have its name.
    """

    mid: str
    kind: str
    phones: list[Phone]
    name: str
    at: int = 0
    direction: str = "sendrecv"
    is_rejected: bool = False
    shares_port: bool = False
    host: Line | None = None
    name_id: int | None = None
    ssrc: int = field(factory=_sources.__next__)

    @property
    def phone(self):
        home = self.home
        return home.phones[home.at]

    @property
    def home(self):
        return self.host or self

    @property
    def is_fax(self):
        return self.kind == "image"

    def speech(self, number):
        """Return a packet of its media, without any name in it."""
        return fax(number) if self.is_fax else speech(number, self.ssrc, int(FORMATS[self.mid].split()[0]))

    def report(self, number):
        return numbered_report(number, self.ssrc)


@define(eq=False)
class Party:
    """A participant: its tag, and what it says of each media by name.

    Attributes:
        bundle: the media that it wants to share a port; they do once they are in `bundled`.
        spreads: it gives them ports of their own until they are.
        knows_bundles: it accepts one that it is offered.
        names_packets: it wants the names of bundled media in their packets.
        ice: at which level of its SDP it speaks ICE, if it does.
        is_trickling: its candidates are to follow, so its next SDP does not say where it is.
    """

    tag: str
    address: str
    lines: dict[str, Line] = field(factory=dict)
    version: int = 0
    prefers_pcma: bool = False
    bundle: list[str] = field(factory=list)
    bundled: list[str] = field(factory=list)
    spreads: bool = False
    knows_bundles: bool = False
    names_packets: bool = False
    ice: str | None = None
    is_trickling: bool = False

    def line(self, mid, kind):
        """Return a media, taking up a phone for it if there is none yet."""
        if mid not in self.lines:
            self.lines[mid] = Line(mid, kind, [Phone(self.address)], self._free_name(mid))
        self.lines[mid].kind = kind
        return self.lines[mid]

    @property
    def is_moving(self):
        """Whether media are guests in a phone that will be back in their own with its next SDP."""
        return any(line.host is not None and mid not in self.bundled for mid, line in self.lines.items())

    def add(self, mid):
        """Take up a media that there is none of at the moment."""
        line = self.line(mid, KINDS[mid])
        others = {each.name for each in self.lines.values() if each is not line}
        if line.name in others:
            line.name = self._free_name(mid)
        line.direction, line.is_rejected = "sendrecv", False

    def _free_name(self, mid):
        taken = {line.name for line in self.lines.values()}
        names = chain([mid], (f"{mid}{number}" for number in count()))
        return next(name for name in names if name not in taken)

    def offer(self, order):
        """Write an SDP with these media in this order."""
        group = [mid for mid in order if mid in self.bundle and self._can_bundle(mid)]
        for mid in order:
            line = self.lines[mid]
            line.name_id = 3 if self.names_packets and not line.is_fax else None
        self._gather([] if self.spreads and not self.bundled else group, order)
        return self._write(order, group)

    def answer(self, order, group):
        """Write an SDP that accepts that these media are bundled."""
        self.bundle = self.bundled = group
        self._gather(group, order)
        return self._write(order, group)

    def take_answer(self, order, group):
        """Take note of which media of its offer are bundled."""
        self.bundle = self.bundled = group
        if group:
            self._gather(group, group)

    def _can_bundle(self, mid):
        line = self.lines[mid]
        return not (line.is_rejected or line.is_fax)

    def _gather(self, group, order):
        """Move the media of a group to the phone of the first, and all others into their own."""
        home = self.lines[group[0]].home if group else None
        for mid in order:
            line = self.lines[mid]
            line.host = home if mid in group and home is not line else None

    def _write(self, order, group):
        self.version += 1
        address = "0.0.0.0" if self.is_trickling else self.address
        lines = ["v=0", f"o=alice 4711 {self.version} IN IP4 {self.address}", "s=call"]
        lines += [f"c=IN IP4 {address}", "t=0 0"]
        if group:
            lines.append(f"a=group:BUNDLE {' '.join(self.lines[mid].name for mid in group)}")
        if self.ice == "session":
            lines += [f"a={each}" for each in ICE]
        for mid in order:
            lines += self._section(self.lines[mid])
        self.is_trickling = False
        return "".join(f"{line}\r\n" for line in lines)

    def _section(self, line):
        port = line.phone.endpoint.port
        said = 0 if line.is_rejected else 9 if self.is_trickling else port
        if line.is_fax:
            yield f"m=image {said} udptl t38"
            yield "a=T38FaxVersion:0"
        else:
            formats = FORMATS[line.mid].split()
            yield f"m={line.kind} {said} RTP/AVP {' '.join(formats[::-1] if self.prefers_pcma else formats)}"
            yield from (f"a=rtpmap:{each}" for each in RTPMAPS[line.mid])
        yield f"a=mid:{line.name}"
        yield f"a={line.direction}"
        if line.shares_port and not line.is_fax:
            yield "a=rtcp-mux"
        if line.name_id is not None:
            yield f"a=extmap:{line.name_id} {MID}"
        if self.ice is not None:
            if self.ice == "media":
                yield from (f"a={each}" for each in ICE)
            if not self.is_trickling:
                yield f"a={CANDIDATE.format(self.address, port)}"

    def say(self, mid, number):
        """Return a packet as it sends it."""
        line = self.lines[mid]
        return named(line.speech(number), self.name_in(mid))

    def name_in(self, mid):
        """Return what packets of a media say of it: a header extension and a name, if anything."""
        line = self.lines[mid]
        return (line.name_id, line.name) if mid in self.bundled and line.name_id is not None else None

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

    def hears(self, party, mid):
        line = self.lines.get(mid)
        return self.source is party and mid in self.told and line.kind == party.lines[mid].kind


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
        offered: that offer, as it was passed on.
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
    offered: object = None
    is_answered: bool = False

    def media_of(self, party):
        """Return the media that a party starts from when it makes an offer."""
        return self.order if self.offerer is party else self.agreed

    def other(self, party):
        return self.callee if party is self.caller else self.caller

    def group_in(self, description):
        """Return the media that an SDP bundles."""
        places = [section.mid for section in description.media]
        return [self.order[places.index(name)] for name in description.bundle]

    def tell(self, party, description, local):
        """Take note of the SDP that a party was sent; `local` has the address behind an advertised one."""
        speaker = self.other(party)
        group = self.group_in(description)
        sections = dict(zip(self.order, description.media, strict=True))
        for mid, section in sections.items():
            self.told.pop((party.tag, mid), None)
            if section.is_bundle_only:
                assert mid in group
                section = sections[group[0]]
            if section.port:
                self.told[party.tag, mid] = (local[section.address], section.port)
                if section.rtcp_endpoint is not None:
                    self.told_rtcp[party.tag, mid] = (local[section.address], section.rtcp_endpoint.port)
            if speaker.lines[mid].is_rejected:
                assert not section.port
                self.told.pop((speaker.tag, mid), None)

    def settle(self, party, description):
        """Take note of who shares ports after an answer, of which a party was sent the description."""
        speaker = self.other(party)
        for mid in speaker.bundled:
            self.told[speaker.tag, mid] = self.told[speaker.tag, speaker.bundled[0]]
        self.sharing.clear()
        for mid, section in zip(self.order, description.media, strict=True):
            if section.rtcp_mux:
                self.sharing.add((party.tag, mid))
            if speaker.lines[mid].shares_port or mid in speaker.bundled:
                self.sharing.add((speaker.tag, mid))

    def rtcp_of(self, party, mid):
        """Return the socket that a party has for RTCP of a media, and where it was told to send it."""
        phone = party.lines[mid].phone
        if (party.tag, mid) in self.sharing:
            return phone.rtp, self.told[party.tag, mid]
        return phone.rtcp, self.told_rtcp[party.tag, mid]
