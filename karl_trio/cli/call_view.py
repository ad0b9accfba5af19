"""A `query` reply as a person wants to see it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from attrs import frozen

from karl_trio.client import Reply

from .screen import Screen, printable


@frozen
class StreamView:
    """One stream of a call, seen from the proxy.

    Attributes:
        ours: the proxy's port, empty once it is closed.
        advertised: where the leg's SDP wants packets.
        learned: where its packets really come from.
        packets: received from the leg, and `packets_out` sent to it; None where the node does not tell.
        lost: packets missing in the sequence numbers that came, or None where that is not known.
        jitter: interarrival jitter in milliseconds, or None where that is not known.
        drops: how many packets were thrown away, by reason.
        last_packet: Unix time in seconds of the last packet from the leg, 0 for none.
    """

    tag: str
    media: str
    component: str
    ours: str
    advertised: str
    learned: str
    packets: int | None
    packets_out: int | None
    bytes: int | None
    errors: int | None
    lost: int | None
    jitter: float | None
    drops: Mapping[str, int]
    last_packet: int


def streams_of(reply: Mapping[str, object]) -> tuple[StreamView, ...]:
    """Return every stream of every leg in a `query` reply; what is missing or odd is left empty."""
    return tuple(
        _stream(str(leg.get("tag") or tag), media, stream, number)
        for tag, leg in ((tag, _dictionary(leg)) for tag, leg in _dictionary(reply.get("tags")).items())
        for media in _dictionaries(leg.get("medias"))
        for number, stream in enumerate(_dictionaries(media.get("streams")))
    )


def _stream(tag: str, media: Mapping[str, object], stream: Mapping[str, object], number: int) -> StreamView:
    stats, stats_out = _dictionary(stream.get("stats")), _dictionary(stream.get("stats_out"))
    is_rtcp = number % 2 == 1
    sources = [] if is_rtcp else list(_dictionaries(media.get("ingress SSRCs")))
    losses = [_number(source["lost"]) for source in sources if "lost" in source]
    jitters = [_number(source["jitter_us"]) / 1000 for source in sources if "jitter_us" in source]
    codec = f" {media['codec']}" if "codec" in media else ""
    return StreamView(
        tag=tag,
        media=f"{media.get('index', '')} {media.get('type', '')}{codec}".strip(),
        component=_component(stream.get("flags"), is_rtcp=is_rtcp),
        ours=_address(stream.get("local address"), stream.get("local port")),
        advertised=_endpoint(stream.get("advertised endpoint")),
        learned=_endpoint(stream.get("endpoint")),
        packets=_figure(stats, "packets"),
        packets_out=_figure(stats_out, "packets"),
        bytes=_figure(stats, "bytes"),
        errors=_figure(stats, "errors"),
        lost=sum(losses) if losses else None,
        jitter=max(jitters) if jitters else None,
        drops={str(reason): _number(count) for reason, count in _dictionary(stream.get("drops")).items()},
        last_packet=_number(stream.get("last packet")),
    )


def _component(flags: object, *, is_rtcp: bool) -> str:
    names = [name for name in ("RTP", "RTCP") if isinstance(flags, list) and name in flags]
    return "+".join(names) or ("RTCP" if is_rtcp else "RTP")


WHO = ("leg", "stream")
WHERE = ("media", "our port", "advertised", "learned")
FIGURES = (">in", ">out", ">bytes in", ">errors", ">lost", ">jitter", ">last packet", "dropped")

WIDE = 160
"""Columns of a terminal in which the addresses and the figures of a stream have room side by side."""


def show_call(screen: Screen, reply: Reply) -> None:
    """Print a call: when it began, who talks, and a line for each stream."""
    now = int(time.time())
    screen.line(f"created      {_with_age(_number(reply.get('created')), now)}")
    screen.line(f"last signal  {_with_age(_number(reply.get('last signal', reply.get('last-signal'))), now)}")
    if metadata := reply.get("metadata"):
        screen.line(f"metadata     {printable(metadata)}")
    for name in ("RTP", "RTCP"):
        total = _dictionary(_dictionary(reply.get("totals")).get(name))
        screen.line(
            f"{name:<11}  {_number(total.get('packets'))} packets, {_number(total.get('bytes'))} bytes, "
            f"{_number(total.get('errors'))} errors"
        )
    streams = streams_of(reply)
    if screen.width >= WIDE:
        screen.line()
        screen.table(WHO + WHERE + FIGURES, [_who(it) + _where(it) + _figures(it, now) for it in streams])
        return
    screen.line()
    screen.table(WHO + WHERE, [_who(it) + _where(it) for it in streams])
    screen.line()
    screen.table(WHO + FIGURES, [_who(it) + _figures(it, now) for it in streams])


def _who(stream: StreamView) -> tuple[object, ...]:
    return stream.tag, stream.component


def _where(stream: StreamView) -> tuple[object, ...]:
    return stream.media, stream.ours, stream.advertised, stream.learned


def _figures(stream: StreamView, now: int) -> tuple[object, ...]:
    counts = (stream.packets, stream.packets_out, stream.bytes, stream.errors, stream.lost)
    return (
        *("" if count is None else count for count in counts),
        "" if stream.jitter is None else f"{stream.jitter:.1f} ms",
        _age(stream.last_packet, now) if stream.packets else "",
        ", ".join(f"{reason} {count}" for reason, count in stream.drops.items()),
    )


def moment(when: int) -> str:
    """Return a Unix time as local time, or nothing for 0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) if when else ""


def _with_age(when: int, now: int) -> str:
    return f"{moment(when)}, {_age(when, now)}" if when else "unknown"


def _age(when: int, now: int) -> str:
    if not when:
        return ""
    seconds = max(0, now - when)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _dictionary(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _dictionaries(value: object) -> Iterator[Mapping[str, object]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _figure(figures: Mapping[str, object], name: str) -> int | None:
    return _number(figures[name]) if name in figures else None


def _endpoint(value: object) -> str:
    endpoint = _dictionary(value)
    return _address(endpoint.get("address"), endpoint.get("port"))


def _address(address: object, port: object) -> str:
    if not address or not port:
        return ""
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
