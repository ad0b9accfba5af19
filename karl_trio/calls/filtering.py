"""What a flow has to pass on its way from one leg to another, besides the relay."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from karl_trio.media.filters import PAYLOAD_TYPES, PayloadFilter, ShortFilter, Treatment, UntilHeard
from karl_trio.media.relay import Stream
from karl_trio.media.sinks import Sink
from karl_trio.rtp.silence import silenced, silencer_of

from .controls import Control
from .media import Advertised, Media

Controls = frozenset[Control]

FIXED_SIZE = frozenset({"PCMU", "PCMA", "G722", "L16"})
"""Codecs whose packets of the same length in time are all of the same size."""


def rtp_filter(stream: Stream, sink: Sink, source: Media, listener: Media, controls: Controls) -> Sink | None:
    """Return what RTP is to be given to in the place of a sink; None if it is not to be passed on at all.

    Args:
        stream: toward the leg that listens.
        sink: what stands before it.
        source, listener: the media of the two legs.
        controls: what is done to all that goes from the one to the other.
    """
    if listener.handling.nat_wait:
        sink = UntilHeard(stream, sink)
    advertised = source.advertised
    if advertised is None or not (controls or source.handling.block_short):
        return sink
    if not advertised.is_rtp:
        return None if Control.BLOCK_MEDIA in controls else sink
    codecs = _codecs(advertised, listener.advertised)
    if controls:
        sink = PayloadFilter(stream, sink, _treatments(advertised, codecs, controls))
    if source.handling.block_short and not advertised.is_secure:
        fixed = frozenset(number for number, name in codecs.items() if _codec(name) in FIXED_SIZE)
        sink = ShortFilter(stream, sink, fixed)
    return sink


def rtcp_filter(stream: Stream, sink: Sink, listener: Media) -> Sink:
    """Return what RTCP is to be given to in the place of a sink. It flows while RTP is blocked."""
    return UntilHeard(stream, sink) if listener.handling.nat_wait else sink


def unsilenceable(source: Media, listener: Media) -> list[str]:
    """Return the codecs of an audio media in which we cannot make silence, for a person to read."""
    advertised = source.advertised
    if advertised is None or advertised.is_rejected or advertised.kind != "audio" or not advertised.is_rtp:
        return []
    if advertised.is_secure:
        return [advertised.protocol]
    codecs = _codecs(advertised, listener.advertised).values()
    return sorted({name for name in codecs if not _is_dtmf(name) and silencer_of(name) is None})


def _codecs(source: Advertised, listener: Advertised | None) -> Mapping[int, str]:
    """Return what payload types mean from one leg to another.

    The one who listens says it (RFC 3264, 5.1). Phones that send in their own numbers are understood, too.
    """
    return source.codec_names if listener is None else {**source.codec_names, **listener.codec_names}


def _treatments(source: Advertised, codecs: Mapping[int, str], controls: Controls) -> tuple[Treatment, ...]:
    return tuple(_treatment(source, codecs.get(number, ""), controls) for number in range(PAYLOAD_TYPES))


def _treatment(source: Advertised, codec: str, controls: Controls) -> Treatment:
    if _is_dtmf(codec):
        return "blocked_dtmf" if Control.BLOCK_DTMF in controls else None
    if Control.BLOCK_MEDIA in controls:
        return "blocked_media"
    if Control.SILENCE_MEDIA not in controls or source.kind != "audio":
        return None
    silencer = None if source.is_secure else silencer_of(codec)
    # Whoever is silenced must not be heard: where there is no silence to be had, nothing is sent.
    return "no_silence" if silencer is None else partial(silenced, silencer=silencer)


def _codec(name: str) -> str:
    return name.partition("/")[0].upper()


def _is_dtmf(codec: str) -> bool:
    return _codec(codec) == "TELEPHONE-EVENT"
