"""The requests that there are, each with what it may say.

A new command is one more class here; its attributes are the canonical keys with underscores, and keys
that it does not have are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from attrs import field, fields_dict, frozen
from attrs.validators import ge

from karl_trio.endpoint import Family
from karl_trio.errors import NotSupported, UnrecognizedCommand

from .keys import canonical
from .nearest import quoted
from .parameters import NO_TEMPLATES, collect
from .structuring import Address, Body, Protocol, Seconds, SourceAddress, key_of, structurer
from .templates import Templates
from .values import Value

DEFAULT_LIMIT = 32
"""Calls in a list, if the request does not say; rtpengine's number."""


@frozen(kw_only=True)
class Request:
    """What all requests have.

    Attributes:
        flags: canonical names (lower case, hyphens) of the flags that are no value of another key.
        warnings: one line for each key, flag or option that is not known.
        unused: canonical names of the keys that are known, but mean nothing to requests of this kind.
        supports: what the SIP proxy understands beyond the first protocol, as ``load limit``.
        received_from: where the SIP message came from.
    """

    command: ClassVar[str]
    from_flags_only: ClassVar[frozenset[str]] = frozenset()
    """Keys that count only within `rtpp-flags` where there is that string: beside it, a proxy writes down
    what it knows of the SIP message, whether that is meant or not."""

    flags: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    supports: frozenset[str] = frozenset()
    received_from: SourceAddress | None = None


@frozen(kw_only=True)
class CallRequest(Request):
    """What all requests have that concern one call."""

    call_id: str


@frozen(kw_only=True)
class PartyRequest(CallRequest):
    """What all requests have that may be about some of a call's participants only.

    Attributes:
        from_tag: the participant with this tag; many commands heed it with the flag ``directional`` only.
        from_tags: several of them.
        label: the participant that was given this name; it comes before an address, and that before a tag.
        address: the participant with this address in its SDP.
        to_tag, to_label: the participant at the other end.
        all: all, offer-answer, except-offer-answer or flows.
    """

    from_tag: str | None = None
    from_tags: tuple[str, ...] = ()
    label: str | None = None
    address: Address | None = None
    to_tag: str | None = None
    to_label: str | None = None
    all: str | None = None


RequestT = TypeVar("RequestT", bound=Request)


def keys_of(request: type[Request]) -> frozenset[str]:
    """Return the canonical keys that mean something to a kind of request."""
    return frozenset(map(key_of, fields_dict(request))) - {"warnings", "unused"}


REQUESTS: dict[str, type[Request]] = {}
"""The kind of request for each command, by its canonical name."""

_KEYS: dict[str, frozenset[str]] = {}
_STRUCTURERS: dict[str, Callable[[Mapping[str, object]], Request]] = {}
# Each is written with the first request of its kind, for all of them together would hold up the start.


def for_command(command: str) -> Callable[[type[RequestT]], type[RequestT]]:
    """Make the decorated class the one for a command."""

    def register(cls: type[RequestT]) -> type[RequestT]:
        cls.command = command
        name = canonical(command)
        REQUESTS[name] = cls
        _KEYS[name] = keys_of(cls) | {"command"}
        return cls

    return register


@for_command("ping")
@frozen(kw_only=True)
class PingRequest(Request):
    """Asks whether the daemon is alive."""


@frozen(kw_only=True)
class SdpRequest(CallRequest):
    """What offers and answers have in common.

    Attributes:
        from_tag: who the SIP message is from; in an answer still the one who made the offer.
        to_tag: who it is to, as soon as that is known.
        sdp: the body, as it came.
        via_branch: tells the branches of a forked call apart.
        label, set_label: a name for the leg that the SDP comes from.
        alias_key: what makes an unknown from-tag another name of a known leg: sdp or address.
        sip_message_type, sip_code: what the SDP came in: a request, or a reply with this status code.
        replace: parts of the SDP that become ours, as canonical words.
        direction: names of interfaces, towards the sender and the receiver of this SDP; as sent.
        from_interface, to_interface: the same one by one; they count more.
        inbound_peer, outbound_peer: addresses whose route tells the interface where none is named.
        ice: remove, force, force-relay, default or optional.
        dtls: off, passive or active.
        sdes: options in lower case, suites in upper case: ``off``, ``no-NULL_HMAC_SHA1_80``.
        transport_protocol: of the outgoing SDP, in upper case; that of the incoming one if None.
        media_address: to write into the outgoing SDP.
        rtcp_mux, bundle, osrtp: canonical words.
        tos: the type-of-service byte of outgoing packets; negative leaves it, one too large resets it.
        media_timeout: seconds without media after which the call ends.
        delete_delay: seconds between a delete and the end of the call.
        codec: codecs by operation (strip, offer, except, ...), in order and as sent.
        extmap: URIs of header extensions by operation (strip, mask).
        ptime, ptime_reverse: milliseconds of audio in a packet.
        t38: how fax is converted, as canonical words.
        endpoint_learning: off, immediate, delayed or heuristic.
        sdp_attr: sections of the SDP, each with lists of attributes by command.
        drop_traffic: start, stop or both, which means stop.
        media_echo: blackhole, forward, backward or both.
        sdp_media_remove: kinds of media that the other side is not told of.
        dry_run: only to tell what the SDP would be.
    """

    from_tag: str
    to_tag: str | None = None
    sdp: Body
    via_branch: str | None = None
    label: str | None = None
    set_label: str | None = None
    alias_key: str | None = None
    sip_message_type: str | None = None
    sip_code: int | None = None
    replace: frozenset[str] = frozenset()
    direction: tuple[str, ...] = ()
    from_interface: str | None = None
    to_interface: str | None = None
    inbound_peer: Address | None = None
    outbound_peer: Address | None = None
    ice: str | None = None
    dtls: str | None = None
    sdes: tuple[str, ...] = ()
    osrtp: frozenset[str] = frozenset()
    transport_protocol: Protocol | None = None
    media_address: Address | None = None
    address_family: Family | None = None
    rtcp_mux: frozenset[str] = frozenset()
    bundle: frozenset[str] = frozenset()
    tos: int | None = None
    media_timeout: Seconds | None = None
    delete_delay: Seconds | None = None
    record_call: bool | None = None
    codec: Mapping[str, tuple[str, ...]] = field(factory=dict)
    extmap: Mapping[str, tuple[str, ...]] = field(factory=dict)
    ptime: int | None = None
    ptime_reverse: int | None = None
    t38: frozenset[str] = frozenset()
    endpoint_learning: str | None = None
    metadata: str | None = None
    sdp_attr: Mapping[str, Any] = field(factory=dict)
    sdp_media_remove: frozenset[str] = frozenset()
    drop_traffic: frozenset[str] = frozenset()
    media_echo: str | None = None
    dry_run: bool = False


@for_command("offer")
@frozen(kw_only=True)
class OfferRequest(SdpRequest):
    """An SDP offer on its way from one leg to the other."""


@for_command("answer")
@frozen(kw_only=True)
class AnswerRequest(SdpRequest):
    """An SDP answer on its way back."""

    to_tag: str


@for_command("delete")
@frozen(kw_only=True)
class DeleteRequest(CallRequest):
    """Ends a call, or a leg of it.

    Attributes:
        from_tag: the leg to end; the whole call if None.
        to_tag: taken into account with the flag ``to-tag`` only.
        delete_delay: seconds until then; what is configured if None.
    """

    from_tag: str | None = None
    to_tag: str | None = None
    via_branch: str | None = None
    delete_delay: Seconds | None = None


@for_command("query")
@frozen(kw_only=True)
class QueryRequest(CallRequest):
    """Asks for the figures of a call, or of one leg and those that it talks to."""

    from_tag: str | None = None
    to_tag: str | None = None


@frozen(kw_only=True)
class MediaControlRequest(PartyRequest):
    """What the commands have in common that do something to media on its way, or no longer.

    Attributes:
        direction: whether what a participant sends is meant (from-tag), what it is sent (to-tag), or both;
            who is meant follows rtpengine's rules without it.
    """

    direction: tuple[str, ...] = ()


@for_command("block media")
@frozen(kw_only=True)
class BlockMediaRequest(MediaControlRequest):
    """Asks for media to be dropped, all but DTMF events."""


@for_command("unblock media")
@frozen(kw_only=True)
class UnblockMediaRequest(MediaControlRequest):
    """Asks for media to pass again."""


@for_command("silence media")
@frozen(kw_only=True)
class SilenceMediaRequest(MediaControlRequest):
    """Asks for audio to be replaced by silence."""


@for_command("unsilence media")
@frozen(kw_only=True)
class UnsilenceMediaRequest(MediaControlRequest):
    """Asks for audio to be heard again."""


@for_command("block DTMF")
@frozen(kw_only=True)
class BlockDtmfRequest(MediaControlRequest):
    """Asks for DTMF events to be dropped or replaced.

    Attributes:
        dtmf_security: drop, silence, tone, random, zero, dtmf or off.
        dtmf_security_trigger, dtmf_security_trigger_end: likewise, after digits that trigger it.
        trigger, trigger_end: those digits.
        dtmf_delay, delay_buffer: milliseconds.
    """

    dtmf_security: str | None = None
    dtmf_security_trigger: str | None = None
    dtmf_security_trigger_end: str | None = None
    trigger: str | None = None
    trigger_end: str | None = None
    dtmf_delay: int | None = None
    delay_buffer: int | None = None


@for_command("unblock DTMF")
@frozen(kw_only=True)
class UnblockDtmfRequest(MediaControlRequest):
    """Asks for DTMF events to pass again."""


@for_command("start forwarding")
@frozen(kw_only=True)
class StartForwardingRequest(MediaControlRequest):
    """Asks for audio to be sent to a recording daemon as well."""


@for_command("stop forwarding")
@frozen(kw_only=True)
class StopForwardingRequest(MediaControlRequest):
    """Asks for an end of that."""


@for_command("start recording")
@frozen(kw_only=True)
class StartRecordingRequest(CallRequest):
    """Asks for a call to be recorded."""


@for_command("pause recording")
@frozen(kw_only=True)
class PauseRecordingRequest(CallRequest):
    """Asks for a recording to be interrupted."""


@for_command("stop recording")
@frozen(kw_only=True)
class StopRecordingRequest(CallRequest):
    """Asks for a recording to end."""


@for_command("play media")
@frozen(kw_only=True)
class PlayMediaRequest(CallRequest):
    """Asks for a sound to be played to a leg."""


@for_command("stop media")
@frozen(kw_only=True)
class StopMediaRequest(CallRequest):
    """Asks for such a sound to end."""


@for_command("play DTMF")
@frozen(kw_only=True)
class PlayDtmfRequest(CallRequest):
    """Asks for DTMF digits to be sent."""


@for_command("list")
@frozen(kw_only=True)
class ListRequest(Request):
    """Asks which calls there are.

    Attributes:
        limit: how many at most.
    """

    limit: int = field(default=DEFAULT_LIMIT, validator=ge(0))


@for_command("statistics")
@frozen(kw_only=True)
class StatisticsRequest(Request):
    """Asks for the figures of the daemon."""


def structure(body: Mapping[str, Value], templates: Templates = NO_TEMPLATES) -> Request:
    """Return the typed request for a decoded dictionary.

    Args:
        templates: what a request may name, or gets without naming it.

    Raises:
        UnrecognizedCommand: there is no such command, or none is named.
        InvalidParameters: a key that must be there is not, or holds what cannot be meant; the
            detail names it.
        NotSupported: it asks for a dry run of what makes no SDP.
    """
    parameters = collect(body, templates)
    values = parameters.values
    command = values.get("command")
    if not isinstance(command, str):
        raise UnrecognizedCommand("no string 'command'")
    name = canonical(command)
    if name not in REQUESTS:
        raise UnrecognizedCommand(quoted(command))
    if parameters.has_rtpp_flags:
        for key in REQUESTS[name].from_flags_only - parameters.flags:
            values.pop(key, None)
    if not values.keys() <= _KEYS[name]:
        values["unused"] = sorted(values.keys() - _KEYS[name])
    values["flags"] = parameters.flags
    values["warnings"] = parameters.warnings
    structured = _STRUCTURERS.get(name) or _STRUCTURERS.setdefault(name, structurer(REQUESTS[name]))
    request = structured(values)
    if values.get("dry-run") == "on" and "dry-run" not in _KEYS[name]:
        # What cannot be tried out must not be carried out instead.
        raise NotSupported(f"no dry run of {request.command}")
    return request
