"""The requests about single legs: their SDP is exchanged with us, or they are told to listen to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from .requests import CallRequest, PartyRequest, Request, SdpRequest, for_command
from .structuring import Address, Body

NO_BODY = Body("")


@for_command("publish")
@frozen(kw_only=True)
class PublishRequest(SdpRequest):
    """An SDP offer that we answer ourselves: media for whoever subscribes to it.

    Attributes:
        call_id, from_tag: made up if empty.
        interface: name of the one toward the publisher.
        peer: an address in the network that the publisher is in, to find the interface by.
    """

    call_id: str = ""
    from_tag: str = ""
    interface: str | None = None
    peer: Address | None = None


@for_command("create")
@frozen(kw_only=True)
class CreateRequest(SdpRequest):
    """Asks for an SDP offer of ours.

    Attributes:
        call_id, from_tag: made up if empty; the tag is that of the leg that the offer is for.
        interface: name of the one toward that leg.
        peer: an address in the network that it is in, to find the interface by.
        medias: each with its type and codecs; one of audio if empty.
    """

    call_id: str = ""
    from_tag: str = ""
    sdp: Body = NO_BODY
    interface: str | None = None
    peer: Address | None = None
    medias: tuple[Mapping[str, Any], ...] = ()


@for_command("create answer")
@frozen(kw_only=True)
class CreateAnswerRequest(SdpRequest):
    """The answer to an offer of ours."""


@for_command("subscribe request")
@frozen(kw_only=True)
class SubscribeRequest(SdpRequest):
    """Asks for an SDP offer of ours to a listener, who is to get what others say.

    Attributes:
        from_tag, from_tags, label, address, all: whom to listen to.
        to_tag: the listener's; made up if None.
        to_label, set_label: a name for the listener.
        interface: name of the one toward the listener.
        peer: an address in the network that it is in, to find the interface by.
    """

    from_flags_only: ClassVar[frozenset[str]] = frozenset({"to-tag"})

    from_tag: str = ""
    sdp: Body = NO_BODY
    from_tags: tuple[str, ...] = ()
    address: Address | None = None
    all: str | None = None
    to_label: str | None = None
    set_label: str | None = None
    interface: str | None = None
    peer: Address | None = None

    @property
    def sources(self) -> PartyRequest:
        """Whom to listen to."""
        return PartyRequest(
            call_id=self.call_id,
            from_tag=self.from_tag or None,
            from_tags=self.from_tags,
            label=self.label,
            address=self.address,
            all=self.all,
        )


@for_command("subscribe answer")
@frozen(kw_only=True)
class SubscribeAnswerRequest(SdpRequest):
    """The listener's answer to it."""

    from_tag: str = ""
    to_tag: str


@for_command("unsubscribe")
@frozen(kw_only=True)
class UnsubscribeRequest(CallRequest):
    """Ends what a listener listens to.

    Attributes:
        from_tag: with the flag ``directional``, this one only.
    """

    from_tag: str | None = None
    to_tag: str


@for_command("connect")
@frozen(kw_only=True)
class ConnectRequest(PartyRequest):
    """Lets legs talk to another one without an offer and an answer.

    Attributes:
        to_call_id: the call of the other one, if it is not this call; both become one.
    """

    to_tag: str
    to_call_id: str | None = None


@for_command("mesh")
@frozen(kw_only=True)
class MeshRequest(Request):
    """Makes one call of several, in which legs hear each other.

    Attributes:
        calls: their call-ids.
        tags: who is heard by whom, each with a tag ``from`` and a list of tags ``to``; if empty, all by all.
    """

    calls: tuple[str, ...]
    tags: tuple[Mapping[str, Any], ...] = ()


@frozen(kw_only=True)
class InjectRequest(CallRequest):
    """What the two requests have in common.

    Attributes:
        to_tag: who is to hear more.
        source_tag, source_call_id: whom it is to hear, and in which call if not in this one.
    """

    to_tag: str
    source_tag: str
    source_call_id: str | None = None


@for_command("inject start")
@frozen(kw_only=True)
class InjectStartRequest(InjectRequest):
    """Lets a leg hear another one beside those that it talks to."""


@for_command("inject stop")
@frozen(kw_only=True)
class InjectStopRequest(InjectRequest):
    """Ends that."""


@for_command("transform")
@frozen(kw_only=True)
class TransformRequest(SdpRequest):
    """Takes media from another media proxy and sends it on, without SDP.

    Attributes:
        call_id, from_tag: made up if empty.
        media: each with its type, its codecs and its destination.
        interface: name of the one toward the other media proxy.
        peer: an address in the network that it is in, to find the interface by.
    """

    call_id: str = ""
    from_tag: str = ""
    sdp: Body = NO_BODY
    media: tuple[Mapping[str, Any], ...]
    interface: str | None = None
    peer: Address | None = None
