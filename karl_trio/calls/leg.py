"""Legs: the participants of a call."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import define, field, frozen

from karl_trio.endpoint import Family
from karl_trio.sdp.selection import OfferedCodecs

from .hidden import HiddenMedia
from .media import Media


@define(kw_only=True)
class SentSdp:
    """What there is to remember of the SDP that a leg was last sent.

    Attributes:
        username, session_id, name: as the leg was first told them.
        version: of the last one sent.
        body: the last one sent, with the version as it then was.
        codecs: what it said of each media; also of those that the leg was not told of.
        hidden: the media that the leg was not told of, by their place from 0.
    """

    username: str
    session_id: str
    name: str
    version: int
    body: str
    codecs: tuple[OfferedCodecs, ...]
    hidden: Mapping[int, HiddenMedia]


@frozen(kw_only=True)
class Bundling:
    """What was said of a leg's bundles in the last offer from it and to it; media by their place from 0.

    Attributes:
        offers: what it offers to bundle and is going to be accepted so.
        offered: what it was offered to bundle, in order.
        is_only: all but the first of them only as long as they are bundled.
    """

    offers: tuple[int, ...] = ()
    offered: tuple[int, ...] = ()
    is_only: bool = False


class Course(Enum):
    """Where the media of a leg goes (key `media-echo`)."""

    ONWARD = "to its peers"
    BACK = "echo"
    NOWHERE = "blackhole"


class Heard(Enum):
    """What of a leg's media somebody listens to."""

    SAID = "what it says"
    EGRESS = "what it is sent"
    RTCP = "what it says, its RTCP alone"
    INJECTED = "what it says, for as long as it is injected"


@frozen(kw_only=True, eq=False)
class Subscription:
    """Somebody who listens to a leg without being its peer.

    Attributes:
        media: what is listened to, by its place in the leg's SDP, from 1.
        listener: who listens.
        listener_media: as which media, likewise.
        is_back_channel: it came with a subscription of the leg to the listener, and ends with it.
    """

    media: int
    listener: Leg
    listener_media: int
    heard: Heard = Heard.SAID
    is_back_channel: bool = False


@define(eq=False, kw_only=True)
class Leg:
    """One participant of a call (rtpengine: monologue).

    Attributes:
        tag: its SIP tag; None until its first answer names it.
        call_id: of the request that brought it; a call that was made of several has several.
        created: Unix time in seconds.
        via_branch: the Via branch of the INVITE that was forked to it.
        label: a name that the proxy gave it.
        aliases: further tags that mean this leg.
        interface: name of the interface that faces it; None before one was chosen.
        family: address family that it is spoken to in.
        media: its media, by their slots.
        slots: the slot of each m= section of the SDP that was last sent to it or came from it.
        is_final: it has answered for good: another tag that answers is another leg.
        peers: the legs that it made an offer to or got one from.
        subscribers: those who listen to it without being its peers.
        said: the last SDP that came from it.
        sent: the last SDP that it was sent.
        course: where its media goes.
        bundling: which of its media share a port, or may.
    """

    tag: str | None
    call_id: str
    created: float
    via_branch: str | None = None
    label: str | None = None
    aliases: set[str] = field(factory=set)
    interface: str | None = None
    family: Family | None = None
    media: list[Media] = field(factory=list)
    slots: tuple[int, ...] = ()
    is_final: bool = False
    peers: list[Leg] = field(factory=list)
    subscribers: list[Subscription] = field(factory=list)
    said: str | None = None
    sent: SentSdp | None = None
    course: Course = Course.ONWARD
    bundling: Bundling = Bundling()

    def goes_by(self, tag: str) -> bool:
        """Say whether a tag means this leg."""
        return tag == self.tag or tag in self.aliases

    @property
    def has_answered(self) -> bool:
        """Whether an SDP of this leg is known."""
        return any(media.advertised is not None for media in self.media)

    def awaits_answer(self, *, but: Leg | None = None) -> bool:
        """Whether any of its peers, one left out, has not answered yet."""
        return any(peer is not but and not peer.has_answered for peer in self.peers)

    @property
    def only_listens(self) -> bool:
        """Whether nothing that it might send would go anywhere, and it is not expected to send anything."""
        return not self.peers and not any(media.is_sending for media in self.media)

    def media_at(self, slot: int) -> Media:
        """Return a media by its slot, from 0; it is made if it is not there yet."""
        while len(self.media) <= slot:
            self.media.append(Media(index=len(self.media) + 1))
        return self.media[slot]

    def spoken_codecs(self, slot: int) -> Mapping[int, str] | None:
        """Return the codecs that its SDP named for a media, given by its slot, by payload type."""
        advertised = self.media[slot].advertised if slot < len(self.media) else None
        return None if advertised is None else advertised.codec_names

    def codecs_in_use(self, slot: int) -> OfferedCodecs | None:
        """Return the codecs of the last answer for a media, or else those that it was told of last."""
        if slot < len(self.media) and self.media[slot].agreed is not None:
            return self.media[slot].agreed
        told = () if self.sent is None else self.sent.codecs
        return dict(zip(self.slots, told, strict=False)).get(slot)

    def __repr__(self) -> str:
        return f"<Leg {self.tag or 'untagged'!r} {len(self.media)} media>"
